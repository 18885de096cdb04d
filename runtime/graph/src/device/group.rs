//! Element-wise nodes that a device computes as one.

use poai_numerics::{Source, Step};

use crate::op::operand::broadcast;
use crate::{Node, Op, OpError, Tensor, ValueId};

/// Element-wise nodes of floats of 32 bits, of which the last one's result alone is wanted. Each has one result, all of
/// the same shape as far as that is known; those of all but the last are read within the group alone.
///
/// A group may follow a product: a node of another kind, whose result is of that shape too, and read by the group alone.
pub struct Group<'a> {
    /// In order.
    pub nodes: Vec<&'a Node>,
    /// What they, and the product that they follow, read of others, each once: the kernel's inputs.
    pub operands: Vec<ValueId>,
    /// Those of the operands that are always the same.
    pub constants: Vec<Option<&'a Tensor>>,
}

/// What a group computes: operations of numerics, one after the other.
pub struct Grouped {
    /// The operations. Their operands are those of the group that `operands` names, behind the product if there is one.
    pub steps: Vec<Step>,
    /// Which of the group's operands the operations read.
    pub operands: Vec<usize>,
    /// The nodes' operators, each with what it reads: operands of the operations, and results of other nodes.
    pub(crate) nodes: Vec<(Op, Vec<Source>)>,
}

impl Group<'_> {
    /// A group of one node; none if it leaves out an operand.
    pub fn of_one<'a>(node: &'a Node, constants: &[Option<&'a Tensor>]) -> Option<Group<'a>> {
        let operands: Vec<ValueId> = node.inputs.iter().copied().collect::<Option<_>>()?;
        Some(Group { nodes: vec![node], operands, constants: constants.to_vec() })
    }

    /// The operations of a group that follows no product; none if a node is no sequence of such.
    pub fn operations(&self) -> Option<Grouped> {
        self.following(None)
    }

    /// The operations, the first operand of which is the product's result, if there is one.
    pub(crate) fn following(&self, product: Option<&Node>) -> Option<Grouped> {
        let made = |id: &ValueId| self.nodes.iter().any(|node| node.outputs[0] == Some(*id));
        let read = |id: &ValueId| self.nodes.iter().any(|node| node.inputs.contains(&Some(*id)));
        let operands: Vec<usize> = (0..self.operands.len()).filter(|&place| read(&self.operands[place])).collect();
        let mut sources: Vec<Option<ValueId>> = product.map(|product| product.outputs[0]).into_iter().collect();
        sources.extend(operands.iter().map(|&place| Some(self.operands[place])));
        let constant = |source: &Source| match source {
            Source::Operand(operand) => {
                let id = sources[*operand];
                self.operands.iter().position(|operand| Some(*operand) == id).and_then(|place| self.constants[place])
            }
            Source::Step(_) => None,
        };
        let mut steps = Vec::new();
        let mut nodes = Vec::new();
        // Where each node's result comes from among all steps.
        let mut results = Vec::new();
        for node in &self.nodes {
            let source = |id: &Option<ValueId>| match id.as_ref().filter(|id| made(id)) {
                Some(id) => self.nodes.iter().position(|node| node.outputs[0] == Some(*id)).map(Source::Step),
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
        Some(Grouped { steps, operands, nodes })
    }
}

impl Grouped {
    /// The shape of the result, which a product of some shape begins with; none if those of the nodes differ.
    ///
    /// # Errors
    /// If operands do not broadcast.
    pub fn shape(&self, product: Option<Vec<usize>>, operands: &[&Tensor]) -> Result<Option<Vec<usize>>, OpError> {
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
}
