use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::numbers::{Numbers, bits};
use crate::device::{Compute, DeviceError};
use crate::kernels::{self, Step, Terms, Tiling};
use crate::spirv::Shader;

/// A product that takes this long is measured.
const LONG_ENOUGH: Duration = Duration::from_millis(50);
/// Rows and columns of the first product, and of the last.
const SIDES: [u32; 2] = [128, 2_048];

/// How fast a device multiplies matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    /// Rows and columns of the matrices.
    pub side: u32,
    /// Millions of fused steps a second.
    pub million_steps: u64,
}

/// Multiplies ever larger square matrices, until one takes long enough to be measured.
///
/// # Errors
/// Those of the device.
pub fn measure<D: Compute>(device: &D, step: Step) -> Result<Speed, DeviceError> {
    let controls = step.controls(device.description().features);
    let kernel = device.kernel(
        &Shader::new(&kernels::matmul(step, Tiling::of(device.description().kind)), controls)
            .expect("our own shaders are valid"),
    )?;
    let mut side = SIDES[0];
    loop {
        let length = (side * side) as usize;
        let mut numbers = Numbers::new(10);
        let [left, right, result] = [device.buffer(length)?, device.buffer(length)?, device.buffer(length)?];
        for matrix in [&left, &right] {
            let values: Vec<f32> = (0..length).map(|_| numbers.between(-4, 4)).collect();
            device.write(matrix, &bits(&values))?;
        }
        let terms = Terms::one([side; 3]);
        let (words, groups) = (terms.words(), terms.groups().expect("the matrices are not so large"));
        let terms = device.buffer(words.len())?;
        device.write(&terms, &words)?;
        let multiply = || device.run(&kernel, &[&left, &right, &terms, &result], groups);
        // Once, so that a driver that compiles late has done so.
        multiply()?;
        let begun = Instant::now();
        multiply()?;
        let taken = begun.elapsed();
        if taken >= LONG_ENOUGH || side == SIDES[1] {
            let steps = f64::from(side).powi(3);
            return Ok(Speed { side, million_steps: (steps / taken.as_secs_f64() / 1e6) as u64 });
        }
        side *= 2;
    }
}
