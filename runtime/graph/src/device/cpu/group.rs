//! Element-wise nodes that pass block by block through the first-level cache.

use poai_numerics::{Sequence, Source, Step, Strided};

use super::{Cpu, Group, Kernel, KernelError};
use crate::op::operand::{broadcast, strides};
use crate::{DType, Node, Op, OpError, Tensor};

/// A group, as one sequence of numerics' operations.
pub(super) struct Steps {
    cpu: Cpu,
    sequence: Sequence,
    /// The nodes' operators, each with what it reads: operands, and results of other nodes.
    nodes: Vec<(Op, Vec<Source>)>,
}

impl Steps {
    /// None if a node is no sequence of such operations.
    pub(super) fn new(cpu: &Cpu, group: &Group<'_>) -> Option<Self> {
        let mut steps = Vec::new();
        let mut nodes = Vec::new();
        // Where each node's result comes from among all steps.
        let mut results = Vec::new();
        for node in &group.nodes {
            let reads = reads(group, node)?;
            let Op::Elementwise(operation) = &node.op else { return None };
            let constant =
                |source: &Source| if let Source::Operand(place) = source { group.constants[*place] } else { None };
            let begin = steps.len();
            let source = |own: Source| match own {
                Source::Step(step) => Source::Step(begin + step),
                Source::Operand(operand) => match reads[operand] {
                    Source::Step(node) => Source::Step(results[node]),
                    operand => operand,
                },
            };
            let own = operation.steps(&reads.iter().map(constant).collect::<Vec<_>>())?;
            steps.extend(own.into_iter().map(|step| match step {
                Step::Unary(operation, read) => Step::Unary(operation, source(read)),
                Step::Binary(operation, [a, b]) => Step::Binary(operation, [source(a), source(b)]),
            }));
            results.push(steps.len() - 1);
            nodes.push((node.op.clone(), reads));
        }
        let sequence = Sequence::new(group.operands.len(), &steps).ok()?;
        Some(Self { cpu: cpu.clone(), sequence, nodes })
    }

    /// The shape of the result; none if those of the nodes differ.
    fn shape(&self, operands: &[&Tensor]) -> Result<Option<Vec<usize>>, OpError> {
        let mut result: Option<Vec<usize>> = None;
        for (_, reads) in &self.nodes {
            let mut shape = Vec::new();
            for read in reads {
                let other = match read {
                    Source::Operand(place) => operands[*place].shape(),
                    Source::Step(_) => result.as_deref().unwrap_or_default(),
                };
                shape = broadcast(&shape, other)?;
            }
            if result.as_ref().is_some_and(|result| *result != shape) {
                return Ok(None);
            }
            result = Some(shape);
        }
        Ok(result)
    }

    /// Node by node.
    fn one_by_one(&self, operands: &[&Tensor]) -> Result<Vec<Tensor>, OpError> {
        let mut results: Vec<Tensor> = Vec::new();
        for (op, reads) in &self.nodes {
            let read = |source: &Source| match source {
                Source::Operand(place) => Some(operands[*place]),
                Source::Step(node) => Some(&results[*node]),
            };
            let result = op.operation().run(&self.cpu, &reads.iter().map(read).collect::<Vec<_>>())?;
            results.extend(result);
        }
        Ok(results.split_off(results.len() - 1))
    }
}

/// What a node reads: operands of the group, and results of its nodes. None if it leaves one out.
fn reads(group: &Group<'_>, node: &Node) -> Option<Vec<Source>> {
    let read = |id: &Option<_>| {
        let made = group.nodes.iter().position(|node| node.outputs[0] == *id);
        let given = || group.operands.iter().position(|operand| Some(*operand) == *id);
        made.map(Source::Step).or_else(|| given().map(Source::Operand))
    };
    node.inputs.iter().map(read).collect()
}

impl Kernel for Steps {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        let operands: Vec<&Tensor> = inputs
            .iter()
            .map(|input| input.ok_or_else(|| OpError::new("an operand is missing")))
            .collect::<Result<_, _>>()?;
        let Some(shape) = self.shape(&operands)? else { return Ok(self.one_by_one(&operands)?) };
        let steps: Vec<Vec<usize>> = operands.iter().map(|operand| steps(operand.shape(), &shape)).collect();
        let data =
            operands.iter().zip(&steps).map(|(operand, strides)| Ok(Strided { data: operand.slice()?, strides }));
        let data = data.collect::<Result<Vec<_>, OpError>>()?;
        let mut result = self.cpu.allocate(DType::F32, &shape)?;
        let done = self.cpu.processor().sequence(&self.sequence, &shape, &data, result.slice_mut());
        done.map_err(OpError::from)?;
        Ok(vec![result.freeze()])
    }
}

/// The step along each axis of a result; 0 where an operand repeats.
fn steps(own: &[usize], shape: &[usize]) -> Vec<usize> {
    let steps = own.iter().zip(strides(own)).map(|(&size, step)| if size == 1 { 0 } else { step });
    std::iter::repeat_n(0, shape.len() - own.len()).chain(steps).collect()
}
