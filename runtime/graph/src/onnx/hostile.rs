//! The corpus with one thing wrong in each model: whatever that is, the model is refused, or it runs into an error or
//! its budget, or it is computed.

use std::sync::Arc;

use poai_numerics::Kernels;

use super::corpus::{corpus, inputs};
use super::proto::{AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use super::read;
use super::sample::file;
use crate::{Budget, Cpu, Fact, Graph, ModelLimits, Session};

/// Numbers that break what is not checked.
const NUMBERS: [i64; 9] = [i64::MIN, -(1 << 31), -1, 0, 1, 3, 1 << 31, 1 << 40, i64::MAX];
const FRACTIONS: [f32; 5] = [f32::NAN, f32::INFINITY, -0.0, 1e38, -1.0];
/// Types of elements, some of which are not supported.
const TYPES: std::ops::RangeInclusive<i32> = 0..=17;
/// Kinds of attributes.
const KINDS: std::ops::RangeInclusive<i32> = 0..=8;
/// What a model may cost.
const BUDGET: Budget = Budget { fuel: 1 << 16, memory_bytes: 1 << 24 };
/// Elements that an input is given at most.
const MAX_INPUT_ELEMENTS: u64 = 1 << 12;

/// Makes the `wanted`th of all wrongs that there are.
struct Wrong {
    wanted: usize,
    seen: usize,
}

impl Wrong {
    fn is_now(&mut self) -> bool {
        self.seen += 1;
        self.seen - 1 == self.wanted
    }

    /// One of these values in its place.
    fn replace<T: Clone>(&mut self, place: &mut T, values: impl IntoIterator<Item = T>) {
        for value in values {
            if self.is_now() {
                *place = value;
            }
        }
    }

    fn list<T: Clone>(&mut self, list: &mut Vec<T>, values: &[T]) {
        for place in &mut *list {
            self.replace(place, values.iter().cloned());
        }
        if !list.is_empty() && self.is_now() {
            list.pop();
        }
        if self.is_now() {
            list.extend(values.first().cloned());
        }
    }

    fn attribute(&mut self, attribute: &mut AttributeProto) {
        self.replace(&mut attribute.kind, KINDS);
        self.replace(&mut attribute.i, NUMBERS);
        self.replace(&mut attribute.f, FRACTIONS);
        self.list(&mut attribute.ints, &NUMBERS);
        if self.is_now() {
            attribute.name.push('x');
        }
        if self.is_now() {
            attribute.s = "nothing".into();
        }
        if let Some(body) = &mut attribute.g {
            self.graph(body);
        }
    }

    fn node(&mut self, node: &mut NodeProto, names: &[String]) {
        self.list(&mut node.input, names);
        self.list(&mut node.output, &names[..1]);
        node.attribute.iter_mut().for_each(|attribute| self.attribute(attribute));
        if !node.attribute.is_empty() && self.is_now() {
            node.attribute.pop();
        }
    }

    fn tensor(&mut self, tensor: &mut TensorProto) {
        self.list(&mut tensor.dims, &NUMBERS);
        self.list(&mut tensor.int64_data, &NUMBERS);
        self.list(&mut tensor.int32_data, &[i32::MIN, -1, 0, 255, 256, i32::MAX]);
        self.replace(&mut tensor.data_type, TYPES);
        self.replace(&mut tensor.data_location, [-1, 1, 2]);
    }

    fn declared(&mut self, value: &mut ValueInfoProto) {
        let Some(tensor) = value.r#type.as_mut().and_then(|it| it.tensor_type.as_mut()) else { return };
        self.replace(&mut tensor.elem_type, TYPES);
        if let Some(shape) = &mut tensor.shape {
            let sizes = NUMBERS.map(|size| DimensionProto { dim_value: Some(size), dim_param: None });
            self.list(&mut shape.dim, &sizes);
        }
        self.replace(&mut tensor.shape, [None]);
    }

    fn graph(&mut self, graph: &mut GraphProto) {
        let inputs = graph.input.iter().map(|value| value.name.clone());
        let constants = graph.initializer.iter().map(|tensor| tensor.name.clone());
        let results = graph.node.iter().flat_map(|node| node.output.iter().cloned());
        let names: Vec<_> = [String::new()].into_iter().chain(inputs).chain(constants).chain(results).collect();
        graph.node.iter_mut().for_each(|node| self.node(node, &names));
        graph.initializer.iter_mut().for_each(|tensor| self.tensor(tensor));
        graph.input.iter_mut().for_each(|value| self.declared(value));
        for output in &mut graph.output {
            self.replace(&mut output.name, names.iter().cloned());
        }
        if graph.node.len() > 1 && self.is_now() {
            graph.node.remove(0);
        }
    }
}

/// All models that differ from one in one thing.
fn wrongs(model: &ModelProto) -> impl Iterator<Item = ModelProto> {
    (0..).map_while(|wanted| {
        let (mut wrong, mut model) = (Wrong { wanted, seen: 0 }, model.clone());
        wrong.graph(model.graph.as_mut()?);
        (wanted < wrong.seen).then_some(model)
    })
}

fn is_small(graph: &Graph) -> bool {
    let known = |fact: &Fact| {
        let sizes: Vec<_> = fact.shape.iter().flatten().map(|dim| dim.size().unwrap_or(2)).collect();
        Fact::new(fact.dtype, sizes).elements() <= MAX_INPUT_ELEMENTS
    };
    graph.inputs.iter().all(|id| graph.value(*id).fact.as_ref().is_some_and(known))
}

#[test]
fn one_wrong_is_never_worse_than_an_error() {
    let cpu = Cpu::new(Kernels::Auto, 1).unwrap();
    let (mut refused, mut stopped, mut computed) = (0, 0, 0);
    for (_, model) in corpus() {
        for model in wrongs(&model) {
            let graph = match read(file(&model), &(), &ModelLimits::default()) {
                Ok(graph) if is_small(&graph) => graph,
                Ok(_) | Err(_) => {
                    refused += 1;
                    continue;
                }
            };
            let inputs = inputs(&graph);
            let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
            let session = Session::new(graph, Arc::new(cpu.clone()));
            match session.map(|session| session.run(&inputs, &mut BUDGET.clone())) {
                Ok(Ok(_)) => computed += 1,
                Ok(Err(_)) | Err(_) => stopped += 1,
            }
        }
    }
    assert!(refused > 1000 && stopped > 100 && computed > 100, "{refused} {stopped} {computed}");
}
