#!/usr/bin/env python3
"""Prints what llama.cpp answers: what a test compares the task's answers with.

Usage: reference.py MODEL.gguf PROMPT…, where MODEL.gguf is the file that package.toml names. Needs the Python package
xllamacpp, which is llama.cpp as a library.
"""

import sys

import xllamacpp

TEMPLATE = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)


def main():
    model, *prompts = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = model, 2048, 1
    server = xllamacpp.Server(params)
    for prompt in prompts:
        greedy = {"samplers": ["top_k"], "top_k": 1, "repeat_penalty": 1.0, "cache_prompt": False}
        request = {"prompt": TEMPLATE.format(prompt), "max_tokens": 24, "logprobs": 2} | greedy
        (choice,) = server.handle_completions(request)["choices"]
        print(prompt, repr(choice["text"]))
        for token in choice["logprobs"]["content"]:
            first, second = token["top_logprobs"][:2]
            print(token["id"], f"{first['logprob'] - second['logprob']:.3f} above the next")


if __name__ == "__main__":
    main()
