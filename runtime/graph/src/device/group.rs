//! Element-wise nodes that a device computes as one.

use poai_numerics::{Binary, Source, Step, Unary};

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

    /// The operations behind a product, if there is one: its result is their first operand.
    pub(crate) fn following(&self, product: Option<&Followed>) -> Option<Grouped> {
        let added = product.map_or(&[][..], |product| &product.added);
        let is_read = |place: &usize| added.contains(place) || self.reads(*place);
        let operands: Vec<usize> = (0..self.operands.len()).filter(is_read).collect();
        let sources = operands.iter().map(|&place| self.operands[place]);
        let sources = product.map(|product| product.result).into_iter().chain(sources).collect();
        let (steps, nodes, results) = Default::default();
        let mut writer = Writer { group: self, sources, steps, product: Source::Operand(0), nodes, results };
        if let Some(product) = product {
            writer.begin(product);
        }
        for node in &self.nodes {
            writer.add(node)?;
        }
        Some(Grouped { steps: writer.steps, operands, nodes: writer.nodes })
    }

    /// Whether one of the nodes reads an operand.
    pub(crate) fn reads(&self, operand: usize) -> bool {
        self.nodes.iter().any(|node| node.inputs.contains(&Some(self.operands[operand])))
    }
}

/// A product that a group follows, and what the operations begin with in its place.
pub(crate) struct Followed {
    pub result: ValueId,
    /// Which of the group's operands are added to its sums.
    pub added: Vec<usize>,
    /// Applied to that.
    pub activation: Option<Unary>,
}

/// Writes nodes down as operations.
struct Writer<'a> {
    group: &'a Group<'a>,
    /// The values that are operands.
    sources: Vec<ValueId>,
    steps: Vec<Step>,
    /// Where the product's result comes from.
    product: Source,
    nodes: Vec<(Op, Vec<Source>)>,
    /// Where each node's result comes from among all steps.
    results: Vec<usize>,
}

impl Writer<'_> {
    fn begin(&mut self, product: &Followed) {
        for place in &product.added {
            let term = self.sources.iter().position(|id| *id == self.group.operands[*place]);
            let term = Source::Operand(term.expect("what is added is an operand"));
            self.steps.push(Step::Binary(Binary::Add, [self.product, term]));
            self.product = Source::Step(self.steps.len() - 1);
        }
        if let Some(activation) = product.activation {
            self.steps.push(Step::Unary(activation, self.product));
            self.product = Source::Step(self.steps.len() - 1);
        }
    }

    /// None if it is no sequence of operations.
    fn add(&mut self, node: &Node) -> Option<()> {
        let read = |id: &Option<ValueId>| {
            let id = (*id)?;
            let made = self.group.nodes.iter().position(|node| node.outputs[0] == Some(id));
            let given = || self.sources.iter().position(|source| *source == id);
            made.map(Source::Step).or_else(|| given().map(Source::Operand))
        };
        let reads: Vec<Source> = node.inputs.iter().map(read).collect::<Option<_>>()?;
        let Op::Elementwise(operation) = &node.op else { return None };
        let constant = |id: &Option<ValueId>| {
            let place = self.group.operands.iter().position(|operand| Some(*operand) == *id)?;
            self.group.constants[place]
        };
        let own = operation.steps(&node.inputs.iter().map(constant).collect::<Vec<_>>())?;
        let begin = self.steps.len();
        let source = |own: Source| match own {
            Source::Step(step) => Source::Step(begin + step),
            Source::Operand(operand) => match reads[operand] {
                Source::Step(node) => Source::Step(self.results[node]),
                Source::Operand(0) => self.product,
                operand => operand,
            },
        };
        let own = own.into_iter().map(|step| match step {
            Step::Unary(operation, read) => Step::Unary(operation, source(read)),
            Step::Binary(operation, [a, b]) => Step::Binary(operation, [source(a), source(b)]),
        });
        let own: Vec<Step> = own.collect();
        self.steps.extend(own);
        self.results.push(self.steps.len() - 1);
        self.nodes.push((node.op.clone(), reads));
        Some(())
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
