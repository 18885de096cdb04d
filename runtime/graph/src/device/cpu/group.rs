//! Element-wise nodes that pass block by block through the first-level cache, perhaps behind a product.

use poai_numerics::{Following, Sequence, Source, Step, Strided};

use super::{Cpu, Group, Kernel, KernelError};
use crate::graph::ValueId;
use crate::op::operand::{broadcast, strides};
use crate::op::{Leading, Op};
use crate::{DType, Node, OpError, Tensor};

/// A group, as one sequence of numerics' operations.
pub(super) struct Steps {
    cpu: Cpu,
    sequence: Sequence,
    /// The nodes' operators, each with what it reads: operands of the sequence, and results of other nodes.
    nodes: Vec<(Op, Vec<Source>)>,
    product: Option<Product>,
    /// Which of the group's operands the sequence reads. Behind a product they are its operands from the second on.
    operands: Vec<usize>,
}

/// What the sequence follows: its result is the sequence's first operand.
struct Product {
    leading: Box<dyn Leading>,
    /// Which of the group's operands it reads.
    operands: Vec<Option<usize>>,
    /// Which of them nobody needs again.
    packed: Option<usize>,
}

impl Steps {
    /// None if a node is no sequence of such operations, or the product none that has packed weights.
    pub(super) fn new(cpu: &Cpu, product: Option<&Node>, group: &Group<'_>) -> Option<Self> {
        let made = |id: &ValueId| group.nodes.iter().any(|node| node.outputs[0] == Some(*id));
        let read = |id: &ValueId| group.nodes.iter().any(|node| node.inputs.contains(&Some(*id)));
        let operands: Vec<usize> = (0..group.operands.len()).filter(|&place| read(&group.operands[place])).collect();
        let mut sources: Vec<Option<ValueId>> = product.map(|product| product.outputs[0]).into_iter().collect();
        sources.extend(operands.iter().map(|&place| Some(group.operands[place])));
        let constant = |source: &Source| match source {
            Source::Operand(operand) => {
                let id = sources[*operand];
                group.operands.iter().position(|operand| Some(*operand) == id).and_then(|place| group.constants[place])
            }
            Source::Step(_) => None,
        };
        let mut steps = Vec::new();
        let mut nodes = Vec::new();
        // Where each node's result comes from among all steps.
        let mut results = Vec::new();
        for node in &group.nodes {
            let source = |id: &Option<ValueId>| match id.as_ref().filter(|id| made(id)) {
                Some(id) => group.nodes.iter().position(|node| node.outputs[0] == Some(*id)).map(Source::Step),
                None => sources.iter().position(|source| source.is_some() && source == id).map(Source::Operand),
            };
            let reads: Vec<Source> = node.inputs.iter().map(source).collect::<Option<_>>()?;
            let Op::Elementwise(operation) = &node.op else { return None };
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
        let sequence = Sequence::new(sources.len(), &steps).ok()?;
        let product = match product {
            Some(node) => Some(Product::new(cpu, node, group, &operands)?),
            None => None,
        };
        Some(Self { cpu: cpu.clone(), sequence, nodes, product, operands })
    }

    /// The shape of the result, which a product of some shape begins with; none if those of the nodes differ.
    fn shape(&self, product: Option<Vec<usize>>, operands: &[&Tensor]) -> Result<Option<Vec<usize>>, OpError> {
        let first = usize::from(product.is_some());
        let mut result = product.clone();
        for (_, reads) in &self.nodes {
            let mut shape = Vec::new();
            for read in reads {
                let other = match read {
                    Source::Operand(0) if first == 1 => product.as_deref().unwrap_or_default(),
                    Source::Operand(place) => operands[*place - first].shape(),
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

    /// Node by node; the first of the operands may be a product.
    fn one_by_one(&self, operands: &[&Tensor]) -> Result<Tensor, OpError> {
        let mut results: Vec<Tensor> = Vec::new();
        for (op, reads) in &self.nodes {
            let read = |source: &Source| match source {
                Source::Operand(place) => Some(operands[*place]),
                Source::Step(node) => Some(&results[*node]),
            };
            let result = op.operation().run(&self.cpu, &reads.iter().map(read).collect::<Vec<_>>())?;
            results.extend(result);
        }
        results.pop().ok_or_else(|| OpError::new("a group has no nodes"))
    }

    fn compute(&self, inputs: &[Option<&Tensor>]) -> Result<Tensor, OpError> {
        let operands: Vec<&Tensor> = self
            .operands
            .iter()
            .map(|&place| inputs[place].ok_or_else(|| OpError::new("an operand is missing")))
            .collect::<Result<_, _>>()?;
        let leading: Option<(_, Vec<_>)> = self.product.as_ref().map(|product| {
            let own = product.operands.iter().map(|place| place.and_then(|place| inputs[place]));
            (&product.leading, own.collect())
        });
        let product = leading.as_ref().map(|(leading, own)| leading.shape(own)).transpose()?;
        let Some(shape) = self.shape(product, &operands)? else {
            let product = leading.map(|(leading, own)| leading.lead(&own, None)).transpose()?;
            return self.one_by_one(&product.iter().chain(operands).collect::<Vec<_>>());
        };
        let steps: Vec<Vec<usize>> = operands.iter().map(|operand| steps(operand.shape(), &shape)).collect();
        let data =
            operands.iter().zip(&steps).map(|(operand, strides)| Ok(Strided { data: operand.slice()?, strides }));
        let data = data.collect::<Result<Vec<_>, OpError>>()?;
        if let Some((leading, own)) = leading {
            return leading.lead(&own, Some(&Following::new(&self.sequence, &shape, &data)?));
        }
        let mut result = self.cpu.allocate(DType::F32, &shape)?;
        self.cpu.processor().sequence(&self.sequence, &shape, &data, result.slice_mut())?;
        Ok(result.freeze())
    }
}

impl Product {
    /// `read` are the places of the operands that the group's nodes read.
    fn new(cpu: &Cpu, node: &Node, group: &Group<'_>, read: &[usize]) -> Option<Self> {
        let place = |id: ValueId| group.operands.iter().position(|operand| *operand == id);
        let operands: Vec<Option<usize>> = node.inputs.iter().map(|id| id.and_then(place)).collect();
        let constants: Vec<_> = operands.iter().map(|place| place.and_then(|place| group.constants[place])).collect();
        let leading = node.op.leading(cpu, &constants).ok()??;
        let others = operands.iter().enumerate().filter(|(operand, _)| *operand != Op::PACKED).map(|(_, place)| *place);
        let again: Vec<usize> = others.flatten().chain(read.iter().copied()).collect();
        let packed = operands.get(Op::PACKED).copied().flatten().filter(|place| !again.contains(place));
        Some(Self { leading, operands, packed })
    }
}

impl Kernel for Steps {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        Ok(vec![self.compute(inputs)?])
    }

    fn needs_constant(&self, operand: usize) -> bool {
        self.product.as_ref().is_none_or(|product| product.packed != Some(operand))
    }
}

/// The step along each axis of a result; 0 where an operand repeats.
fn steps(own: &[usize], shape: &[usize]) -> Vec<usize> {
    let steps = own.iter().zip(strides(own)).map(|(&size, step)| if size == 1 { 0 } else { step });
    std::iter::repeat_n(0, shape.len() - own.len()).chain(steps).collect()
}
