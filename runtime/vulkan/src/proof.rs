//! The proof that a device keeps the rules, made before it serves.
//!
//! [`prove`] runs [checks](Check) of known answers on a device: every hazard of arithmetic that a driver was seen, or
//! could be thought, to spoil. Answers come from `poai-numerics` and from the processor's own IEEE arithmetic. Every
//! check that can be planted with the fault it looks for is, and has to see it: a proof that cannot fail proves
//! nothing. What shaders without marks compute is noted beside the [`Verdict`].

mod arithmetic; // one operation, a few in a row
mod blocks; // weights in blocks of few bits
mod cache; // verdicts of devices already seen
mod check; // shader, input, answer
mod functions; // every element-wise operation
mod integers; // products of bytes, and numbers that become bytes
mod memory; // loops, bounds
mod numbers; // where the hazards lie
mod products; // the fused step, chains, matrices
mod reductions; // axes and windows that become one number
mod speed; // how fast it multiplies
mod tasks; // what tasks' kernels may say besides functions
mod verdict; // what came of it

pub use cache::{CacheError, VERSION, cached};
pub use speed::{Speed, measure};
pub use verdict::{Failure, Verdict};

use check::{Check, Outcome};

use crate::device::{Compute, DeviceError};
use crate::kernels::{Step, Tiling};
use crate::spirv::FloatControls;

/// Proves a device, and finds the fastest lowering of the fused step that is exact on it.
///
/// # Errors
/// A device that is lost, out of memory or out of patience; one that computes wrong is no error but a [`Verdict`].
pub fn prove<D: Compute>(device: &D) -> Result<Verdict, DeviceError> {
    let tiling = Tiling::of(device.description().kind);
    let general: Vec<_> = arithmetic::checks().into_iter().chain(memory::checks()).collect();
    let mut failures = failures(device, &general, None)?;
    let mut step = None;
    if failures.is_empty() {
        let features = device.description().features;
        for lowering in Step::ALL.into_iter().filter(|step| step.is_offered(features)) {
            let mut found = self::failures(device, &of_step(lowering, tiling), Some(lowering))?;
            if found.is_empty() {
                let failure = tasks::failure(device, lowering)?;
                let failure = failure.map(|reason| Failure { check: "tasks".to_owned(), step: Some(lowering), reason });
                found.extend(failure);
            }
            if found.is_empty() {
                step = Some(lowering);
                break;
            }
            failures.extend(found);
        }
    }
    let best = step.unwrap_or(Step::Emulated);
    let of_step = of_step(best, tiling);
    let mut undecorated = Vec::new();
    for check in general.iter().chain(&of_step) {
        if check.run_undecorated(device, controls(device, Some(best)))? != Outcome::Right {
            undecorated.push(check.name.to_owned());
        }
    }
    Ok(Verdict { step, failures, undecorated })
}

/// What is proven of a lowering of the fused step: everything that has it.
fn of_step(step: Step, tiling: Tiling) -> Vec<Check> {
    let checks = [
        products::checks(step, tiling),
        functions::checks(step),
        reductions::checks(step),
        blocks::checks(step),
        integers::checks(),
    ];
    checks.into_iter().flatten().collect()
}

/// What shaders with such a step, or without one, ask of a device.
fn controls<D: Compute>(device: &D, step: Option<Step>) -> FloatControls {
    let features = device.description().features;
    step.map_or(features.controls(), |step| step.controls(features))
}

fn failures<D: Compute>(device: &D, checks: &[Check], step: Option<Step>) -> Result<Vec<Failure>, DeviceError> {
    let mut failures = Vec::new();
    let controls = controls(device, step);
    for check in checks {
        let reason = match check.run(device, controls)? {
            Outcome::Right => match check.run_planted(device, controls)? {
                Some(Outcome::Right) => "it does not see the fault that was planted".to_owned(),
                _ => continue,
            },
            Outcome::Wrong(reason) => reason,
        };
        failures.push(Failure { check: check.name.to_owned(), step, reason });
        // One reason is enough to reject a lowering.
        if step.is_some() {
            break;
        }
    }
    Ok(failures)
}
