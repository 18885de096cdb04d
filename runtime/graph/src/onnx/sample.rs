//! Messages by hand, for tests.

use bytes::Bytes;
use prost::Message;

use super::proto::{
    AttributeKind, AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

pub(crate) const FLOAT: i32 = 1;
pub(crate) const UINT8: i32 = 2;
pub(crate) const INT8: i32 = 3;
pub(crate) const INT32: i32 = 6;
pub(crate) const INT64: i32 = 7;
pub(crate) const BOOL: i32 = 9;

/// A declared value; a negative size is an unknown one.
pub(crate) fn value(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = |&size: &i64| DimensionProto { dim_value: Some(size), ..DimensionProto::default() };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type, ..TypeProto::default() }) }
}

/// A value of which nothing but its name is declared.
pub(crate) fn untyped(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: name.into(), ..ValueInfoProto::default() }
}

pub(crate) fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let texts = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    NodeProto { op_type: operator.into(), input: texts(inputs), output: texts(outputs), ..NodeProto::default() }
}

pub(crate) fn attribute(name: &str, kind: AttributeKind) -> AttributeProto {
    AttributeProto { name: name.into(), kind: kind.into(), ..AttributeProto::default() }
}

pub(crate) fn graph_attribute(name: &str, body: GraphProto) -> AttributeProto {
    AttributeProto { g: Some(Box::new(body)), ..attribute(name, AttributeKind::Graph) }
}

/// A constant of one number.
pub(crate) fn constant(output: &str, number: i64) -> NodeProto {
    let value = AttributeProto { i: number, ..attribute("value_int", AttributeKind::Int) };
    NodeProto { attribute: vec![value], ..node("Constant", &[], &[output]) }
}

pub(crate) fn body(nodes: Vec<NodeProto>, outputs: &[&str]) -> GraphProto {
    GraphProto { node: nodes, output: outputs.iter().map(|name| untyped(name)).collect(), ..GraphProto::default() }
}

pub(crate) fn branch(condition: &str, then_body: GraphProto, else_body: GraphProto, output: &str) -> NodeProto {
    let attribute = vec![graph_attribute("then_branch", then_body), graph_attribute("else_branch", else_body)];
    NodeProto { attribute, ..node("If", &[condition], &[output]) }
}

pub(crate) fn scalar(name: &str, number: i64) -> TensorProto {
    integers(name, INT64, &[], &[number])
}

pub(crate) fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    TensorProto {
        name: name.into(),
        data_type: FLOAT,
        dims: dims.to_vec(),
        raw_data: raw.into(),
        ..TensorProto::default()
    }
}

/// Integers of any type, in the field of that type.
pub(crate) fn integers(name: &str, data_type: i32, dims: &[i64], values: &[i64]) -> TensorProto {
    let wide = if data_type == INT64 { values.to_vec() } else { Vec::new() };
    let narrow = if data_type == INT64 { Vec::new() } else { values.iter().map(|&value| value as i32).collect() };
    TensorProto {
        name: name.into(),
        data_type,
        dims: dims.to_vec(),
        int64_data: wide,
        int32_data: narrow,
        ..TensorProto::default()
    }
}

/// A model of opset 17.
pub(crate) fn model(graph: GraphProto) -> ModelProto {
    let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
    ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), functions: Vec::new() }
}

pub(crate) fn file(model: &ModelProto) -> Bytes {
    model.encode_to_vec().into()
}

/// Nodes, one a line: `y, z = Operator(a, , b) number=1 fraction=0.5 list=1,2 text=linear`. A list of one number ends
/// with a comma, and `_` is a result that nobody asks for.
pub(crate) fn nodes(text: &str) -> Vec<NodeProto> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(line).collect()
}

fn line(line: &str) -> NodeProto {
    let (outputs, call) = line.split_once(" = ").unwrap();
    let (operator, rest) = call.split_once('(').unwrap();
    let (inputs, attributes) = rest.split_once(')').unwrap();
    let (domain, operator) = operator.rsplit_once('.').unwrap_or(("", operator));
    let names = |list: &str| match list.trim() {
        "" => Vec::new(),
        list => list.split(',').map(|name| name.trim().trim_start_matches('_').to_owned()).collect(),
    };
    NodeProto {
        op_type: operator.into(),
        domain: domain.into(),
        input: names(inputs),
        output: names(outputs),
        attribute: attributes.split_whitespace().map(parsed).collect(),
        ..NodeProto::default()
    }
}

fn parsed(text: &str) -> AttributeProto {
    let (name, value) = text.split_once('=').unwrap();
    if value.starts_with(char::is_alphabetic) {
        return AttributeProto { s: value.to_owned().into(), ..attribute(name, AttributeKind::String) };
    }
    if value.contains(',') {
        let ints = value.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().unwrap());
        return AttributeProto { ints: ints.collect(), ..attribute(name, AttributeKind::Ints) };
    }
    match value.parse() {
        Ok(i) => AttributeProto { i, ..attribute(name, AttributeKind::Int) },
        Err(_) => AttributeProto { f: value.parse().unwrap(), ..attribute(name, AttributeKind::Float) },
    }
}
