//! How the tests of this family run an operator.

use super::Operation;
use crate::{Cpu, Fact, OpError, Tensor};

/// Runs an operator on operands that are all given, and checks that inference had said what it gives.
pub(super) fn results(operation: &dyn Operation, inputs: &[&Tensor]) -> Result<Vec<Tensor>, OpError> {
    let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
    results_of(operation, &inputs)
}

/// The same, where some operands may be left out.
pub(super) fn results_of(operation: &dyn Operation, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
    let cpu = Cpu::new(poai_numerics::Kernels::Auto, 2).unwrap();
    let facts: Vec<_> = inputs.iter().map(|tensor| tensor.map(Fact::of)).collect();
    let facts: Vec<_> = facts.iter().map(Option::as_ref).collect();
    let inferred = operation.infer(&facts)?;
    let results = operation.run(&cpu, inputs)?;
    let found: Vec<_> = results.iter().map(|result| Fact { value: None, ..Fact::of(result) }).collect();
    assert_eq!(inferred, found);
    Ok(results)
}

/// Images of two dimensions, channels last.
pub(super) fn turned(images: &Tensor) -> Tensor {
    let &[count, channels, height, width] = images.shape() else { panic!("images of two dimensions") };
    let (element, bytes) = (images.dtype().bytes(), images.bytes());
    let place = |i: usize| {
        let (channel, pixel, image) = (i % channels, i / channels % (height * width), i / (channels * height * width));
        (image * channels + channel) * height * width + pixel
    };
    let turned: Vec<u8> = (0..images.len()).flat_map(|i| bytes[place(i) * element..][..element].to_vec()).collect();
    Tensor::from_bytes(images.dtype(), &[count, height, width, channels], turned.into()).unwrap()
}
