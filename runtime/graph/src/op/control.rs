//! Branches and loops. They have bodies, which are graphs; a [`Session`](crate::Session) runs these.
//!
//! Behind an operator's own operands stand the values that its bodies capture from around them: those of the first body
//! first, each in the order of [`Graph::captured`].

use super::operand::{given, needed};
use super::{Op, Operation};
use crate::onnx::Source;
use crate::{Cpu, DType, Dim, Fact, Graph, OpError, Tensor};

/// The operators of this family.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// The results of one of two bodies, chosen by a bool of one element.
    If(Box<If>),
    /// A body again and again, at most as often as its first operand says, and while its condition holds.
    Loop(Box<Loop>),
    /// A body once for each layer of its operands.
    Scan(Box<Scan>),
}

/// Two bodies without inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    /// For true.
    pub then_body: Graph,
    /// For false.
    pub else_body: Graph,
}

/// A body with the inputs (turn i64, condition bool, carried…) and the outputs (condition bool, carried…, stacked…).
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// What is repeated.
    pub body: Graph,
}

impl Loop {
    /// How many values go from turn to turn.
    pub fn carried(&self) -> usize {
        self.body.inputs.len() - 2
    }
}

/// A body with the inputs (carried…, layers…) and the outputs (carried…, layers…).
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// What is repeated.
    pub body: Graph,
    /// How each scanned operand is taken apart.
    pub inputs: Vec<Direction>,
    /// How each stacked result is put together.
    pub outputs: Vec<Direction>,
}

impl Scan {
    /// How many values go from turn to turn.
    pub fn carried(&self) -> usize {
        self.body.inputs.len() - self.inputs.len()
    }
}

/// The axis along which layers lie, and from which end they are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Negative ones count from the end.
    pub axis: i64,
    /// From the last layer to the first.
    pub reverse: bool,
}

impl Control {
    /// Its bodies, in the order in which their captured values stand among its operands.
    pub fn bodies(&self) -> Vec<&Graph> {
        match self {
            Self::If(branch) => vec![&branch.then_body, &branch.else_body],
            Self::Loop(repeat) => vec![&repeat.body],
            Self::Scan(scan) => vec![&scan.body],
        }
    }

    /// [`Self::bodies`], to be rewritten.
    pub(crate) fn bodies_mut(&mut self) -> Vec<&mut Graph> {
        match self {
            Self::If(branch) => vec![&mut branch.then_body, &mut branch.else_body],
            Self::Loop(repeat) => vec![&mut repeat.body],
            Self::Scan(scan) => vec![&mut scan.body],
        }
    }

    /// How many operands stand before the captured values.
    pub fn own_operands(&self) -> usize {
        match self {
            Self::If(_) => 1,
            Self::Loop(repeat) => repeat.body.inputs.len(),
            Self::Scan(scan) => scan.body.inputs.len(),
        }
    }
}

/// Reads a node, if its operator belongs here.
pub(super) fn import(source: &mut Source<'_>) -> Result<Option<Op>, OpError> {
    // Taking a body puts what it captures behind the operands that are there, or that a loop's body would take.
    let given = source.input_count();
    let control = match source.qualified_operator().as_str() {
        "If" => Control::If(Box::new(branch(source)?)),
        "Loop" => Control::Loop(Box::new(Loop { body: repeated_body(source)? })),
        "Scan" if source.opset() < 9 => return Err(OpError::unsupported("a scan over batches, of opset 8")),
        "Scan" => Control::Scan(Box::new(scan(source)?)),
        _ => return Ok(None),
    };
    let own = control.own_operands();
    let branches = matches!(control, Control::If(_));
    if given > own || branches && given < own {
        return Err(OpError::new(format!("it has {given} operands, and takes {own}")));
    }
    Ok(Some(control.into()))
}

fn body(source: &mut Source<'_>, name: &str) -> Result<Graph, OpError> {
    source.body(name)?.ok_or_else(|| OpError::new(format!("its body {name} is missing")))
}

fn branch(source: &mut Source<'_>) -> Result<If, OpError> {
    let (then_body, else_body) = (body(source, "then_branch")?, body(source, "else_branch")?);
    if !then_body.inputs.is_empty() || !else_body.inputs.is_empty() {
        return Err(OpError::new("the bodies of a branch have inputs"));
    }
    if then_body.outputs.len() != else_body.outputs.len() {
        let (then, other) = (then_body.outputs.len(), else_body.outputs.len());
        return Err(OpError::new(format!("its bodies have {then} and {other} results")));
    }
    Ok(If { then_body, else_body })
}

fn repeated_body(source: &mut Source<'_>) -> Result<Graph, OpError> {
    let body = body(source, "body")?;
    if body.inputs.len() < 2 || body.outputs.len() + 1 < body.inputs.len() {
        let (inputs, outputs) = (body.inputs.len(), body.outputs.len());
        return Err(OpError::new(format!("a loop's body has {inputs} inputs and {outputs} outputs")));
    }
    Ok(body)
}

fn scan(source: &mut Source<'_>) -> Result<Scan, OpError> {
    let body = body(source, "body")?;
    let scanned = source.int("num_scan_inputs")?.unwrap_or(0);
    let scanned = usize::try_from(scanned).ok().filter(|&scanned| (1..=body.inputs.len()).contains(&scanned));
    let scanned = scanned.ok_or_else(|| OpError::new("num_scan_inputs is no number of its body's inputs"))?;
    let carried = body.inputs.len() - scanned;
    let stacked = body.outputs.len().checked_sub(carried);
    let stacked = stacked.ok_or_else(|| OpError::new("its body has fewer outputs than values that go on"))?;
    let inputs = directions(source, "scan_input_axes", "scan_input_directions", scanned)?;
    let outputs = directions(source, "scan_output_axes", "scan_output_directions", stacked)?;
    Ok(Scan { body, inputs, outputs })
}

fn directions(source: &mut Source<'_>, axes: &str, ways: &str, count: usize) -> Result<Vec<Direction>, OpError> {
    let mut numbers = |name: &str| {
        let given = source.ints(name)?.unwrap_or_else(|| vec![0; count]);
        let right = given.len() == count;
        right.then_some(()).ok_or_else(|| OpError::new(format!("{name} has {} numbers, not {count}", given.len())))?;
        Ok::<_, OpError>(given)
    };
    let (axes, ways) = (numbers(axes)?, numbers(ways)?);
    Ok(axes.into_iter().zip(ways).map(|(axis, way)| Direction { axis, reverse: way != 0 }).collect())
}

/// What is known of a body's result.
fn result(body: &Graph, place: usize) -> Result<Fact, OpError> {
    let fact = body.outputs.get(place).and_then(|id| body.value(*id).fact.clone());
    let fact = fact.ok_or_else(|| OpError::new(format!("the type of its body's result {place} is unknown")))?;
    Ok(Fact { value: None, ..fact })
}

/// What is known of a value that is one thing or the other.
fn either(one: Fact, other: Fact) -> Result<Fact, OpError> {
    if one.dtype != other.dtype {
        return Err(OpError::new(format!("its result is {} in one case, and {} in the other", one.dtype, other.dtype)));
    }
    let shape = match (one.shape, other.shape) {
        (Some(one), Some(other)) if one.len() == other.len() => {
            let dims = one.into_iter().zip(other);
            Some(dims.map(|(one, other)| if one == other { one } else { Dim::Unknown }).collect())
        }
        _ => None,
    };
    Ok(Fact { dtype: one.dtype, shape, value: None })
}

/// What is known of a value that goes from turn to turn: its type, and its shape if the body keeps it.
fn carried(initial: &Fact, after: Fact) -> Result<Fact, OpError> {
    either(Fact { value: None, ..initial.clone() }, after)
}

fn stacked(layer: Fact, axis: i64, turns: Dim) -> Result<Fact, OpError> {
    let Some(mut dims) = layer.shape else { return Ok(Fact::of_type(layer.dtype)) };
    dims.insert(super::operand::axis(axis, dims.len() + 1)?, turns);
    Ok(Fact { dtype: layer.dtype, shape: Some(dims), value: None })
}

impl Operation for Control {
    fn name(&self) -> &'static str {
        match self {
            Self::If(_) => "If",
            Self::Loop(_) => "Loop",
            Self::Scan(_) => "Scan",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        match self {
            Self::If(branch) => {
                let condition = needed(inputs, 0, "condition")?;
                if condition.dtype != DType::Bool {
                    return Err(OpError::new(format!("its condition is {}, not bool", condition.dtype)));
                }
                let places = 0..branch.then_body.outputs.len();
                places
                    .map(|place| either(result(&branch.then_body, place)?, result(&branch.else_body, place)?))
                    .collect()
            }
            Self::Loop(repeat) => {
                let number = repeat.carried();
                let values = (0..number).map(|place| {
                    carried(needed(inputs, 2 + place, "initial value")?, result(&repeat.body, 1 + place)?)
                });
                let stacks = (1 + number..repeat.body.outputs.len())
                    .map(|place| stacked(result(&repeat.body, place)?, 0, Dim::Unknown));
                values.chain(stacks).collect()
            }
            Self::Scan(scan) => {
                let number = scan.carried();
                let values = (0..number)
                    .map(|place| carried(needed(inputs, place, "initial value")?, result(&scan.body, place)?));
                let turns = given(inputs, number).and_then(|fact| {
                    let dims = fact.shape.as_ref()?;
                    let axis = super::operand::axis(scan.inputs[0].axis, dims.len()).ok()?;
                    Some(dims[axis].clone())
                });
                let turns = turns.unwrap_or(Dim::Unknown);
                let stacks = scan.outputs.iter().enumerate();
                let stacks =
                    stacks.map(|(place, way)| stacked(result(&scan.body, number + place)?, way.axis, turns.clone()));
                values.chain(stacks).collect()
            }
        }
    }

    fn run(&self, _cpu: &Cpu, _inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        Err(OpError::new("its bodies are run by a session, not by a device"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Attribute, Body};

    /// A loop's node with so many operands, whose body takes one value of its own and captures one.
    fn read(operands: usize) -> Result<Vec<Option<crate::ValueId>>, OpError> {
        let mut around = Graph::default();
        let ids: Vec<_> = (0..=operands).map(|place| around.add_value(format!("{place}"), None)).collect();
        let mut body = Graph::default();
        body.inputs = (0..3).map(|place| body.add_value(format!("{place}"), None)).collect();
        body.outputs = body.inputs[1..].to_vec();
        body.captured = vec![body.add_value("captured", None)];
        let body = Attribute::Graph(Box::new(Body { graph: body, captures: vec![ids[operands]] }));
        let mut source = Source::alone(&mut around, ("", "Loop", 16), &[("body", body)]);
        source.inputs = ids[..operands].iter().copied().map(Some).collect();
        import(&mut source)?;
        Ok(source.inputs.clone())
    }

    #[test]
    fn captured_values_stand_behind_all_operands_of_the_operator() {
        let whole = read(3).unwrap();
        assert!(whole.len() == 4 && whole.iter().all(Option::is_some));
        let short = read(1).unwrap();
        assert_eq!(short.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false, true]);
        assert!(read(4).is_err());
    }
}
