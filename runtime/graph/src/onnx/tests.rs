//! Models made by hand, read.

use std::sync::Arc;

use bytes::Bytes;
use poai_numerics::Kernels;
use prost::Message;

use super::proto::{
    AttributeKind, AttributeProto, DimensionProto, FunctionProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TypeProto, ValueInfoProto,
};
use super::sample::{
    BOOL, FLOAT, INT64, attribute, body, branch, constant, file, integers, model, node, nodes, scalar, untyped, value,
};
use super::{inspect, read};
use crate::{Budget, Cpu, Dim, Fact, Graph, ModelError, ModelLimits, Session, Tensor};
use crate::{DType, ValueId};

fn read_graph(graph: GraphProto) -> Result<Graph, ModelError> {
    read(file(&model(graph)), &(), &ModelLimits::default())
}

fn refusal(graph: GraphProto) -> String {
    read_graph(graph).unwrap_err().to_string()
}

fn names(graph: &Graph, ids: &[ValueId]) -> Vec<String> {
    ids.iter().map(|&id| graph.value(id).name.clone()).collect()
}

#[test]
fn inputs_are_what_the_caller_gives_and_no_constants() {
    let mut sizes = value("x", FLOAT, &[-1, 3]);
    let named = |name: &str| DimensionProto { dim_param: Some(name.into()), ..DimensionProto::default() };
    let tensor = sizes.r#type.as_mut().and_then(|it| it.tensor_type.as_mut()).unwrap();
    tensor.shape.as_mut().unwrap().dim.extend([named("batch"), named("?"), DimensionProto::default()]);
    let graph = read_graph(GraphProto {
        input: vec![sizes, value("w", INT64, &[])],
        initializer: vec![scalar("w", 5), scalar("unlisted", 6)],
        output: vec![
            ValueInfoProto { r#type: Some(TypeProto::default()), ..untyped("x") },
            value("unlisted", INT64, &[]),
        ],
        ..GraphProto::default()
    })
    .unwrap();
    assert_eq!(names(&graph, &graph.inputs), ["x"]);
    assert_eq!(names(&graph, &graph.outputs), ["x", "unlisted"]);
    let expected =
        Fact::new(DType::F32, [Dim::Unknown, Dim::Size(3), Dim::Named("batch".into()), Dim::Unknown, Dim::Unknown]);
    assert_eq!(graph.value(graph.inputs[0]).fact, Some(expected));
    assert_eq!(graph.constants[&graph.outputs[1]], Tensor::scalar(6i64));
}

#[test]
fn constants_are_no_nodes() {
    let floats = AttributeProto { floats: vec![1.0, 2.0], ..attribute("value_floats", AttributeKind::Floats) };
    let nodes = vec![NodeProto { attribute: vec![floats], ..node("Constant", &[], &["f"]) }, constant("i", -3)];
    let graph = read_graph(body(nodes, &["f", "i"])).unwrap();
    assert!(graph.nodes.is_empty());
    assert_eq!(graph.constants[&graph.outputs[0]], Tensor::new(&[2], &[1.0f32, 2.0]));
    assert_eq!(graph.constants[&graph.outputs[1]], Tensor::scalar(-3i64));
}

#[test]
fn bodies_capture_through_every_body_between() {
    let inner = branch("c", body(vec![], &["x"]), body(vec![], &["w"]), "inner");
    let outer = branch("c", body(vec![inner], &["inner"]), body(vec![constant("k", 1)], &["k"]), "y");
    let graph = read_graph(GraphProto {
        input: vec![value("c", BOOL, &[]), value("x", INT64, &[])],
        initializer: vec![scalar("w", 7)],
        ..body(vec![outer], &["y"])
    })
    .unwrap();
    // The branch's own operand, then what the first body captures: the condition of the branch within, and x.
    let [node] = &graph.nodes[..] else { panic!("one node") };
    let operands: Vec<_> = node.inputs.iter().map(|id| id.unwrap()).collect();
    assert_eq!(names(&graph, &operands), ["c", "c", "x"]);
    let crate::Op::Control(control) = &node.op else { panic!("a branch") };
    let bodies = control.bodies();
    assert_eq!(names(bodies[0], &bodies[0].captured), ["c", "x"]);
    assert!(bodies[1].captured.is_empty());
    let crate::Op::Control(within) = &bodies[0].nodes[0].op else { panic!("a branch") };
    let within = within.bodies();
    assert_eq!(names(within[0], &within[0].captured), ["x"]);
    assert!(within[1].captured.is_empty(), "a constant is one everywhere");
    assert_eq!(within[1].constants.values().next(), Some(&Tensor::scalar(7i64)));
    assert_eq!(graph.value(graph.outputs[0]).fact.as_ref().unwrap().dtype, DType::I64);
}

#[test]
fn a_branch_that_never_runs_may_make_no_sense() {
    let odd = body(nodes("wrong = MatMul(x, x)\n t = Transpose(wrong)"), &["t"]);
    let model = |condition| GraphProto {
        input: vec![value("x", FLOAT, &[2, 3])],
        initializer: vec![integers("c", BOOL, &[], &[condition])],
        ..body(vec![branch("c", odd.clone(), body(nodes("r = Relu(x)"), &["r"]), "y")], &["y"])
    };
    let run = |condition| {
        let graph = read_graph(model(condition)).unwrap();
        assert_eq!(graph.value(graph.outputs[0]).fact, Some(Fact::of_type(DType::F32)));
        let session = Session::new(graph, Arc::new(Cpu::new(Kernels::Auto, 1).unwrap())).unwrap();
        session.run(&[("x", Tensor::new(&[2, 3], &[1f32; 6]))], &mut Budget::UNBOUNDED.clone())
    };
    assert_eq!(run(0), Ok(vec![Tensor::new(&[2, 3], &[1f32; 6])]));
    let error = run(1).unwrap_err().to_string();
    assert!(error.starts_with("node MatMul wrong: "), "{error}");
}

/// `twice(a) = if c { chosen } else { a }`, where `chosen` is an attribute.
fn function() -> FunctionProto {
    let chosen = AttributeProto { ref_attr_name: "chosen".into(), ..attribute("value_int", AttributeKind::Int) };
    let chosen = NodeProto { attribute: vec![chosen], ..node("Constant", &[], &["k"]) };
    FunctionProto {
        name: "Choose".into(),
        domain: "own".into(),
        input: vec!["c".into(), "a".into()],
        output: vec!["r".into()],
        attribute: vec!["chosen".into()],
        node: vec![branch("c", body(vec![chosen], &["k"]), body(vec![], &["a"]), "r")],
        opset_import: vec![OperatorSetIdProto { domain: "ai.onnx".into(), version: 13 }],
        ..FunctionProto::default()
    }
}

fn call(inputs: &[&str], output: &str) -> NodeProto {
    let chosen = AttributeProto { i: 9, ..attribute("chosen", AttributeKind::Int) };
    NodeProto { domain: "own".into(), attribute: vec![chosen], ..node("Choose", inputs, &[output]) }
}

fn calling(nodes: Vec<NodeProto>, functions: Vec<FunctionProto>) -> ModelProto {
    let input = vec![value("c", BOOL, &[]), value("x", INT64, &[])];
    let last = nodes.last().unwrap().output.clone();
    let last: Vec<_> = last.iter().map(String::as_str).collect();
    ModelProto { functions, ..model(GraphProto { input, ..body(nodes, &last) }) }
}

#[test]
fn functions_become_their_nodes() {
    let model = calling(vec![call(&["c", "x"], "k"), call(&["c", "k"], "y")], vec![function()]);
    let graph = read(file(&model), &(), &ModelLimits::default()).unwrap();
    assert_eq!(graph.nodes.len(), 2);
    assert_eq!(names(&graph, &graph.outputs), ["y"]);
    let operands: Vec<_> = graph.nodes[1].inputs.iter().map(|id| id.unwrap()).collect();
    assert_eq!(names(&graph, &operands), ["c", "k"], "k is the caller's, not the function's");
    assert_eq!(graph.nodes[1].name, "Choose y/If r");
    let crate::Op::Control(control) = &graph.nodes[0].op else { panic!("a branch") };
    assert_eq!(control.bodies()[0].constants.values().next(), Some(&Tensor::scalar(9i64)));
}

#[test]
fn functions_know_nothing_of_their_callers_and_end() {
    let refusal = |nodes, functions| {
        read(file(&calling(nodes, functions)), &(), &ModelLimits::default()).unwrap_err().to_string()
    };
    let nosy = FunctionProto { input: vec!["c".into()], ..function() };
    assert_eq!(refusal(vec![call(&["c"], "y")], vec![nosy]), "value a: an output that nothing makes");
    let within = FunctionProto { node: vec![call(&["c", "a"], "r")], ..function() };
    let deep = "the model has 9 functions within functions, and 8 are allowed";
    assert_eq!(refusal(vec![call(&["c", "x"], "y")], vec![within]), deep);
    let pairs = |name: &str, callee: &str| FunctionProto {
        name: name.into(),
        node: (0..40).map(|i| NodeProto { op_type: callee.into(), ..call(&["c", "a"], &format!("r{i}")) }).collect(),
        output: vec!["r0".into()],
        ..function()
    };
    let leaf = FunctionProto { name: "F".into(), node: vec![constant("r", 1)], ..function() };
    let many = vec![leaf, pairs("Choose", "B"), pairs("B", "C"), pairs("C", "D"), pairs("D", "E"), pairs("E", "F")];
    let limits = ModelLimits { nodes: 5000, ..ModelLimits::default() };
    let error = read(file(&calling(vec![call(&["c", "x"], "y")], many)), &(), &limits).unwrap_err();
    assert!(matches!(error, ModelError::TooLarge { what: "nodes", limit: 5000, .. }), "{error}");
}

#[test]
fn what_is_not_built_is_found_in_one_go() {
    let strange = |operator: &str, input: &str, output: &str| NodeProto {
        name: format!("the {operator}"),
        ..node(operator, &[input], &[output])
    };
    let foreign = NodeProto { domain: "own".into(), ..strange("Third", "a", "b") };
    let inner = body(vec![strange("Second", "a", "i")], &["i"]);
    let graph = GraphProto {
        input: vec![value("c", BOOL, &[]), value("x", FLOAT, &[]), value("s", 8, &[])],
        ..body(vec![strange("First", "x", "a"), branch("c", inner, body(vec![], &["a"]), "y"), foreign], &["y"])
    };
    let bytes = file(&model(graph));
    let inspection = inspect(bytes.clone(), &(), &ModelLimits::default()).unwrap();
    let found: Vec<_> = inspection.unsupported.iter().map(|it| (&it.node[..], &it.op[..], &it.reason[..])).collect();
    let expected = [
        ("s", "value", "elements of type string"),
        ("the First", "First", "no such operator is built"),
        ("the Second", "Second", "no such operator is built"),
        ("the Third", "own.Third", "operators of own"),
    ];
    assert_eq!(found, expected);
    let operators = ["First", "If", "Second", "own.Third"].map(|name| (name.to_owned(), 1));
    assert_eq!(inspection.operators, operators.into());
    let first = read(bytes, &(), &ModelLimits::default()).unwrap_err();
    assert_eq!(first.to_string(), "value s: unsupported: elements of type string");
    let fine = inspect(file(&model(body(vec![constant("k", 1)], &["k"]))), &(), &ModelLimits::default()).unwrap();
    assert_eq!((fine.unsupported, fine.constants, fine.constant_bytes), (vec![], 1, 8));
}

#[test]
fn what_makes_no_sense_is_refused_at_its_place() {
    let x = || vec![value("x", INT64, &[])];
    let with_x = |graph| GraphProto { input: x(), ..graph };
    let twice = vec![constant("k", 1), constant("k", 2)];
    let cycle = vec![node("Relu", &["b"], &["a"]), node("Relu", &["a"], &["b"])];
    let flags = || AttributeProto { i: 1, ..attribute("value_int", AttributeKind::Int) };
    let double = NodeProto { attribute: vec![flags(), flags()], ..node("Constant", &[], &["k"]) };
    let empty = NodeProto { attribute: vec![attribute("value", AttributeKind::Tensor)], ..double.clone() };
    let sequence = TypeProto { sequence_type: Some(Bytes::new()), ..TypeProto::default() };
    let sequence = ValueInfoProto { r#type: Some(sequence), ..untyped("x") };
    for (graph, expected) in [
        (body(twice, &["k"]), "value k: it is defined twice"),
        (with_x(body(vec![constant("x", 1)], &["x"])), "value x: it is defined twice"),
        (GraphProto { initializer: vec![scalar("w", 1); 2], ..body(vec![], &["w"]) }, "value w: it is defined twice"),
        (GraphProto { input: [x(), x()].concat(), ..body(vec![], &["x"]) }, "value x: it is defined twice"),
        (body(vec![], &["y"]), "value y: an output that nothing makes"),
        (body(vec![node("Relu", &["x"], &["y"])], &["y"]), "node Relu y: its operand x is defined nowhere"),
        (body(cycle, &["a"]), "node Relu a: it needs its own result"),
        (body(vec![double], &["k"]), "node Constant k: attribute value_int is there twice"),
        (body(vec![empty], &["k"]), "node Constant k: attribute value has no value"),
        (body(vec![node("Constant", &[], &["k"])], &["k"]), "node Constant k: a constant without a value"),
        (GraphProto { input: vec![untyped("x")], ..body(vec![], &["x"]) }, "value x: it has no type"),
        (
            GraphProto { input: vec![value("x", 8, &[])], ..body(vec![], &["x"]) },
            "value x: unsupported: elements of type string",
        ),
        (
            GraphProto { input: x(), output: vec![value("x", FLOAT, &[])], ..GraphProto::default() },
            "value x: it is declared as f32 and made as i64",
        ),
        (
            GraphProto { input: vec![sequence], ..body(vec![], &["x"]) },
            "value x: unsupported: a value that is no tensor",
        ),
        (body(vec![constant("a\nb", 1)], &[]), "the model is malformed: control characters in the name \"a\\nb\""),
        (
            GraphProto { sparse_initializer: vec![Bytes::new()], name: "g".into(), ..GraphProto::default() },
            "value g: unsupported: sparse initializers",
        ),
    ] {
        assert_eq!(refusal(graph), expected);
    }
}

#[test]
fn limits_are_named() {
    let tight =
        ModelLimits { file_bytes: 1 << 20, fields: 400, nodes: 4, values: 6, nesting: 1, rank: 2, name_bytes: 12 };
    let nodes = |count: usize| (0..count).map(|i| constant(&format!("k{i}"), 1)).collect::<Vec<_>>();
    let nested = |inner| branch("c", inner, body(vec![], &["c"]), "y");
    let once = nested(body(vec![], &["c"]));
    let with_c = |node| GraphProto { input: vec![value("c", BOOL, &[])], ..body(vec![node], &["y"]) };
    let many = |count| GraphProto {
        initializer: (0..count).map(|i| scalar(&format!("w{i}"), 1)).collect(),
        ..GraphProto::default()
    };
    let wide = GraphProto { input: vec![value("x", FLOAT, &[1, 1, 1])], ..GraphProto::default() };
    let long = |name| GraphProto { initializer: vec![scalar(name, 1)], ..GraphProto::default() };
    assert_eq!(read(file(&model(with_c(once.clone()))), &(), &tight).map(drop), Ok(()));
    for (graph, expected) in [
        (body(nodes(5), &[]), "the model has 5 nodes, and 4 are allowed"),
        (many(7), "the model has 7 values, and 6 are allowed"),
        (with_c(nested(body(vec![once], &["y"]))), "the model has 2 bodies within bodies, and 1 are allowed"),
        (wide, "the model has 3 dimensions of a value, and 2 are allowed"),
        (long("thirteenbytes"), "the model has 13 bytes in a name, and 12 are allowed"),
        (body(nodes(60), &[]), "the model has 424 fields, and 400 are allowed"),
    ] {
        assert_eq!(read(file(&model(graph)), &(), &tight).unwrap_err().to_string(), expected);
    }
    let large = GraphProto { name: "n".repeat(1 << 20), ..GraphProto::default() };
    let error = read(file(&model(large)), &(), &tight).unwrap_err();
    assert!(matches!(error, ModelError::TooLarge { what: "bytes", limit, .. } if limit == 1 << 20), "{error}");
}

#[test]
fn versions_whose_meaning_is_unknown_are_not_read() {
    let refusal = |model: &ModelProto| read(file(model), &(), &ModelLimits::default()).unwrap_err().to_string();
    let relu =
        || GraphProto { input: vec![value("x", FLOAT, &[])], ..body(vec![node("Relu", &["x"], &["y"])], &["y"]) };
    let versions = |domain: &str, version| {
        let opset_import = vec![OperatorSetIdProto { domain: domain.into(), version }];
        ModelProto { opset_import, ..model(relu()) }
    };
    let old = "node Relu y (Relu): unsupported: version 6 of ONNX's operators; 7 to 28 are read";
    assert_eq!(refusal(&versions("ai.onnx", 6)), old);
    let unnamed = "node Relu y: the model names no version of ONNX's operators";
    assert_eq!(refusal(&versions("com.microsoft", 1)), unnamed);
    assert_eq!(
        refusal(&ModelProto { ir_version: 2, ..model(relu()) }),
        "the model is malformed: it is of IR version 2; 3 to 14 are read"
    );
    let empty = ModelProto { graph: None, ..model(relu()) };
    assert_eq!(refusal(&empty), "the model is malformed: it has no graph");
}

#[test]
fn damaged_files_are_refused_or_read_but_never_worse() {
    let inner = branch("c", body(vec![], &["x"]), body(vec![constant("n", 3)], &["n"]), "inner");
    let outer = branch("c", body(vec![inner], &["inner"]), body(vec![constant("k", 1)], &["k"]), "m");
    let mut model = calling(vec![outer, call(&["c", "m"], "y")], vec![function()]);
    model.graph.as_mut().unwrap().initializer.push(scalar("w", 1 << 40));
    let whole = model.encode_to_vec();
    let limits = ModelLimits::default();
    assert!(read(whole.clone().into(), &(), &limits).is_ok());
    for end in 0..whole.len() {
        drop(read(Bytes::copy_from_slice(&whole[..end]), &(), &limits));
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        drop(inspect(bytes.clone().into(), &(), &limits));
        drop(read(bytes.into(), &(), &limits));
    }
}
