//! A family of operators that each have a type of their own.

/// Declares a family: one enum of operators, each a type of a module that has `import(source)` and is an
/// [`Operation`](super::Operation), with the names that ONNX has for it.
macro_rules! operators {
    ($family:ident { $($(#[doc = $doc:literal])* $name:ident($module:ident): $($onnx:literal)|+;)* }) => {
        /// The operators of this family.
        #[derive(Clone, Debug, PartialEq)]
        pub enum $family {
            $($(#[doc = $doc])* $name($module::$name),)*
        }

        $(impl From<$module::$name> for $crate::Op {
            fn from(op: $module::$name) -> Self {
                $family::$name(op).into()
            }
        })*

        impl $family {
            fn operation(&self) -> &dyn $crate::op::Operation {
                match self {
                    $(Self::$name(op) => op,)*
                }
            }
        }

        /// Reads a node, if its operator belongs here.
        pub(super) fn import(
            source: &mut $crate::onnx::Source<'_>,
        ) -> Result<Option<$crate::Op>, $crate::OpError> {
            Ok(Some(match source.qualified_operator().as_str() {
                $($($onnx)|+ => $module::$name::import(source)?.into(),)*
                _ => return Ok(None),
            }))
        }

        impl $crate::op::Operation for $family {
            fn name(&self) -> &'static str {
                self.operation().name()
            }

            fn infer(&self, inputs: &[Option<&$crate::Fact>]) -> Result<Vec<$crate::Fact>, $crate::OpError> {
                self.operation().infer(inputs)
            }

            fn cost(&self, inputs: &[Option<&$crate::Fact>], outputs: &[$crate::Fact]) -> $crate::Cost {
                self.operation().cost(inputs, outputs)
            }

            fn run(
                &self,
                cpu: &$crate::Cpu,
                inputs: &[Option<&$crate::Tensor>],
            ) -> Result<Vec<$crate::Tensor>, $crate::OpError> {
                self.operation().run(cpu, inputs)
            }
        }
    };
}
pub(super) use operators;

/// What holds for any operator and any operands.
#[cfg(test)]
pub(super) mod tests {
    use std::sync::LazyLock;

    use poai_numerics::Kernels;
    use proptest::prelude::*;

    use crate::op::Operation;
    use crate::op::operand::with_element;
    use crate::{Cpu, DType, Dim, Fact, Tensor, TensorMut};

    const DTYPES: [DType; 13] = [
        DType::F32,
        DType::F64,
        DType::F16,
        DType::Bf16,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::Bool,
    ];
    /// Results beyond this are not computed in tests: a session would have charged for them.
    const ELEMENTS_LIMIT: u64 = 1 << 16;

    static CPUS: LazyLock<[Cpu; 2]> = LazyLock::new(|| {
        [(Kernels::Scalar, 1), (Kernels::Auto, 2)].map(|(kernels, threads)| Cpu::new(kernels, threads).unwrap())
    });

    fn filled(dtype: DType, shape: &[usize], numbers: &[i64]) -> Tensor {
        let count: usize = shape.iter().product();
        let mut tensor = TensorMut::of(dtype, shape, crate::tensor::Block::zeros(count * dtype.bytes()));
        let numbers = numbers.iter().cycle().take(count);
        let width = dtype.bytes();
        for (place, &number) in tensor.bytes_mut().chunks_exact_mut(width).zip(numbers) {
            match dtype {
                DType::F32 => place.copy_from_slice(&(number as f32).to_le_bytes()),
                DType::F64 => place.copy_from_slice(&(number as f64).to_le_bytes()),
                DType::F16 => place.copy_from_slice(&half::f16::from_f32(number as f32).to_le_bytes()),
                DType::Bf16 => place.copy_from_slice(&half::bf16::from_f32(number as f32).to_le_bytes()),
                DType::Bool => place[0] = (number & 1) as u8,
                _ => place.copy_from_slice(&number.to_le_bytes()[..width]),
            }
        }
        tensor.freeze()
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![9 => -3i64..6, 1 => prop_oneof![Just(i64::MAX), Just(i64::MIN), Just(1 << 40), any::<i64>()]]
    }

    fn tensor() -> impl Strategy<Value = Tensor> {
        let dtype =
            prop_oneof![2 => Just(DType::F32), 2 => Just(DType::I64), 3 => prop::sample::select(DTYPES.to_vec())];
        let shape = prop_oneof![prop::collection::vec(0usize..4, 0..5), prop::collection::vec(1usize..4, 0..5)];
        (dtype, shape, prop::collection::vec(number(), 1..9))
            .prop_map(|(dtype, shape, numbers)| filled(dtype, &shape, &numbers))
    }

    /// A few operands, of which those behind the first are often like it, or rows of integers.
    pub(in crate::op) fn operands() -> impl Strategy<Value = Vec<Option<Tensor>>> {
        let row = prop::collection::vec(number(), 0..5)
            .prop_map(|row| filled(DType::I64, &[row.len()], if row.is_empty() { &[0] } else { &row }));
        let other = prop_oneof![
            2 => tensor().prop_map(Some),
            4 => row.prop_map(Some),
            2 => number().prop_map(|number| Some(Tensor::scalar(number))),
            1 => Just(None),
        ];
        let kinds = prop::collection::vec((other, 0..8u8), 0..6);
        (tensor(), kinds).prop_map(|(first, others)| {
            let other = |(other, kind)| match kind {
                0 => Some(first.clone()),
                // A number for each of the channels, and for each of the last axis.
                1 => Some(filled(
                    first.dtype(),
                    &first.shape()[1.min(first.shape().len())..2.min(first.shape().len())],
                    &[2, 3],
                )),
                2 => Some(filled(first.dtype(), &first.shape()[first.shape().len().saturating_sub(1)..], &[1, 2])),
                _ => other,
            };
            let others: Vec<_> = others.into_iter().map(other).collect();
            [vec![Some(first)], others].concat()
        })
    }

    fn infer(operator: &dyn Operation, facts: &[Option<Fact>]) -> Result<Vec<Fact>, crate::OpError> {
        operator.infer(&facts.iter().map(Option::as_ref).collect::<Vec<_>>())
    }

    /// An operator refuses operands, or it computes what it inferred, the same with all kernels; and what it infers of
    /// less is true.
    pub(in crate::op) fn check(operator: &dyn Operation, operands: &[Option<Tensor>]) {
        let facts: Vec<Option<Fact>> = operands.iter().map(|tensor| tensor.as_ref().map(Fact::of)).collect();
        let Ok(inferred) = infer(operator, &facts) else { return };
        let borrowed: Vec<Option<&Fact>> = facts.iter().map(Option::as_ref).collect();
        operator.cost(&borrowed, &inferred);
        if inferred.iter().any(|fact| fact.elements() > ELEMENTS_LIMIT) {
            return;
        }
        let inputs: Vec<Option<&Tensor>> = operands.iter().map(Option::as_ref).collect();
        let [results, others] = CPUS.each_ref().map(|cpu| operator.run(cpu, &inputs));
        assert_eq!(results, others, "{} of {operands:?}", operator.name());
        let Ok(results) = results else { return };
        expect_true(operator, &inferred, &results);
        for result in results.iter().filter(|result| result.dtype() == DType::Bool) {
            assert!(result.bytes().iter().all(|&byte| byte < 2), "{}", operator.name());
        }
        for (no_values, no_sizes, no_ranks) in
            [(true, false, false), (false, true, false), (true, true, false), (true, true, true)]
        {
            let less = |fact: &Fact| Fact {
                dtype: fact.dtype,
                shape: fact
                    .shape
                    .clone()
                    .filter(|_| !no_ranks)
                    .map(|shape| if no_sizes { vec![Dim::Unknown; shape.len()] } else { shape }),
                // A value is known with its sizes.
                value: fact.value.clone().filter(|_| !no_values && !no_sizes),
            };
            let facts: Vec<Option<Fact>> = facts.iter().map(|fact| fact.as_ref().map(less)).collect();
            let inferred = infer(operator, &facts);
            let inferred = inferred.unwrap_or_else(|error| panic!("{} of {facts:?}: {error}", operator.name()));
            expect_true(operator, &inferred, &results);
        }
    }

    fn expect_true(operator: &dyn Operation, inferred: &[Fact], results: &[Tensor]) {
        assert_eq!(inferred.len(), results.len(), "{}", operator.name());
        for (fact, result) in inferred.iter().zip(results) {
            assert_eq!(fact.dtype, result.dtype(), "{}", operator.name());
            if let Some(shape) = &fact.shape {
                let fits = |(dim, &size): (&Dim, &usize)| dim.size().is_none_or(|known| known == size);
                assert_eq!(shape.len(), result.shape().len(), "{}", operator.name());
                assert!(shape.iter().zip(result.shape()).all(fits), "{}: {fact:?} {result:?}", operator.name());
            }
            assert!(fact.value.as_ref().is_none_or(|value| value == result), "{}", operator.name());
            with_element!(result.dtype(), T => assert!(result.get::<T>().is_some()));
        }
    }
}
