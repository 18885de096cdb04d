"""llama.cpp as the peer of `cargo bench -p poai-graph`, by PyPI's xllamacpp, which ships it built.

Reads a line for each request and answers each with a line. `load THREADS FILE` loads a model and answers the seconds
that it took. `generate READ MADE` reads so many tokens and makes so many, and answers the tokens in a second of both.
"""

import json
import sys
import time

import xllamacpp


def load(threads, path):
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx, params.n_parallel, params.warmup = 2048, 1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(threads)
    start = time.perf_counter()
    return xllamacpp.Server(params), time.perf_counter() - start


def generate(server, read, made):
    answer = server.handle_completions({
        "prompt": [1000 + place * 37 % 4000 for place in range(read)],
        "max_tokens": made,
        "ignore_eos": True,
        "temperature": 0,
        "cache_prompt": False,
    })
    timings = (answer if isinstance(answer, dict) else json.loads(answer))["timings"]
    assert (timings["prompt_n"], timings["predicted_n"]) == (read, made), timings
    return timings["prompt_per_second"], timings["predicted_per_second"]


server = None
for line in sys.stdin:
    request, *rest = line.strip().split(" ", 2)
    if request == "load":
        server, seconds = load(*rest)
        print(seconds, flush=True)
    else:
        print(*generate(server, *map(int, rest)), flush=True)
