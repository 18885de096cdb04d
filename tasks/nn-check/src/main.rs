//! Calls wasi-nn as a program does that was written for any host that has it, and says what came of it.
//!
//! A thing that is not as it should be ends it with exit status 1; what is right is a line of standard output.

mod expectations; // what was asked for, and what came

#[cfg_attr(target_family = "wasm", expect(unsafe_code, reason = "generated from the interfaces"))]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/deps/wasi-nn",
        world: "ml",
        generate_all,
    });
}

use std::process::ExitCode;

use bindings::wasi::nn::errors::ErrorCode;
use bindings::wasi::nn::graph::{ExecutionTarget, Graph, GraphEncoding, load, load_by_name};
use bindings::wasi::nn::tensor::{Tensor, TensorType};
use expectations::{Unexpected, compute, equal, expect_error, floats, integers};

const DENSE: &[u8] = include_bytes!("../models/dense.onnx");
const PICK: &[u8] = include_bytes!("../models/pick.onnx");
const SPREAD: &[u8] = include_bytes!("../models/spread.onnx");
const TYPES: &[u8] = include_bytes!("../models/types.onnx");
const TINY: &[u8] = include_bytes!("../models/tiny.gguf");
const FOREIGN: &[u8] = include_bytes!("../models/foreign.onnx");

type Check = fn() -> Result<(), Unexpected>;

fn main() -> ExitCode {
    let checks: [(&str, Check); 9] = [
        ("tensors keep what they are given", tensors),
        ("a model is loaded by name", by_name),
        ("a model is loaded from bytes", from_bytes),
        ("a language model is loaded by name and from bytes", language),
        ("results are inputs of the next computation", again),
        ("every type goes through a model unchanged", types),
        ("what is no model is refused", unloadable),
        ("what does not fit a model is refused", unfit),
        ("what a model cannot compute is refused", incomputable),
    ];
    for (what, check) in checks {
        match check() {
            Ok(()) => println!("{what}"),
            Err(Unexpected(reason)) => {
                eprintln!("{what}: {reason}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn onnx(bytes: &[u8]) -> Result<Graph, Unexpected> {
    Ok(load(&[bytes.to_vec()], GraphEncoding::Onnx, ExecutionTarget::Cpu)?)
}

fn tensors() -> Result<(), Unexpected> {
    let bytes = [0, 1, 2, 3, 254, 255];
    for (ty, dimensions) in
        [(TensorType::U8, vec![2, 3]), (TensorType::Fp16, vec![3]), (TensorType::Bf16, vec![1, 3, 1])]
    {
        let tensor = Tensor::new(&dimensions, ty, &bytes);
        equal("dimensions", &tensor.dimensions(), &dimensions)?;
        equal("type", &tensor.ty(), &ty)?;
        equal("data", &tensor.data(), &bytes.to_vec())?;
    }
    Ok(())
}

/// relu(x · w + b), by hand: see scripts/make-models.py for w and b.
fn check_dense(graph: &Graph) -> Result<(), Unexpected> {
    let x = floats(&[2, 3], &[1.0, 2.0, 3.0, -1.0, 0.0, 4.0]);
    let [y] = compute(graph, vec![("x", x)], ["y"])?;
    equal("dimensions", &y.dimensions(), &vec![2, 2])?;
    equal("type", &y.ty(), &TensorType::Fp32)?;
    equal("data", &y.data(), &floats(&[], &[0.0, 3.75, 0.0, 2.0]).data())
}

fn by_name() -> Result<(), Unexpected> {
    // Twice: the second finds the model ready, and must not notice.
    check_dense(&load_by_name("dense")?)?;
    check_dense(&load_by_name("dense")?)?;
    // Its weights lie in a file beside it.
    check_dense(&load_by_name("split")?)
}

fn from_bytes() -> Result<(), Unexpected> {
    check_dense(&onnx(DENSE)?)?;
    check_dense(&load(&[DENSE.to_vec()], GraphEncoding::Autodetect, ExecutionTarget::Gpu)?)?;
    let [rows] = compute(&onnx(PICK)?, vec![("indices", integers(&[2], &[2, 0]))], ["rows"])?;
    equal("data", &rows.data(), &floats(&[], &[5.0, 6.0, 1.0, 2.0]).data())
}

/// Three tokens of a text, with nothing before them; scripts/make-language-model.py tells what they come to.
fn check_language(graph: &Graph) -> Result<(), Unexpected> {
    let nothing = || floats(&[1, 1, 0, 4], &[]);
    let inputs = vec![
        ("tokens", integers(&[1, 3], &[3, 1, 4])),
        ("position", integers(&[1], &[0])),
        ("past_key.0", nothing()),
        ("past_value.0", nothing()),
    ];
    let [logits, keys, values] = compute(graph, inputs, ["logits", "present_key.0", "present_value.0"])?;
    equal("dimensions", &logits.dimensions(), &vec![1, 3, 5])?;
    equal("dimensions", &keys.dimensions(), &vec![1, 1, 3, 4])?;
    let expected = [0, 0, -4, 8, 4, 0, 8, -4, 0, 4, 4, 4, 0, 4, 8];
    equal("logits", &logits.data(), &floats(&[], &expected.map(|logit: i8| logit.into())).data())?;
    let expected = [-12, -5, 2, -4, -6, -9, 14, -2, -4, 15, 20, -2];
    equal("values", &values.data(), &floats(&[], &expected.map(|value: i8| value.into())).data())
}

fn language() -> Result<(), Unexpected> {
    check_language(&load_by_name("tiny")?)?;
    for encoding in [GraphEncoding::Ggml, GraphEncoding::Autodetect] {
        check_language(&load(&[TINY.to_vec()], encoding, ExecutionTarget::Cpu)?)?;
    }
    Ok(())
}

fn again() -> Result<(), Unexpected> {
    let spread = onnx(SPREAD)?;
    let [row] = compute(&spread, vec![("x", floats(&[1], &[0.5])), ("shape", integers(&[2], &[1, 3]))], ["y"])?;
    let [y] = compute(&load_by_name("dense")?, vec![("x", row)], ["y"])?;
    equal("data", &y.data(), &floats(&[], &[0.75, 0.0]).data())
}

fn types() -> Result<(), Unexpected> {
    let given = [
        ("fp16", TensorType::Fp16, 2),
        ("fp32", TensorType::Fp32, 4),
        ("fp64", TensorType::Fp64, 8),
        ("bf16", TensorType::Bf16, 2),
        ("u8", TensorType::U8, 1),
        ("i32", TensorType::I32, 4),
        ("i64", TensorType::I64, 8),
    ];
    let data = |bytes: u8| (0..3 * bytes).collect::<Vec<u8>>();
    let inputs = given.map(|(name, ty, bytes)| (format!("{name}-in"), Tensor::new(&[3], ty, &data(bytes))));
    let context = onnx(TYPES)?.init_execution_context()?;
    let outputs = context.compute(inputs.into())?;
    equal("results", &outputs.len(), &given.len())?;
    for ((name, output), (expected, ty, bytes)) in outputs.into_iter().zip(given) {
        equal("name", &name, &format!("{expected}-out"))?;
        equal("type", &output.ty(), &ty)?;
        equal("data", &output.data(), &data(bytes))?;
    }
    Ok(())
}

/// The language model, for texts of 2³¹ tokens.
fn wide_language_model() -> Vec<u8> {
    let mut bytes = TINY.to_vec();
    let name = b"llama.context_length";
    let at = bytes.windows(name.len()).position(|window| window == name).map_or(0, |start| start + name.len() + 4);
    bytes[at..at + 4].copy_from_slice(&(1_u32 << 31).to_le_bytes());
    bytes
}

fn unloadable() -> Result<(), Unexpected> {
    let dense = || vec![DENSE.to_vec()];
    let cpu = ExecutionTarget::Cpu;
    expect_error("no bytes at all", load(&[], GraphEncoding::Onnx, cpu), ErrorCode::InvalidArgument)?;
    let two = [DENSE.to_vec(), DENSE.to_vec()];
    expect_error("two files", load(&two, GraphEncoding::Onnx, cpu), ErrorCode::InvalidArgument)?;
    let noise = [b"this is no model".to_vec()];
    expect_error("noise", load(&noise, GraphEncoding::Onnx, cpu), ErrorCode::InvalidEncoding)?;
    for encoding in
        [GraphEncoding::Openvino, GraphEncoding::Tensorflow, GraphEncoding::Pytorch, GraphEncoding::Tensorflowlite]
    {
        expect_error("another encoding", load(&dense(), encoding, cpu), ErrorCode::InvalidEncoding)?;
    }
    expect_error("no GGUF file", load(&dense(), GraphEncoding::Ggml, cpu), ErrorCode::InvalidEncoding)?;
    let half = [TINY[..TINY.len() / 2].to_vec()];
    expect_error("half a GGUF file", load(&half, GraphEncoding::Ggml, cpu), ErrorCode::InvalidEncoding)?;
    // In few bytes it asks for a table of 2 GiB.
    let wide = [wide_language_model()];
    expect_error("a long context", load(&wide, GraphEncoding::Ggml, cpu), ErrorCode::TooLarge)?;
    let tpu = load(&dense(), GraphEncoding::Onnx, ExecutionTarget::Tpu);
    expect_error("a TPU", tpu, ErrorCode::UnsupportedOperation)?;
    let foreign = load(&[FOREIGN.to_vec()], GraphEncoding::Onnx, cpu);
    expect_error("a foreign operator", foreign, ErrorCode::UnsupportedOperation)?;
    let large = load(&[vec![0; (64 << 20) + 1]], GraphEncoding::Onnx, cpu);
    expect_error("a large model", large, ErrorCode::TooLarge)?;
    expect_error("no such name", load_by_name("nobody"), ErrorCode::NotFound)?;
    expect_error("a broken model", load_by_name("broken"), ErrorCode::InvalidEncoding)?;
    expect_error("a model of another encoding", load_by_name("elsewhere"), ErrorCode::InvalidEncoding)
}

fn unfit() -> Result<(), Unexpected> {
    let x = || floats(&[1, 3], &[1.0, 2.0, 3.0]);
    let cases = [
        ("no input", vec![]),
        ("an input of no name", vec![("z", x())]),
        ("one input too many", vec![("x", x()), ("z", x())]),
        ("an input given twice", vec![("x", x()), ("x", x())]),
        ("another type", vec![("x", Tensor::new(&[1, 3], TensorType::Fp64, &[0; 24]))]),
        ("another rank", vec![("x", floats(&[3], &[1.0, 2.0, 3.0]))]),
        ("another size", vec![("x", floats(&[1, 2], &[1.0, 2.0]))]),
        ("too few bytes", vec![("x", Tensor::new(&[1, 3], TensorType::Fp32, &[0; 11]))]),
        ("sizes beyond any memory", vec![("x", Tensor::new(&[u32::MAX; 4], TensorType::Fp32, &[]))]),
    ];
    let dense = load_by_name("dense")?;
    for (what, inputs) in cases {
        let context = dense.init_execution_context()?;
        let named = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        expect_error(what, context.compute(named), ErrorCode::InvalidArgument)?;
    }
    // The model is none the worse for it.
    check_dense(&dense)
}

fn incomputable() -> Result<(), Unexpected> {
    let pick = onnx(PICK)?.init_execution_context()?;
    let beyond = pick.compute(vec![("indices".into(), integers(&[1], &[3]))]);
    expect_error("an index beyond the table", beyond, ErrorCode::RuntimeError)?;
    let spread = onnx(SPREAD)?.init_execution_context()?;
    let inputs = vec![("x".into(), floats(&[1], &[1.0])), ("shape".into(), integers(&[2], &[1 << 16, 1 << 15]))];
    expect_error("a result of 8 GiB", spread.compute(inputs), ErrorCode::TooLarge)
}
