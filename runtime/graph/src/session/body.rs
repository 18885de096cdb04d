//! The bodies of branches and loops at work.

use super::layers::{count, layer, stacked};
use super::plan::Plan;
use crate::budget::Account;
use crate::op::control::{Control, Direction};
use crate::op::operand::integer;
use crate::{Cost, DType, Device, Dim, Graph, ModelError, Node, OpError, RunError, Tensor};

/// A branch or loop whose bodies are ready.
pub(super) enum Bodies {
    If { then_body: Plan, else_body: Plan },
    Loop { body: Plan },
    Scan { body: Plan, inputs: Vec<Direction>, outputs: Vec<Direction> },
}

/// Where a loop is: whose it is, and what it may use.
struct Turns<'a, 'b> {
    node: &'a Node,
    body: &'a Plan,
    captured: Vec<Tensor>,
    device: &'a dyn Device,
    account: &'a mut Account<'b>,
}

impl Bodies {
    pub(super) fn new(control: &Control, device: &dyn Device) -> Result<Self, ModelError> {
        let plan = |body: &Graph| Plan::new(body.clone(), device);
        Ok(match control {
            Control::If(branch) => {
                Self::If { then_body: plan(&branch.then_body)?, else_body: plan(&branch.else_body)? }
            }
            Control::Loop(repeat) => Self::Loop { body: plan(&repeat.body)? },
            Control::Scan(scan) => {
                Self::Scan { body: plan(&scan.body)?, inputs: scan.inputs.clone(), outputs: scan.outputs.clone() }
            }
        })
    }

    /// Computes the node's results from its operands. Their bytes stay held in `account`.
    pub(super) fn run(
        &self,
        node: &Node,
        operands: &[Option<&Tensor>],
        device: &dyn Device,
        account: &mut Account<'_>,
    ) -> Result<Vec<Tensor>, RunError> {
        let at = |reason| RunError::Node { node: node.name.clone(), reason };
        let all = |from: usize, to: usize| {
            let given = operands.get(from..to).ok_or_else(|| at(OpError::new("it has too few operands")))?;
            let given =
                given.iter().map(|tensor| tensor.cloned().ok_or_else(|| at(OpError::new("an operand is missing"))));
            given.collect::<Result<Vec<_>, _>>()
        };
        match self {
            Self::If { then_body, else_body } => {
                let condition = operands.first().copied().flatten();
                let condition = truth(condition).map_err(at)?;
                let first = 1 + then_body.graph().captured.len();
                if condition {
                    then_body.run(device, all(1, first)?, account)
                } else {
                    else_body.run(device, all(first, first + else_body.graph().captured.len())?, account)
                }
            }
            Self::Loop { body } => {
                let own = body.graph().inputs.len();
                let captured = all(own, own + body.graph().captured.len())?;
                let limit = operands.first().copied().flatten().map(integer).transpose().map_err(at)?;
                let condition = operands.get(1).copied().flatten();
                let condition = condition.map_or(Ok(true), |tensor| truth(Some(tensor))).map_err(at)?;
                Turns { node, body, captured, device, account }.repeat(limit, condition, all(2, own)?)
            }
            Self::Scan { body, inputs, outputs } => {
                let own = body.graph().inputs.len();
                let captured = all(own, own + body.graph().captured.len())?;
                let carried = own - inputs.len();
                let turns = Turns { node, body, captured, device, account };
                turns.scan(all(0, carried)?, &all(carried, own)?, inputs, outputs)
            }
        }
    }
}

/// A bool of one element.
fn truth(tensor: Option<&Tensor>) -> Result<bool, OpError> {
    match tensor.filter(|tensor| tensor.dtype() == DType::Bool).and_then(Tensor::get::<u8>) {
        Some(&[value]) => Ok(value != 0),
        _ => Err(OpError::new("a condition is one bool, and this one is not")),
    }
}

impl Turns<'_, '_> {
    fn at(&self, reason: OpError) -> RunError {
        RunError::Node { node: self.node.name.clone(), reason }
    }

    /// One turn; an empty body has its price too.
    fn turn(&mut self, mut inputs: Vec<Tensor>) -> Result<Vec<Tensor>, RunError> {
        self.account.spend(&self.node.name, Cost::NODE_FUEL)?;
        inputs.extend(self.captured.iter().cloned());
        self.body.run(self.device, inputs, self.account)
    }

    /// Values that live no longer.
    fn drop_values(&mut self, values: Vec<Tensor>) {
        for value in values {
            self.account.give_back(value.size_bytes() as u64);
            self.device.release(value);
        }
    }

    fn repeat(
        mut self,
        limit: Option<i64>,
        mut condition: bool,
        initial: Vec<Tensor>,
    ) -> Result<Vec<Tensor>, RunError> {
        let mut carried = self.held(initial)?;
        let first_stack = 1 + carried.len();
        let mut stacks = vec![Vec::new(); self.body.graph().outputs.len() - first_stack];
        let mut turn = 0;
        while condition && limit.is_none_or(|limit| turn < limit) {
            let mut inputs = vec![Tensor::scalar(turn), boolean(condition)];
            inputs.extend(carried.iter().cloned());
            let mut results = self.turn(inputs)?;
            for (stack, layer) in stacks.iter_mut().zip(results.split_off(first_stack)) {
                stack.push(layer);
            }
            let next = results.split_off(1);
            condition = truth(results.first()).map_err(|reason| self.at(reason))?;
            self.drop_values(results);
            let before = std::mem::replace(&mut carried, next);
            self.drop_values(before);
            turn += 1;
        }
        for (place, layers) in stacks.into_iter().enumerate() {
            carried.push(self.stack(layers, Direction::default(), first_stack + place)?);
        }
        Ok(carried)
    }

    fn scan(
        mut self,
        initial: Vec<Tensor>,
        scanned: &[Tensor],
        inputs: &[Direction],
        outputs: &[Direction],
    ) -> Result<Vec<Tensor>, RunError> {
        let mut lengths = scanned.iter().zip(inputs).map(|(tensor, way)| count(tensor, way.axis));
        let turns = lengths.next().expect("a scan goes over at least one").map_err(|reason| self.at(reason))?;
        if lengths.any(|length| length != Ok(turns)) {
            return Err(self.at(OpError::new("what it goes over is of different lengths")));
        }
        let mut carried = self.held(initial)?;
        let number = carried.len();
        let mut stacks = vec![Vec::new(); outputs.len()];
        for turn in 0..turns {
            let mut operands = carried.clone();
            for (tensor, way) in scanned.iter().zip(inputs) {
                let index = if way.reverse { turns - 1 - turn } else { turn };
                operands.push(layer(tensor, way.axis, index).map_err(|reason| self.at(reason))?);
            }
            let mut results = self.turn(operands)?;
            for (stack, layer) in stacks.iter_mut().zip(results.split_off(number)) {
                stack.push(layer);
            }
            let before = std::mem::replace(&mut carried, results);
            self.drop_values(before);
        }
        for ((place, mut layers), way) in stacks.into_iter().enumerate().zip(outputs) {
            if way.reverse {
                layers.reverse();
            }
            carried.push(self.stack(layers, *way, number + place)?);
        }
        Ok(carried)
    }

    /// Values that the loop begins with: they count once more, since it gives back what it carries.
    fn held(&mut self, values: Vec<Tensor>) -> Result<Vec<Tensor>, RunError> {
        for value in &values {
            self.account.hold(&self.node.name, value.size_bytes() as u64)?;
        }
        Ok(values)
    }

    /// What a body's output became over all turns. Without any turn its unknown sizes are 0.
    fn stack(&mut self, layers: Vec<Tensor>, way: Direction, output: usize) -> Result<Tensor, RunError> {
        let graph = self.body.graph();
        let fact = graph.value(graph.outputs[output]).fact.as_ref();
        let empty = fact.map(|fact| (fact.dtype, fact.shape.iter().flatten().map(size_or_zero).collect::<Vec<_>>()));
        let (dtype, shape) = empty.ok_or_else(|| self.at(OpError::new("the type of its body's result is unknown")))?;
        let layer_bytes: u64 = layers.iter().map(|layer| layer.size_bytes() as u64).sum();
        self.account.hold(&self.node.name, layer_bytes)?;
        let stack = stacked(&layers, way.axis, (dtype, &shape)).map_err(|reason| self.at(reason))?;
        self.drop_values(layers);
        Ok(stack)
    }
}

fn size_or_zero(dim: &Dim) -> usize {
    dim.size().unwrap_or(0)
}

fn boolean(value: bool) -> Tensor {
    let bytes = vec![u8::from(value)].into();
    Tensor::from_bytes(DType::Bool, &[], bytes).expect("one byte that is 0 or 1")
}
