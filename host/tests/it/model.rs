//! `poai model`: real ONNX and GGUF files are looked at and computed, and what is wrong with files and flags is said.
//!
//! tests/models/make.py has written the ONNX models, and a script of tasks/nn-check the GGUF one; what they printed then
//! are the outputs that NumPy gives.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::command::Home;
use crate::devices::with_drivers;

const SCORES: &[u8] = include_bytes!("../models/scores.onnx");
const BESIDE: &[u8] = include_bytes!("../models/beside.onnx");
const WEIGHTS: &[u8] = include_bytes!("../models/weights.bin");
const TINY: &[u8] = include_bytes!("../../../tasks/nn-check/models/tiny.gguf");

const SCORES_SHA256: &str = "b5363784480498bad721bcac2b26da623cedebfcc72b8d52d0261c8221497bf9";
const BEST_SHA256: &str = "1f6e031dd33eed75757df11b845fddc49b3e2f1604f9d7b19c9ae32be8d838c2";

const LOGITS_SHA256: &str = "6322ef10564443230150c0721e51084ca7b284090feb6f4a4c1b483077273d31";
const FIRST_KEY_SHA256: &str = "0514b06540a1c4d1c2bec43763664cb040dfaf7193eca3d76723d2728a1e4ed1";
const VALUES_SHA256: &str = "4dd00bdf60cf46ae4ae7c4fec999ef6bf2fdc9f62e38c67ed6b0288ed218caef";

/// A file as NumPy saves it, but for the spaces that it puts at the header's end.
pub(crate) fn npy(descr: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), elements].concat()
}

pub(crate) fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The input that make.py computes by NumPy.
fn x() -> Vec<u8> {
    npy("<f4", "(4, 3)", &floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, -8.0, 9.0, 5.0, 0.0, -3.0]))
}

/// The same bytes with one text for another of the same length.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let place = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

struct Bench {
    home: Home,
    x: String,
    out: PathBuf,
}

impl Bench {
    fn new() -> Self {
        Self::of(Home::new())
    }

    fn of(home: Home) -> Self {
        let x = format!("x={}", home.file("x.npy", &x()).display());
        let out = home.scratch().join("out");
        Self { home, x, out }
    }

    fn run(&self, model: &Path, flags: &[&str]) -> (i32, Value) {
        let words = ["model", "run", model.to_str().unwrap(), "--output", self.out.to_str().unwrap()];
        self.home.json(words.iter().chain(flags))
    }

    /// Expects a computation to fail, and gives the hint.
    fn expect(&self, model: &Path, flags: &[&str], (code, kind, words): (i32, &str, &str)) -> String {
        let (exit, value) = self.run(model, flags);
        let error = &value["error"];
        assert_eq!((exit, error["kind"].as_str()), (code, Some(kind)), "{flags:?}: {value}");
        assert!(error["message"].as_str().unwrap().contains(words), "{flags:?}: not {words:?} but {value}");
        error["hint"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn a_model_is_shown_as_it_is() {
    let home = Home::new();
    let model = home.file("scores.onnx", SCORES);
    let (exit, value) = home.json(["model", "inspect", model.to_str().unwrap()]);
    let expected = json!({
        "inputs": { "x": { "dtype": "f32", "shape": ["batch", 3] } },
        "outputs": {
            "scores": { "dtype": "f32", "shape": ["batch", 2] },
            "best/class": { "dtype": "i64", "shape": ["batch"] },
        },
        "operators": { "Gemm": 1, "Relu": 1, "ArgMax": 1 },
        "constants": { "count": 2, "bytes": 32 },
        "unsupported": [],
    });
    assert_eq!((exit, value), (0, expected));

    let foreign = home.file("foreign.onnx", &replaced(&replaced(SCORES, "Gemm", "Gexm"), "ArgMax", "ArgMix"));
    let (exit, value) = home.json(["model", "inspect", foreign.to_str().unwrap()]);
    let unsupported = value["unsupported"].as_array().unwrap();
    let named: Vec<_> = unsupported.iter().map(|it| (it["node"].as_str(), it["operator"].as_str())).collect();
    assert_eq!(exit, 0);
    assert_eq!(named, [(Some("layer"), Some("Gexm")), (Some("choose"), Some("ArgMix"))], "all at once");
    assert!(unsupported.iter().all(|it| !it["reason"].as_str().unwrap().is_empty()), "{value}");
}

#[test]
fn a_model_gives_the_bits_of_numpy_by_all_code_and_threads() {
    let bench = Bench::new();
    let model = bench.home.file("scores.onnx", SCORES);
    bench.home.file("weights.bin", WEIGHTS);
    let beside = bench.home.file("beside.onnx", BESIDE);
    let mut fuel = None;
    for (model, flags) in [
        (&model, &["--kernels", "auto"][..]),
        (&model, &["--kernels", "scalar", "--threads", "1"]),
        (&model, &["--threads", "3", "--device", "cpu"]),
        (&beside, &[]),
    ] {
        let (exit, value) = bench.run(model, &[&["--input", &bench.x], flags].concat());
        let (scores, best) = (&value["outputs"]["scores"], &value["outputs"]["best/class"]);
        assert_eq!(exit, 0, "{flags:?}: {value}");
        assert_eq!((&scores["dtype"], &scores["shape"]), (&json!("f32"), &json!([4, 2])));
        assert_eq!((&best["dtype"], &best["shape"]), (&json!("i64"), &json!([4])));
        assert_eq!((&scores["sha256"], &best["sha256"]), (&json!(SCORES_SHA256), &json!(BEST_SHA256)), "{flags:?}");
        assert_eq!(*fuel.get_or_insert(value["fuel"].clone()), value["fuel"], "{flags:?}: the same work");
    }
    let written = fs::read(bench.out.join("scores.npy")).unwrap();
    assert!(written.starts_with(b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }"));
    assert_eq!(written[128..], floats(&[0.0, 23.0, 0.0, 47.0, 0.0, 7.0, 20.5, 0.0]));
    let best = fs::read(bench.out.join("best_class.npy")).unwrap();
    assert_eq!(best[128..], [1_i64, 1, 1, 0].map(i64::to_le_bytes).concat());
}

/// By the two software drivers, in whichever order they are found; neither stays out.
#[test]
fn a_model_gives_the_bits_of_numpy_on_every_device() {
    let mut devices = Vec::new();
    for number in ["vulkan", "vulkan:1"] {
        let bench = Bench::of(with_drivers().with("POAI_NUMERICS_DEVICE_FROM", "0"));
        let model = bench.home.file("scores.onnx", SCORES);
        bench.home.file("weights.bin", WEIGHTS);
        let (exit, value) = bench.run(&model, &["--input", &bench.x, "--device", number]);
        assert_eq!(exit, 0, "{number}: {value}");
        let outputs = &value["outputs"];
        let digests = (&outputs["scores"]["sha256"], &outputs["best/class"]["sha256"]);
        assert_eq!(digests, (&json!(SCORES_SHA256), &json!(BEST_SHA256)), "{number}");
        devices.push(value["device"].as_str().unwrap().to_owned());
    }
    for driver in ["llvmpipe", "SwiftShader"] {
        assert!(devices.iter().any(|device| device.contains(driver)), "{devices:?}");
    }
}

#[test]
fn a_language_model_is_shown_as_it_is() {
    let home = Home::new();
    let model = home.file("tiny.gguf", TINY);
    let (exit, value) = home.json(["model", "inspect", model.to_str().unwrap()]);
    let cache = json!({ "dtype": "f32", "shape": [1, 1, "past", 4] });
    let expected = json!({
        "tokens": { "dtype": "i64", "shape": [1, "tokens"] },
        "position": { "dtype": "i64", "shape": [1] },
        "past_key.0": cache,
        "past_value.0": cache,
    });
    assert_eq!((exit, &value["inputs"]), (0, &expected));
    assert_eq!(value["outputs"]["logits"]["dtype"], "f32");
    // Of tensors the file has seven matrices, three norms and the tokens' embeddings, which are the output's weights, too; the
    // angles of its 8 places are a table of cosines and one of sines.
    assert_eq!(value["constants"], json!({ "count": 14, "bytes": (7 * 16 + 3 * 4 + 2 * 20 + 2 * 16) * 4 }));
    assert_eq!(value["unsupported"], json!([]));
    let foreign = home.file("foreign.gguf", &replaced(TINY, "llama\x11", "gemma\x11"));
    let (exit, value) = home.json(["model", "inspect", foreign.to_str().unwrap()]);
    assert_eq!((exit, &value["unsupported"][0]["operator"]), (0, &json!("GGUF")), "{value}");
}

/// A text in one computation, and in two, the second of which goes on from what the first has left.
#[test]
fn a_language_model_gives_the_bits_of_numpy() {
    let bench = Bench::new();
    let model = bench.home.file("tiny.gguf", TINY);
    let input = |name: &str, shape: &str, values: &[i64]| {
        let elements: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let place = values.first().copied().unwrap_or_default();
        let file = bench.home.file(&format!("{name}-{place}.npy"), &npy("<i8", shape, &elements));
        format!("{name}={}", file.display())
    };
    let nothing = bench.home.file("nothing.npy", &npy("<f4", "(1, 1, 0, 4)", &[]));
    let past = |keys: &Path, values: &Path| {
        [("past_key.0", keys), ("past_value.0", values)].map(|(name, file)| format!("{name}={}", file.display()))
    };
    let step = |tokens: &str, position: i64, past: &[String]| {
        let position = input("position", "(1,)", &[position]);
        let inputs = [&[tokens.to_owned(), position], past].concat();
        let flags: Vec<_> = inputs.iter().flat_map(|input| ["--input", input]).collect();
        let (exit, value) = bench.run(&model, &flags);
        assert_eq!(exit, 0, "{value}");
        value["outputs"].clone()
    };
    let at_once = step(&input("tokens", "(1, 3)", &[3, 1, 4]), 0, &past(&nothing, &nothing));
    assert_eq!((&at_once["logits"]["sha256"], &at_once["logits"]["shape"]), (&json!(LOGITS_SHA256), &json!([1, 3, 5])));
    assert_eq!(at_once["present_value.0"]["sha256"], json!(VALUES_SHA256));

    let first = step(&input("tokens", "(1, 1)", &[3]), 0, &past(&nothing, &nothing));
    assert_eq!(first["present_key.0"]["sha256"], json!(FIRST_KEY_SHA256));
    let [keys, values] = ["present_key.0", "present_value.0"].map(|name| bench.out.join(format!("{name}.npy")));
    let rest = step(&input("tokens", "(1, 2)", &[1, 4]), 1, &past(&keys, &values));
    for name in ["present_key.0", "present_value.0"] {
        assert_eq!(rest[name], at_once[name]);
    }
}

/// What we write, we read; that it does not fit here is another matter.
#[test]
fn an_output_may_be_an_input() {
    let bench = Bench::new();
    let model = bench.home.file("scores.onnx", SCORES);
    bench.run(&model, &["--input", &bench.x]);
    let scores = format!("x={}", bench.out.join("scores.npy").display());
    let hint = bench.expect(&model, &["--input", &scores], (1, "bad-input", "f32[4, 2]"));
    assert!(hint.contains("x=FILE with f32[batch, 3]"), "{hint}");
}

#[test]
fn wrong_inputs_and_flags_are_named() {
    let bench = Bench::of(Home::new().with("VK_DRIVER_FILES", "/of/no/driver.json"));
    let model = bench.home.file("scores.onnx", SCORES);
    let input = |name: &str, bytes: &[u8]| format!("x={}", bench.home.file(name, bytes).display());
    let text = input("text.npy", b"hello");
    let doubles = input("doubles.npy", &npy("<f8", "(1, 3)", &[0; 24]));
    let flat = input("flat.npy", &npy("<f4", "(3,)", &[0; 12]));
    let short = input("short.npy", &npy("<f4", "(1, 3)", &[0; 11]));
    let missing = format!("x={}", bench.home.scratch().join("missing.npy").display());
    let other = bench.x.replacen('x', "z", 1);
    for (flags, expected) in [
        (vec![], (1, "bad-input", "x was not given")),
        (vec!["--input", &bench.x, "--input", &other], (1, "bad-input", "no input z")),
        (vec!["--input", &bench.x, "--input", &bench.x], (2, "usage", "given twice")),
        (vec!["--input", "x"], (2, "usage", "NAME=VALUE")),
        (vec!["--input", &missing], (1, "not-found", "missing.npy")),
        (vec!["--input", "x=/dev/zero"], (1, "bad-input", "no ordinary file")),
        (vec!["--input", &text], (1, "bad-input", "no .npy file")),
        (vec!["--input", &short], (1, "bad-input", "11 bytes")),
        (vec!["--input", &doubles], (1, "bad-input", "f64[1, 3]")),
        (vec!["--input", &flat], (1, "bad-input", "f32[3]")),
        (vec!["--input", &bench.x, "--fuel", "150"], (1, "bad-input", "out of fuel")),
        (vec!["--input", &bench.x, "--memory-bytes", "8"], (1, "bad-input", "bytes")),
        (vec!["--input", &bench.x, "--device", "vulkan"], (1, "not-found", "no Vulkan device 0")),
        (vec!["--input", &bench.x, "--device", "vulkan:1"], (1, "not-found", "no Vulkan device 1")),
        (vec!["--device", "tpu"], (1, "config", "no device \"tpu\"")),
        (vec!["--device", "vulkan:x"], (1, "config", "no device \"vulkan:x\"")),
        (vec!["--kernels", "mmx"], (2, "usage", "mmx")),
        (vec!["--input", &bench.x, "--threads", "0"], (1, "bad-input", "0")),
        (vec!["--threads", "many"], (2, "usage", "many")),
    ] {
        bench.expect(&model, &flags, expected);
    }
    assert!(!bench.out.exists(), "nothing is written before there is something");
}

#[test]
fn files_that_are_no_models_are_refused() {
    let bench = Bench::new();
    let file = |name: &str, bytes: &[u8]| bench.home.file(name, bytes);
    for (model, expected) in [
        (file("text.onnx", b"this is no model"), (1, "bad-input", "text.onnx")),
        (file("empty.onnx", b""), (1, "bad-input", "malformed")),
        (file("model.gguf", b"GGUF\x03\0\0\0"), (1, "bad-input", "malformed")),
        (file("foreign.gguf", &replaced(TINY, "ffn_up", "ffn_Up")), (1, "bad-input", "ffn_up")),
        (file("foreign.onnx", &replaced(SCORES, "Gemm", "Gexm")), (1, "bad-input", "unsupported")),
        (bench.home.scratch().join("missing.onnx"), (1, "not-found", "missing.onnx")),
        (bench.home.scratch().to_owned(), (1, "bad-input", "no ordinary file")),
        (file("beside.onnx", BESIDE), (1, "bad-input", "weights.bin")),
    ] {
        // Which is said before a device is looked for.
        bench.expect(&model, &["--input", &bench.x, "--device", "vulkan"], expected);
    }
    let name = bench.home.scratch().join("truncated.onnx");
    for length in (0..SCORES.len()).step_by(7) {
        fs::write(&name, &SCORES[..length]).unwrap();
        let (exit, value) = bench.run(&name, &["--input", &bench.x]);
        assert_eq!(exit, 1, "{length} bytes: {value}");
    }
}

/// A model names its weights' file: whatever lies elsewhere is none of its business.
#[test]
fn weights_are_read_from_the_models_folder_alone() {
    let bench = Bench::new();
    let folder = bench.home.scratch().join("model");
    fs::create_dir(&folder).unwrap();
    fs::write(bench.home.scratch().join("data.in"), WEIGHTS).unwrap();
    std::os::unix::fs::symlink("../data.in", folder.join("weights.bin")).unwrap();
    let outside = replaced(BESIDE, "weights.bin", "..//data.in");
    for (name, model) in [("link.onnx", BESIDE), ("up.onnx", &outside)] {
        let path = folder.join(name);
        fs::write(&path, model).unwrap();
        bench.expect(&path, &["--input", &bench.x], (1, "bad-input", "there is no file"));
    }
}
