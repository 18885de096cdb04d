//! Every one of the 2³² floats through every function of one number: each kernel against the software step.
//!
//! On demand, for it takes minutes: `cargo run --release -p poai-numerics --example all_floats [NAME]`, where NAME
//! filters functions, as in `exp`. Ends with an error at the first difference.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::env;
use std::process::ExitCode;

use poai_numerics::operations::UNARY;
use poai_numerics::{Kernels, NumericsError, Processor, Unary};

/// Floats at a time.
const CHUNK: usize = 1 << 20;

fn main() -> ExitCode {
    let filter = env::args().nth(1).unwrap_or_default().to_lowercase();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for &function in UNARY {
        let name = format!("{function:?}").to_lowercase();
        if !name.contains(&filter) {
            continue;
        }
        match first_difference(function, threads) {
            Ok(None) => println!("{name}: all floats give the same bits"),
            Ok(Some((kernels, x))) => {
                println!("{name}: {kernels} differs at {x:e} ({:#010x})", x.to_bits());
                return ExitCode::FAILURE;
            }
            Err(error) => {
                println!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn first_difference(function: Unary, threads: usize) -> Result<Option<(Kernels, f32)>, NumericsError> {
    let scalar = Processor::new(Kernels::Scalar, threads)?;
    let mut others = Vec::new();
    for kernels in Kernels::available() {
        if kernels != Kernels::Scalar {
            others.push(Processor::new(kernels, threads)?);
        }
    }
    let (mut expected, mut found) = (vec![0.0f32; CHUNK], vec![0.0f32; CHUNK]);
    for start in (0..=u32::MAX).step_by(CHUNK) {
        let inputs: Vec<f32> = (0..CHUNK as u32).map(|i| f32::from_bits(start + i)).collect();
        scalar.unary(function, &inputs, &mut expected)?;
        for other in &others {
            other.unary(function, &inputs, &mut found)?;
            let differs = |i: &usize| found[*i].to_bits() != expected[*i].to_bits();
            if let Some(i) = (0..CHUNK).find(differs) {
                return Ok(Some((other.kernels(), inputs[i])));
            }
        }
    }
    Ok(None)
}
