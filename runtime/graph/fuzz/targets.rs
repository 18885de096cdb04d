//! The way in which a stranger's model reaches this crate, as a plain function.
//!
//! It takes any bytes and panics only if a law is broken. `cargo test -p poai-graph` runs it on the corpus and on
//! mutations of it; `cargo +nightly fuzz run fuzz_onnx` (or `fuzz_gguf`) searches for more.

use std::fmt::Display;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use poai_graph::{
    Budget, Cpu, Fact, Graph, Inspection, ModelError, ModelLimits, RunError, Session, Tensor, gguf, onnx,
};
use poai_numerics::Kernels;

/// Bytes that no error is longer than: a name or two, and a reason.
const MAX_ERROR_BYTES: usize = 16 << 10;
/// What a model may cost: enough for every model of the corpus.
const BUDGET: Budget = Budget { fuel: 1 << 18, memory_bytes: 1 << 24 };
/// Elements that an input is given at most.
const MAX_INPUT_ELEMENTS: u64 = 1 << 12;
/// A size that a model leaves open.
const OPEN_SIZE: usize = 2;

/// Two processors that have to agree.
static CPUS: LazyLock<[Cpu; 2]> = LazyLock::new(|| {
    [(Kernels::Auto, 3), (Kernels::Scalar, 1)]
        .map(|(kernels, threads)| Cpu::new(kernels, threads).expect("a processor"))
});

/// Bytes are no ONNX file, or one that [`hold`] holds for.
pub fn fuzz_onnx(data: &[u8]) {
    let (bytes, limits) = (Bytes::copy_from_slice(data), ModelLimits::default());
    hold(onnx::read(bytes.clone(), &(), &limits), onnx::inspect(bytes, &(), &limits));
}

/// Bytes are no GGUF file, or one that [`hold`] holds for.
pub fn fuzz_gguf(data: &[u8]) {
    let (bytes, limits) = (Bytes::copy_from_slice(data), ModelLimits::default());
    hold(gguf::read(bytes.clone(), &limits), gguf::inspect(bytes, &limits));
}

/// Bytes are refused with a readable error, or are a model that costs and gives the same on two processors, or ends with
/// the same error.
fn hold(graph: Result<Graph, ModelError>, inspection: Result<Inspection, ModelError>) {
    let graph = match graph {
        Ok(graph) => graph,
        Err(error) => return assert_readable(&error),
    };
    let inspection = inspection.expect("what can be read can be inspected");
    assert_eq!(inspection.unsupported, [], "what can be read is built");
    let Some(inputs) = inputs(&graph) else { return };
    let [one, other] = CPUS.each_ref().map(|cpu| computed(graph.clone(), cpu, &inputs));
    assert_eq!(one, other, "two processors do not agree");
}

/// What a model gives and what is left of its budget.
fn computed(graph: Graph, cpu: &Cpu, inputs: &[(String, Tensor)]) -> Option<(Result<Vec<Tensor>, RunError>, Budget)> {
    let session = match Session::new(graph, Arc::new(cpu.clone())) {
        Ok(session) => session,
        Err(error) => {
            assert_readable(&error);
            return None;
        }
    };
    let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
    let mut budget = BUDGET;
    let outputs = session.run(&inputs, &mut budget);
    if let Err(error) = &outputs {
        assert_readable(error);
    }
    Some((outputs, budget))
}

/// Small numbers for every input; none if one is too large, or of an unknown number of dimensions.
fn inputs(graph: &Graph) -> Option<Vec<(String, Tensor)>> {
    let input = |id: &_| {
        let value = graph.value(*id);
        let fact = value.fact.as_ref()?;
        let sizes: Vec<_> = fact.shape.as_ref()?.iter().map(|dim| dim.size().unwrap_or(OPEN_SIZE)).collect();
        let elements = Fact::new(fact.dtype, sizes.iter().copied()).elements();
        if elements > MAX_INPUT_ELEMENTS {
            return None;
        }
        // Every byte of an element is 0 or 1, so that it is a bool, an index, or a float that is almost zero.
        let width = fact.dtype.bytes();
        let bytes: Vec<_> =
            (0..elements as usize * width).map(|i| u8::from(i % width == 0 && i / width % 3 == 1)).collect();
        Some((value.name.clone(), Tensor::from_bytes(fact.dtype, &sizes, bytes.into()).expect("as many bytes")))
    };
    graph.inputs.iter().map(input).collect()
}

fn assert_readable(error: &impl Display) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() <= MAX_ERROR_BYTES, "an error of {} bytes", text.len());
    assert!(!text.contains(char::is_control), "control characters in an error: {text:?}");
}
