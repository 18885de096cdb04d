//! An operator tried in every way that it can run: inference beforehand, kernels and threads, constants packed or not.

use poai_numerics::Kernels;

use crate::{Cpu, DType, Device, Fact, Node, Op, OpError, Tensor};

/// Floats that look random.
pub(crate) fn noise(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect();
    Tensor::new(shape, &values)
}

/// The results, which are the same bits however they are computed, and of the type and shape that were inferred.
pub(crate) fn computed(op: impl Into<Op>, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
    let op = op.into();
    let facts: Vec<_> = inputs.iter().map(|tensor| tensor.map(Fact::of)).collect();
    let facts: Vec<_> = facts.iter().map(Option::as_ref).collect();
    let inferred = op.operation().infer(&facts)?;
    let node = Node { name: "node".into(), op: op.clone(), inputs: Vec::new(), outputs: Vec::new() };
    let mut first: Option<Vec<Tensor>> = None;
    for (kernels, threads) in [(Kernels::Scalar, 1), (Kernels::Auto, 1), (Kernels::Auto, 3)] {
        let cpu = Cpu::new(kernels, threads).unwrap();
        let constants_of = |keep: fn(usize) -> bool| -> Vec<Option<&Tensor>> {
            inputs.iter().enumerate().map(|(i, tensor)| tensor.filter(|_| keep(i))).collect()
        };
        for constants in [constants_of(|_| false), constants_of(|i| i > 0), constants_of(|i| i == 1)] {
            let results = match cpu.prepare(&node, &constants).unwrap().run(inputs) {
                Ok(results) => results,
                Err(crate::KernelError::Op(error)) => return Err(error),
                Err(crate::KernelError::Device(error)) => panic!("{error}"),
            };
            let found: Vec<_> = results.iter().map(|result| Fact { value: None, ..Fact::of(result) }).collect();
            assert_eq!(found, inferred[..found.len()], "what was inferred");
            assert_eq!(first.get_or_insert_with(|| results.clone()), &results, "by {} on {threads}", cpu.name());
        }
    }
    Ok(first.expect("it ran"))
}

/// Its only result.
pub(crate) fn result(op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Tensor, OpError> {
    let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
    Ok(computed(op, &inputs)?.remove(0))
}

/// Its elements as f32.
pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    assert_eq!(tensor.dtype(), DType::F32);
    tensor.slice().unwrap().to_vec()
}
