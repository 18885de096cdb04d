//! Graphs made faster without changing a bit. What is done here is the same for every device, and part of what a
//! computation costs; so it belongs to the engine's name.

mod capture; // bodies know the constants around them
mod channels; // batch norms become arithmetic
mod epilogue; // what follows a product is done with it
mod fold; // what depends on constants alone is computed once
mod layout; // images stay channels last
mod prune; // what nobody asks for is not computed
#[cfg(test)]
mod tests;

use crate::op::control::Control;
use crate::{Graph, ModelError, Op};

/// All rewrites, in their order; of bodies too.
pub(crate) fn rewrite(mut graph: Graph) -> Result<Graph, ModelError> {
    fold::fold(&mut graph)?;
    capture::give_constants(&mut graph);
    for node in &mut graph.nodes {
        if let Op::Control(control) = &mut node.op {
            rewrite_bodies(control)?;
        }
    }
    channels::take_apart(&mut graph);
    epilogue::fuse(&mut graph);
    layout::keep_channels_last(&mut graph)?;
    prune::prune(&mut graph);
    Ok(graph)
}

fn rewrite_bodies(control: &mut Control) -> Result<(), ModelError> {
    for body in control.bodies_mut() {
        *body = rewrite(std::mem::take(body))?;
    }
    Ok(())
}
