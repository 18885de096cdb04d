//! Small models of every kind: what fuzzing starts from.
//!
//! `POAI_RENEW_VECTORS=1 cargo test -p poai-graph corpus` writes their files anew.

use std::path::Path;
use std::sync::Arc;
use std::{env, fs};

use poai_numerics::Kernels;
use prost::Message;

use super::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto};
use super::read;
use super::sample::{
    BOOL, FLOAT, INT8, INT32, INT64, UINT8, body, branch, floats, graph_attribute, integers, model, nodes, untyped,
    value,
};
use crate::graph::ValueId;
use crate::{Budget, Cpu, DType, Graph, ModelLimits, Session, Tensor};

/// Weights that are small numbers of both signs.
fn weights(name: &str, dims: &[i64]) -> TensorProto {
    let count: i64 = dims.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * 37 + 11) % 23) as f32 / 16.0 - 0.7).collect();
    floats(name, dims, &values)
}

fn list(name: &str, values: &[i64]) -> TensorProto {
    integers(name, INT64, &[values.len() as i64], values)
}

fn graph(inputs: Vec<ValueInfoProto>, constants: Vec<TensorProto>, text: &str, outputs: &[&str]) -> GraphProto {
    GraphProto { input: inputs, initializer: constants, ..body(nodes(text), outputs) }
}

fn image() -> GraphProto {
    graph(
        vec![value("x", FLOAT, &[-1, 3, 9, 9])],
        vec![
            weights("w", &[4, 3, 3, 3]),
            weights("b", &[4]),
            weights("deep", &[4, 1, 3, 3]),
            weights("up", &[4, 2, 2, 2]),
            floats("one", &[2], &[1.0, 1.5]),
            floats("scales", &[4], &[1.0, 1.0, 2.0, 0.5]),
        ],
        "c = Conv(x, w, b) kernel_shape=3,3 pads=1,1,1,1 strides=2,2
         r = Relu(c)
         d = Conv(r, deep) group=4 dilations=2,2 auto_pad=SAME_UPPER
         p = MaxPool(d) kernel_shape=2,2
         a = AveragePool(p) kernel_shape=2,2 pads=0,0,1,1 count_include_pad=1
         t = ConvTranspose(a, up) strides=2,2
         n = BatchNormalization(t, one, one, one, one)
         s = Resize(n, , scales) mode=linear
         g = GlobalAveragePool(s)
         f = Flatten(g)",
        &["f", "p"],
    )
}

fn transformer() -> GraphProto {
    graph(
        vec![value("ids", INT64, &[-1, 5])],
        vec![
            weights("table", &[7, 8]),
            weights("q", &[8, 8]),
            weights("k", &[8, 8]),
            weights("gain", &[8]),
            list("heads", &[0, 5, 2, 4]),
            list("flat", &[0, 0, -1]),
            floats("root", &[], &[2.0]),
        ],
        "e = Gather(table, ids)
         eq = MatMul(e, q)
         ek = MatMul(e, k)
         hq0 = Reshape(eq, heads)
         hk0 = Reshape(ek, heads)
         hq = Transpose(hq0) perm=0,2,1,3
         hk = Transpose(hk0) perm=0,2,3,1
         scores = MatMul(hq, hk)
         scaled = Div(scores, root)
         p = Softmax(scaled) axis=-1
         h = MatMul(p, hq)
         back = Transpose(h) perm=0,2,1,3
         joined = Reshape(back, flat)
         sum = Add(joined, e)
         n = LayerNormalization(sum, gain) axis=-1 epsilon=0.00001
         act = com.microsoft.Gelu(n)
         y = Gemm(flat_act, q, gain) alpha=0.5
         flat_act = Squeeze(one_act, first)
         one_act = Unsqueeze(mean, first)
         mean = ReduceMean(act) axes=0, keepdims=0
         first = Constant() value_ints=0,",
        &["n", "act", "y"],
    )
}

fn recurrent() -> GraphProto {
    graph(
        vec![value("x", FLOAT, &[4, 2, 3])],
        vec![
            weights("w", &[2, 8, 3]),
            weights("r", &[2, 8, 2]),
            weights("b", &[2, 16]),
            weights("gw", &[1, 6, 4]),
            weights("gr", &[1, 6, 2]),
            list("flat", &[4, 2, -1]),
        ],
        "y, h, c = LSTM(x, w, r, b) hidden_size=2 direction=bidirectional
         t = Transpose(y) perm=0,2,1,3
         f = Reshape(t, flat)
         _, last = GRU(f, gw, gr) hidden_size=2 linear_before_reset=1",
        &["h", "c", "last"],
    )
}

fn movement() -> GraphProto {
    graph(
        vec![value("x", FLOAT, &[2, 3, 4]), value("i", INT64, &[2])],
        vec![
            list("starts", &[-1, 0]),
            list("ends", &[-100, 3]),
            list("axes", &[1, 2]),
            list("steps", &[-1, 2]),
            list("wide", &[5, 1, 3, 2]),
            list("pads", &[0, 1, 0, 0, 1, 2]),
            list("parts", &[1, 3]),
            list("repeats", &[1, 2, 1]),
        ],
        "s = Slice(x, starts, ends, axes, steps)
         e = Expand(s, wide)
         p = Pad(x, pads) mode=reflect
         l, r = Split(x, parts) axis=2
         c = Concat(l, r, l) axis=2
         t = Tile(c, repeats)
         g = Gather(x, i) axis=1
         n = Shape(x)
         m = Cast(x) to=9
         z = NonZero(m)
         k, ki = TopK(x, two) largest=0 axis=1
         two = Constant() value_ints=2,
         cum = CumSum(x, axis)
         axis = Constant() value_int=1
         w = Where(m, x, cum)
         a = ArgMax(w) axis=1 keepdims=0",
        &["e", "p", "t", "g", "n", "z", "ki", "w", "a"],
    )
}

fn quantised() -> GraphProto {
    graph(
        vec![value("x", FLOAT, &[2, 4]), value("u", UINT8, &[2, 4])],
        vec![
            integers("w", INT8, &[4, 3], &[1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -128]),
            integers("wz", INT8, &[], &[1]),
            floats("scale", &[], &[0.25]),
            integers("zero", UINT8, &[], &[128]),
            integers("bias", INT32, &[3], &[1, 2, 3]),
        ],
        "q, qs, qz = DynamicQuantizeLinear(x)
         m = MatMulInteger(q, w, qz, wz)
         b = Add(m, bias)
         f = Cast(b) to=1
         y = QuantizeLinear(f, scale, zero)
         d = DequantizeLinear(y, scale, zero)
         v = DequantizeLinear(u, scale, zero)",
        &["d", "v", "qs"],
    )
}

fn elementwise() -> GraphProto {
    graph(
        vec![value("x", FLOAT, &[3, -1]), value("k", INT32, &[-1])],
        vec![floats("low", &[], &[-0.5]), floats("high", &[], &[0.5]), integers("three", INT32, &[], &[3])],
        "e = Exp(x)
         l = Log(e)
         s = Sigmoid(l)
         t = Tanh(s)
         r = Erf(t)
         c = Clip(r, low, high)
         h = HardSigmoid(c) alpha=0.2 beta=0.5
         p = Pow(h, high)
         q = Sqrt(p)
         m = Mod(k, three)
         d = Div(k, three)
         eq = Equal(m, d)
         not = Not(eq)
         i = Cast(not) to=7
         half = Cast(q) to=10
         y = Cast(half) to=1",
        &["y", "i"],
    )
}

/// A loop in a branch: the sum of as many numbers as its input says, and a scan over rows.
fn control() -> GraphProto {
    let turn = GraphProto {
        input: vec![value("i", INT64, &[]), untyped("go"), value("sum", INT64, &[])],
        ..body(nodes("next = Add(sum, i)\n again = Identity(go)\n shown = Mul(next, n)"), &["again", "next", "shown"])
    };
    let repeat = NodeProto {
        attribute: vec![graph_attribute("body", turn)],
        ..nodes("total, stack = Loop(n, yes, zero)").remove(0)
    };
    let row = GraphProto {
        input: vec![untyped("state"), untyped("row")],
        ..body(nodes("sum = Add(state, row)\n out = Mul(sum, row)"), &["sum", "out"])
    };
    let scan = NodeProto {
        attribute: [vec![graph_attribute("body", row)], nodes("_ = Scan() num_scan_inputs=1").remove(0).attribute]
            .concat(),
        ..nodes("last, rows = Scan(start, x)").remove(0)
    };
    let choose = branch("c", body(vec![repeat], &["total"]), body(vec![], &["zero"]), "y");
    GraphProto {
        input: vec![value("c", BOOL, &[]), value("n", INT64, &[]), value("x", FLOAT, &[4, 2])],
        initializer: vec![
            integers("zero", INT64, &[], &[0]),
            integers("yes", BOOL, &[], &[1]),
            floats("start", &[2], &[0.0, 1.0]),
        ],
        ..body(vec![scan, choose], &["y", "last", "rows"])
    }
}

/// Two calls of a function of the file's own.
fn functions() -> ModelProto {
    let function = FunctionProto {
        name: "Twice".into(),
        domain: "own".into(),
        input: vec!["a".into()],
        output: vec!["r".into()],
        node: nodes("h = Add(a, a)\n r = Relu(h)"),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 14 }],
        ..FunctionProto::default()
    };
    let calls = graph(vec![value("x", FLOAT, &[3])], vec![], "h = own.Twice(x)\n y = own.Twice(h)", &["y"]);
    ModelProto { functions: vec![function], ..model(calls) }
}

pub(crate) fn corpus() -> [(&'static str, ModelProto); 8] {
    [
        ("control", model(control())),
        ("elementwise", model(elementwise())),
        ("functions", functions()),
        ("image", model(image())),
        ("movement", model(movement())),
        ("quantised", model(quantised())),
        ("recurrent", model(recurrent())),
        ("transformer", model(transformer())),
    ]
}

#[test]
fn the_corpus_is_what_its_sources_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/fuzz_onnx");
    for (name, model) in corpus() {
        let (path, bytes) = (folder.join(format!("{name}.onnx")), model.encode_to_vec());
        if env::var_os("POAI_RENEW_VECTORS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert!(fs::read(&path).unwrap() == bytes, "{name}: renew the corpus");
    }
}

/// Ones for every input, two of them along a dimension that the model leaves open.
pub(crate) fn inputs(graph: &Graph) -> Vec<(String, Tensor)> {
    let input = |&id: &ValueId| {
        let value = graph.value(id);
        let fact = value.fact.as_ref().expect("an input of a model has a type");
        let sizes: Vec<_> = fact.shape.iter().flatten().map(|dim| dim.size().unwrap_or(2)).collect();
        let mut one = vec![0; fact.dtype.bytes()];
        match fact.dtype {
            DType::F32 => one.copy_from_slice(&1f32.to_le_bytes()),
            _ => one[0] = 1,
        }
        let bytes = one.repeat(sizes.iter().product());
        (value.name.clone(), Tensor::from_bytes(fact.dtype, &sizes, bytes.into()).unwrap())
    };
    graph.inputs.iter().map(input).collect()
}

/// Otherwise fuzzing would start at models that are refused.
#[test]
fn every_model_of_the_corpus_is_computed() {
    let cpu = Cpu::new(Kernels::Auto, 1).unwrap();
    for (name, model) in corpus() {
        let graph = read(model.encode_to_vec().into(), &(), &ModelLimits::default());
        let graph = graph.unwrap_or_else(|error| panic!("{name}: {error}"));
        let inputs = inputs(&graph);
        let session = Session::new(graph, Arc::new(cpu.clone())).unwrap_or_else(|error| panic!("{name}: {error}"));
        let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
        let outputs = session.run(&inputs, &mut Budget::UNBOUNDED.clone());
        outputs.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
