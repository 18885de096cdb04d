//! What kernels compute, how they end, and what is refused.

mod atomics; // words that all change
mod examples; // the kernels of tasks/
mod hostile; // kernels that mean harm
mod language; // memory, slices and fuel
mod refusals; // what is not for kernels
mod statements; // what each part of the language does: a table

use crate::{Binding, DispatchError, Kernel};

/// Enough for everything that ends well.
const BUDGET: u64 = 10_000_000;

/// Runs `main` of a kernel whose binding 0 is written, with one word for each invocation, and whose binding 1, if there is
/// one, is read. Gives what was written, and what it cost.
fn run(source: &str, input: Option<&[u32]>, workgroups: u32, stride: u32) -> Result<(Vec<u32>, u64), DispatchError> {
    let kernel = Kernel::parse(source, "main").unwrap_or_else(|error| panic!("{error}\n{source}"));
    let invocations = kernel.workgroup_size().iter().product::<u32>() * workgroups;
    let mut words = vec![0; (invocations * stride) as usize];
    let mut bindings = vec![Binding::ReadWrite { words: &mut words, stride }];
    bindings.extend(input.map(Binding::Read));
    let mut budget = BUDGET;
    kernel.dispatch(&mut bindings, [workgroups, 1, 1], &mut budget)?;
    Ok((words, BUDGET - budget))
}

/// A kernel of one invocation that writes the words of `out`, with this body and these declarations.
fn alone(declarations: &str, body: &str) -> String {
    format!(
        "{declarations}
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(1) fn main() {{ {body} }}"
    )
}
