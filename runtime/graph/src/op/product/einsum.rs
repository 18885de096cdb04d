//! Einsum: sums of products over named indices.

mod contraction; // operands, joined one after the other
mod equation; // what the text says

use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{dims, float_result, floats, needed, same_type};
use crate::{Cost, Cpu, DType, Dim, Fact, OpError, Tensor};
use contraction::Contraction;
use equation::{Equation, Label};

use super::scalar::with_scalar;

/// Einsum. Operands are joined from left to right. Of each, an index that nobody else has is summed first (a reduction
/// of docs/numerics.md, over such indices in the order in which they stand); two operands are joined by one chain over
/// the indices that neither the result nor a later operand has, in the order in which the left one has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Einsum {
    equation: Equation,
}

impl Einsum {
    /// Reads Einsum.
    pub(super) fn read(source: &mut Source<'_>) -> Result<Self, OpError> {
        let equation = source.text("equation")?.ok_or_else(|| OpError::new("it has no equation"))?;
        Self::new(&equation)
    }

    /// The operator of an equation, as numpy.einsum writes them.
    ///
    /// # Errors
    /// If it is no equation.
    pub fn new(equation: &str) -> Result<Self, OpError> {
        Ok(Self { equation: Equation::parse(equation)? })
    }

    fn operands<'a, T>(&self, inputs: &[Option<&'a T>]) -> Result<Vec<&'a T>, OpError> {
        let expected = self.equation.operands();
        if inputs.len() != expected {
            return Err(OpError::new(format!("{} operands are not the {expected} of its equation", inputs.len())));
        }
        (0..expected).map(|index| needed(inputs, index, "of its equation")).collect()
    }

    /// How operands of these shapes are joined; none while sizes are unknown.
    fn contraction(&self, facts: &[&Fact]) -> Result<Option<Contraction>, OpError> {
        let sizes: Option<Vec<Vec<usize>>> = facts.iter().map(|fact| fact.sizes()).collect();
        let Some(sizes) = sizes else { return Ok(None) };
        let ranks: Vec<usize> = sizes.iter().map(Vec::len).collect();
        let (labels, result) = self.equation.labels(&ranks)?;
        Ok(Some(Contraction::new(labels.into_iter().zip(sizes).collect(), result)?))
    }

    /// The result's dimensions, as far as they follow from those of operands whose ranks are known.
    fn known_dims(&self, facts: &[&Fact]) -> Result<Option<Vec<Dim>>, OpError> {
        let shapes: Option<Vec<&Vec<Dim>>> = facts.iter().map(|fact| fact.shape.as_ref()).collect();
        let Some(shapes) = shapes else { return Ok(None) };
        let ranks: Vec<usize> = shapes.iter().map(|shape| shape.len()).collect();
        let (labels, result) = self.equation.labels(&ranks)?;
        let dim = |label: &Label| {
            let operands = labels.iter().zip(&shapes);
            let all = operands.flat_map(|(labels, shape)| labels.iter().zip(shape.iter()));
            let own: Vec<&Dim> = all.filter(|(other, _)| *other == label).map(|(_, dim)| dim).collect();
            // A size of one may still be broadcast.
            let counts = own.iter().find(|dim| dim.size().is_some_and(|size| size != 1));
            match (counts, &own[..]) {
                (Some(dim), _) => (*dim).clone(),
                (None, [first, rest @ ..]) if rest.iter().all(|dim| dim == first) => (*first).clone(),
                _ => Dim::Unknown,
            }
        };
        Ok(Some(result.iter().map(dim).collect()))
    }
}

impl Operation for Einsum {
    fn name(&self) -> &'static str {
        "Einsum"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let facts = self.operands(inputs)?;
        let dtype = facts[0].dtype;
        facts.iter().try_for_each(|fact| same_type(facts[0], fact))?;
        let computed = matches!(dtype, DType::F32 | DType::F16 | DType::Bf16);
        if !computed && with_scalar!(dtype, T => size_of::<T>()).is_none() {
            return Err(OpError::unsupported(format!("Einsum of {dtype}")));
        }
        if let Some(contraction) = self.contraction(&facts)? {
            return Ok(vec![Fact::new(dtype, dims(&contraction.result()))]);
        }
        let shape = self.known_dims(&facts)?;
        Ok(vec![Fact { dtype, shape, value: None }])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let facts: Vec<&Fact> = inputs.iter().flatten().copied().collect();
        let multiply_adds = match self.contraction(&facts) {
            Ok(Some(contraction)) => contraction.multiply_adds(),
            _ => 0,
        };
        let all = inputs.iter().flatten().map(|fact| fact.elements()).chain(outputs.iter().map(Fact::elements));
        Cost { multiply_adds, elements: all.fold(0, u64::saturating_add) }
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let operands = self.operands(inputs)?;
        let facts: Vec<_> = operands.iter().map(|tensor| Fact::of(tensor)).collect();
        let contraction = self.contraction(&facts.iter().collect::<Vec<_>>())?;
        let contraction = contraction.ok_or_else(|| OpError::new("its operands have no shapes"))?;
        let (dtype, shape) = (operands[0].dtype(), contraction.result());
        let scalar = with_scalar!(dtype, T => {
            let values = operands.iter().map(|tensor| tensor.slice::<T>().map(Into::into)).collect::<Result<Vec<_>, _>>()?;
            let mut result = cpu.allocate(dtype, &shape)?;
            result.slice_mut::<T>().copy_from_slice(&contraction.compute(cpu, values)?);
            result.freeze()
        });
        if let Some(result) = scalar {
            return Ok(vec![result]);
        }
        let values = operands.iter().map(|tensor| floats(tensor)).collect::<Result<Vec<_>, _>>()?;
        let result = contraction.compute::<f32>(cpu, values)?;
        Ok(vec![float_result(cpu, dtype, &shape, |out| {
            out.copy_from_slice(&result);
            Ok(())
        })?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::product::Product;
    use crate::op::product::trial::{noise, result};

    fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor, OpError> {
        result(Product::Einsum(Einsum::new(equation)?), operands)
    }

    #[test]
    fn equations_mean_what_numpy_says() {
        let a = Tensor::new(&[2, 3], &[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let b = Tensor::new(&[3, 2], &[1f32, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let square = Tensor::new(&[2, 2], &[1f32, 2.0, 3.0, 4.0]);
        for (equation, operands, shape, expected) in [
            ("ij,jk->ik", vec![&a, &b], vec![2, 2], vec![4f32, 5.0, 10.0, 11.0]),
            ("ij,jk", vec![&a, &b], vec![2, 2], vec![4.0, 5.0, 10.0, 11.0]),
            ("ij->ji", vec![&a], vec![3, 2], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
            ("ba", vec![&a], vec![3, 2], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
            ("ij->i", vec![&a], vec![2], vec![6.0, 15.0]),
            (" i j -> ", vec![&a], vec![], vec![21.0]),
            ("ii->i", vec![&square], vec![2], vec![1.0, 4.0]),
            ("ii", vec![&square], vec![], vec![5.0]),
            ("ij,ij->ij", vec![&square, &square], vec![2, 2], vec![1.0, 4.0, 9.0, 16.0]),
            ("ij,ij,ij->j", vec![&square, &square, &square], vec![2], vec![28.0, 72.0]),
            (
                "i...,j->...j",
                vec![&square, &Tensor::new(&[3], &[1f32, 2.0, 3.0])],
                vec![2, 3],
                vec![4.0, 8.0, 12.0, 6.0, 12.0, 18.0],
            ),
            (
                "...ij,jk->...k",
                vec![&Tensor::new(&[1, 2, 3], &[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]), &b],
                vec![1, 2],
                vec![14.0, 16.0],
            ),
            ("ij,kj->ik", vec![&a, &Tensor::new(&[2, 1], &[1f32, 10.0])], vec![2, 2], vec![6.0, 60.0, 15.0, 150.0]),
        ] {
            assert_eq!(einsum(equation, &operands).unwrap(), Tensor::new(&shape, &expected), "{equation}");
        }
    }

    #[test]
    fn a_product_is_the_chain_of_matmul() {
        let (left, right) = (noise(&[4, 3, 50], 1), noise(&[50, 4, 7], 2));
        let found = einsum("bik,kbj->bij", &[&left, &right]).unwrap();
        let turned = einsum("kbj->bkj", &[&right]).unwrap();
        let product = result(Product::MatMul(super::super::MatMul::default()), &[&left, &turned]).unwrap();
        assert_eq!(found, product);
    }

    #[test]
    fn nonsense_is_refused() {
        let a = noise(&[2, 3], 1);
        for equation in ["ij->k", "ij->ii", "i", "ijk->i", "i1->i", "ij,ij->ij", "ij->i->j", "i.j->i", "......->"] {
            assert!(einsum(equation, &[&a]).is_err(), "{equation}");
        }
        assert!(einsum("ij,jk->ik", &[&a, &a]).is_err(), "sizes");
        let wide = Tensor::new(&[1 << 14, 1], &vec![1f32; 1 << 14]);
        let between = einsum("ia,jb,ij->ab", &[&wide, &wide, &noise(&[1 << 14, 1], 1)]);
        assert!(between.is_err() || between.unwrap().shape() == [1, 1], "what lies between is bounded");
    }
}
