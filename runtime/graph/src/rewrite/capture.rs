//! Bodies know the constants around them: what they capture and is always the same becomes a constant of theirs, so that
//! weights within a loop are prepared once.

use crate::{Graph, Op};

pub(super) fn give_constants(graph: &mut Graph) {
    for node in &mut graph.nodes {
        let Op::Control(control) = &mut node.op else { continue };
        let mut place = control.own_operands();
        for body in control.bodies_mut() {
            let captured = std::mem::take(&mut body.captured);
            for id in captured {
                let around = node.inputs.get(place).copied().flatten();
                let constant = around.and_then(|around| graph.constants.get(&around));
                if let Some(tensor) = constant {
                    body.constants.insert(id, tensor.clone());
                    node.inputs.remove(place);
                } else {
                    body.captured.push(id);
                    place += 1;
                }
            }
        }
    }
}
