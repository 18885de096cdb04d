//! MatMul and Gemm: chains of fused steps over k, with what may follow them while they are in the cache.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use poai_numerics::{Binary, Epilogue, Following, Matrices, Packed, Strided, Unary};

use super::scalar::{Scalar, products, with_scalar};
use super::sizes::{Sizes, product_cost, product_fact};
use crate::onnx::Source;
use crate::op::movement::turned::Turned;
use crate::op::operand::{broadcast, float_result, floats, given, needed, same_type, strides};
use crate::op::{Leading, Operation};
use crate::{Cost, Cpu, DType, Fact, Kernel, KernelError, OpError, Tensor};

/// `activation(alpha · (left · right) + beta · addend + residual)`, each step rounded as the operator of its own would.
///
/// Operands: left, right, addend (optional, broadcasts to the result), residual (optional, of the result's shape).
#[derive(Clone, Debug, PartialEq)]
pub struct MatMul {
    /// Which operator of ONNX it is.
    pub form: MatMulForm,
    /// Whether the last two dimensions of the left and of the right operand are the other way round.
    pub transposed: [bool; 2],
    /// Multiplies the product.
    pub alpha: f32,
    /// Multiplies the addend; an addend times 0 is not read.
    pub beta: f32,
    /// Applied last.
    pub activation: Option<Unary>,
}

/// Which operands a product takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatMulForm {
    /// Vectors, matrices and batches of them.
    MatMul,
    /// Matrices alone.
    Gemm,
}

impl Default for MatMul {
    /// The product alone.
    fn default() -> Self {
        Self { form: MatMulForm::MatMul, transposed: [false; 2], alpha: 1.0, beta: 1.0, activation: None }
    }
}

impl MatMul {
    /// Reads Gemm.
    pub(super) fn gemm(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self {
            form: MatMulForm::Gemm,
            transposed: [source.flag("transA")?, source.flag("transB")?],
            alpha: source.float("alpha")?.unwrap_or(1.0),
            beta: source.float("beta")?.unwrap_or(1.0),
            activation: None,
        })
    }

    /// Reads `com.microsoft.FusedMatMul`.
    pub(super) fn fused(source: &mut Source<'_>) -> Result<Self, OpError> {
        if source.flag("transBatchA")? || source.flag("transBatchB")? {
            return Err(OpError::unsupported("a batch that stands behind the rows"));
        }
        Ok(Self {
            transposed: [source.flag("transA")?, source.flag("transB")?],
            alpha: source.float("alpha")?.unwrap_or(1.0),
            ..Self::default()
        })
    }

    /// The addend that counts.
    fn addend<'a, T>(&self, inputs: &[Option<&'a T>]) -> Option<&'a T> {
        given(inputs, 2).filter(|_| self.beta != 0.0)
    }

    /// Errors of operands that are no Gemm's, or too much for one epilogue.
    fn check(&self, inputs: &[Option<&Fact>], result: &Fact) -> Result<(), OpError> {
        let ranks = [needed(inputs, 0, "A")?, needed(inputs, 1, "B")?].map(Fact::rank);
        if self.form == MatMulForm::Gemm && ranks.iter().flatten().any(|&rank| rank != 2) {
            return Err(OpError::new("its operands are no matrices"));
        }
        let others: Vec<_> = [2, 3].into_iter().filter_map(|index| given(inputs, index)).collect();
        others.iter().try_for_each(|other| same_type(result, other))?;
        let Some(sizes) = result.sizes() else { return Ok(()) };
        for shape in others.iter().filter_map(|other| other.sizes()) {
            if broadcast(&shape, &sizes)? != sizes {
                return Err(OpError::new(format!("an addend of shape {shape:?} does not broadcast to {sizes:?}")));
            }
        }
        let Some(residual) = given(inputs, 3).and_then(Fact::sizes) else { return Ok(()) };
        let addend = self.addend(inputs).and_then(Fact::sizes).unwrap_or_default();
        if residual != sizes || !is_row(&addend) {
            return Err(OpError::new("a residual has the result's shape, and follows only a bias along the columns"));
        }
        Ok(())
    }

    /// With its right operand packed, if that is constant; none if it is, and cannot be packed.
    pub(crate) fn leading(
        &self,
        cpu: &Cpu,
        constants: &[Option<&Tensor>],
    ) -> Result<Option<Box<dyn Leading>>, OpError> {
        if given(constants, 1).is_none() {
            return Ok(Some(Box::new(PlainMatMul { cpu: cpu.clone(), op: self.clone() })));
        }
        Ok(self.prepared(cpu, constants)?.map(|packed| Box::new(packed) as _))
    }

    fn prepared(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<PackedMatMul>, OpError> {
        let Some(right) = given(constants, 1) else { return Ok(None) };
        let one_matrix = !right.is_empty() && right.shape().iter().rev().skip(2).all(|&size| size == 1);
        if !one_matrix || right.shape().is_empty() || !matches!(right.dtype(), DType::F32 | DType::F16 | DType::Bf16) {
            return Ok(None);
        }
        let (shape, right) = (right.shape().to_vec(), packed(right, self.transposed[1])?);
        Ok(Some(PackedMatMul { cpu: cpu.clone(), op: self.clone(), right, shape }))
    }

    /// Computes the result of floats.
    fn compute(
        &self,
        cpu: &Cpu,
        inputs: &[Option<&Tensor>],
        right: &Right<'_>,
        following: Option<&Following<'_>>,
    ) -> Result<Tensor, OpError> {
        let left = needed(inputs, 0, "A")?;
        let sizes = Sizes::of(left.shape(), right.shape(), self.transposed)?;
        let added = self.added(cpu, inputs, &sizes)?;
        let epilogue = Epilogue { following, ..self.epilogue(&added) };
        let (shape, dtype) = (sizes.result(), left.dtype());
        float_result(cpu, dtype, &shape, |out| match right {
            Right::Packed(packed, _) => multiply_packed(cpu, &sizes.folded(), &floats(left)?, packed, &epilogue, out),
            Right::Plain(right) => {
                let (left, right) = (Lying::left(left, self.transposed[0])?, Lying::right(right)?);
                let sizes = sizes.lying([left.strides, right.strides]).folded();
                multiply(cpu, &sizes, &left.elements, &right.elements, &epilogue, out)
            }
        })
    }

    /// How the result of operands of f32 is computed, for whoever else multiplies to the same bits.
    ///
    /// # Errors
    /// If no such operands could be multiplied, or are of another type.
    pub fn multiplication<'a>(&self, cpu: &Cpu, inputs: &[Option<&'a Tensor>]) -> Result<Multiplication<'a>, OpError> {
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, 1, "B")?);
        let sizes = Sizes::of(left.shape(), right.shape(), self.transposed)?;
        let result = sizes.result();
        let (bias, term) = match self.addend(inputs) {
            Some(addend) if self.beta == 1.0 && addend.shape() == result && !is_row(addend.shape()) => {
                (None, Some(addend.clone()))
            }
            Some(addend) => match self.term(cpu, addend, &sizes)? {
                Term::Column(bias) => (Some(bias), None),
                Term::Element(term) => (None, Some(Tensor::new(&result, &term[..]))),
            },
            None => (None, None),
        };
        let residual = term.or_else(|| given(inputs, 3).cloned());
        let sizes = sizes.folded();
        let (left_starts, right_starts) = if result.contains(&0) { Default::default() } else { sizes.starts() };
        Ok(Multiplication {
            result,
            shape: [sizes.rows, sizes.depth, sizes.columns],
            strides: [sizes.left_strides(), sizes.right_strides()].map(<[usize; 2]>::from),
            starts: left_starts.into_iter().zip(right_starts).map(<[usize; 2]>::from).collect(),
            scale: (self.alpha != 1.0).then_some(self.alpha),
            bias,
            residual,
            activation: self.activation,
        })
    }

    /// What is added to the product.
    fn added<'a>(&self, cpu: &Cpu, inputs: &[Option<&'a Tensor>], sizes: &Sizes) -> Result<Added<'a>, OpError> {
        let addend = self.addend(inputs).map(|addend| self.term(cpu, addend, sizes)).transpose()?;
        Ok(Added { addend, residual: given(inputs, 3).map(floats).transpose()? })
    }

    /// What follows the product.
    fn epilogue<'a>(&self, added: &'a Added<'_>) -> Epilogue<'a> {
        let residual = added.residual.as_deref();
        let (bias, residual) = match &added.addend {
            Some(Term::Column(bias)) => (Some(&bias[..]), residual),
            Some(Term::Element(term)) => (None, Some(&term[..])),
            None => (None, residual),
        };
        let scale = (self.alpha != 1.0).then_some(self.alpha);
        Epilogue { scale, bias, residual, activation: self.activation, following: None }
    }

    /// The addend as it is added. Multiplying it flushes what adding it would flush anyway.
    fn term<'a>(&self, cpu: &Cpu, addend: &'a Tensor, sizes: &Sizes) -> Result<Term<'a>, OpError> {
        let (result, own) = (sizes.result(), addend.shape());
        let by_column = is_row(own) && sizes.has_columns();
        let (shape, own) = if by_column {
            (&result[result.len() - 1..], &own[own.len().saturating_sub(1)..])
        } else {
            (&result[..], own)
        };
        let count = shape.iter().product();
        let mut values = floats(addend)?;
        if self.beta != 1.0 || values.len() != count {
            let mut scaled = vec![0.0; count];
            let term = Strided { data: &values, strides: &broadcast_strides(own, shape) };
            let beta = Strided { data: &[self.beta], strides: &vec![0; shape.len()] };
            cpu.processor().binary(Binary::Mul, shape, term, beta, &mut scaled)?;
            values = Cow::Owned(scaled);
        }
        Ok(if by_column { Term::Column(values) } else { Term::Element(values) })
    }

    /// The result in a type that no kernel has.
    fn scalar<T: Scalar>(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Tensor, OpError> {
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, 1, "B")?);
        let sizes = &Sizes::of(left.shape(), right.shape(), self.transposed)?;
        let mut result = cpu.allocate(left.dtype(), &sizes.result())?;
        let out = result.slice_mut::<T>();
        products(sizes, left.slice()?, right.slice()?, out);
        let scaled = |value: T, by: f32| {
            value.scaled(by).ok_or_else(|| OpError::unsupported(format!("{} times {by}", left.dtype())))
        };
        if self.alpha != 1.0 {
            for value in &mut *out {
                *value = scaled(*value, self.alpha)?;
            }
        }
        if let Some(addend) = self.addend(inputs) {
            let (values, shape) = (addend.slice::<T>()?, sizes.result());
            let steps = broadcast_strides(addend.shape(), &shape);
            let places = strides(&shape);
            for (index, value) in out.iter_mut().enumerate() {
                let along = (0..shape.len()).map(|axis| index / places[axis] % shape[axis] * steps[axis]);
                *value = value.plus(scaled(values[along.sum::<usize>()], self.beta)?);
            }
        }
        out.iter_mut().for_each(|value| *value = value.stored());
        Ok(result.freeze())
    }
}

/// The right operand: as it is, or packed before, with its shape.
enum Right<'a> {
    Plain(&'a Tensor),
    Packed(&'a Packed, &'a [usize]),
}

impl Right<'_> {
    fn shape(&self) -> &[usize] {
        match self {
            Self::Plain(tensor) => tensor.shape(),
            Self::Packed(_, shape) => shape,
        }
    }
}

/// A product of matrices of f32, as it is to be computed.
pub struct Multiplication<'a> {
    /// The result's shape.
    pub result: Vec<usize>,
    /// Rows, depth and columns of each product.
    pub shape: [usize; 3],
    /// Of left and right: elements from row to row, and from column to column.
    pub strides: [[usize; 2]; 2],
    /// Where the left and the right matrix of each product begin.
    pub starts: Vec<[usize; 2]>,
    /// Multiplies everything.
    pub scale: Option<f32>,
    /// Added, a number for each column.
    pub bias: Option<Cow<'a, [f32]>>,
    /// Added, a number for each element.
    pub residual: Option<Tensor>,
    /// Comes last.
    pub activation: Option<Unary>,
}

/// What is added to a product: the addend, and the residual.
struct Added<'a> {
    addend: Option<Term<'a>>,
    residual: Option<Cow<'a, [f32]>>,
}

/// An addend: a number for each column, or one for each element.
enum Term<'a> {
    Column(Cow<'a, [f32]>),
    Element(Cow<'a, [f32]>),
}

/// Whether a shape has no dimensions but the last that count.
fn is_row(shape: &[usize]) -> bool {
    shape.iter().rev().skip(1).all(|&size| size == 1)
}

/// A step for each dimension of a result: 0 where this shape repeats.
fn broadcast_strides(own: &[usize], shape: &[usize]) -> Vec<usize> {
    let steps = own.iter().zip(strides(own)).map(|(&size, stride)| if size == 1 { 0 } else { stride });
    std::iter::repeat_n(0, shape.len() - own.len()).chain(steps).collect()
}

/// The elements of a product's operand.
struct Lying<'a> {
    elements: Cow<'a, [f32]>,
    /// The step along each of its dimensions, if they do not lie row by row.
    strides: Option<Vec<usize>>,
}

impl<'a> Lying<'a> {
    fn left(operand: &'a Tensor, transposed: bool) -> Result<Self, OpError> {
        // Where the depth is not contiguous, copying rows again and again would take longer than laying all out.
        let depth = if transposed { 2 } else { 1 };
        Self::of(operand, |strides| strides[strides.len() - depth] == 1)
    }

    fn right(operand: &'a Tensor) -> Result<Self, OpError> {
        Self::of(operand, |_| true)
    }

    /// In row order if `serves` says that the strides do not.
    fn of(operand: &'a Tensor, serves: impl Fn(&[usize]) -> bool) -> Result<Self, OpError> {
        let turned = Turned::of(operand).map(|turned| (turned.source(), turned.strides()));
        match turned.filter(|(_, strides)| serves(strides)) {
            Some((source, strides)) => Ok(Self { elements: floats(source)?, strides: Some(strides) }),
            None => Ok(Self { elements: floats(operand)?, strides: None }),
        }
    }
}

fn multiply_packed(
    cpu: &Cpu,
    sizes: &Sizes,
    left: &[f32],
    right: &Packed,
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) -> Result<(), OpError> {
    if out.is_empty() {
        return Ok(());
    }
    let (row_stride, column_stride) = sizes.left_strides();
    let left = Matrices { data: left, starts: &sizes.starts().0, row_stride, column_stride };
    Ok(cpu.processor().matmul_packed(sizes.rows, left, right, epilogue, out)?)
}

fn multiply(
    cpu: &Cpu,
    sizes: &Sizes,
    left: &[f32],
    right: &[f32],
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) -> Result<(), OpError> {
    if out.is_empty() {
        return Ok(());
    }
    let (left_starts, right_starts) = sizes.starts();
    let (left, right) = sizes.matrices([left, right], [&left_starts, &right_starts]);
    Ok(cpu.processor().matmul([sizes.rows, sizes.depth, sizes.columns], left, right, epilogue, out)?)
}

impl Operation for MatMul {
    fn name(&self) -> &'static str {
        match self.form {
            MatMulForm::MatMul => "MatMul",
            MatMulForm::Gemm => "Gemm",
        }
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, 1, "B")?);
        same_type(left, right)?;
        let plain = *self == Self { form: self.form, transposed: self.transposed, ..Self::default() };
        match left.dtype {
            DType::F32 | DType::F16 | DType::Bf16 => {}
            DType::F64 if self.activation.is_none() && given(inputs, 3).is_none() => {}
            DType::I32 | DType::I64 | DType::U32 | DType::U64 if plain => {}
            other => return Err(OpError::unsupported(format!("{} of {other}", self.name()))),
        }
        let result = product_fact(left.dtype, left, right, self.transposed)?;
        self.check(inputs, &result)?;
        Ok(vec![result])
    }

    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        given(inputs, 0).map_or(Cost::default(), |left| product_cost(left, self.transposed[0], outputs))
    }

    fn prepare(&self, cpu: &Cpu, constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        Ok(self.prepared(cpu, constants)?.map(|packed| Box::new(packed) as _))
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, 1, "B")?);
        if let Some(result) = with_scalar!(left.dtype(), T => self.scalar::<T>(cpu, inputs)) {
            return Ok(vec![result?]);
        }
        Ok(vec![self.compute(cpu, inputs, &Right::Plain(right), None)?])
    }
}

/// Packs the one matrix, or vector, that a right operand is.
fn packed(right: &Tensor, transposed: bool) -> Result<Packed, OpError> {
    let (depth, columns) = match *right.shape() {
        [depth] => (depth, 1),
        [.., columns, depth] if transposed => (depth, columns),
        [.., depth, columns] => (depth, columns),
        [] => return Err(OpError::new("a product's operand needs at least one dimension")),
    };
    let values = floats(right)?;
    let (row_stride, column_stride) = if transposed && right.shape().len() > 1 { (1, depth) } else { (columns, 1) };
    Ok(Packed::new(depth, columns, Matrices { data: &values, starts: &[0], row_stride, column_stride })?)
}

/// A product whose right operand is constant, and packed.
struct PackedMatMul {
    cpu: Cpu,
    op: MatMul,
    right: Packed,
    shape: Vec<usize>,
}

impl Kernel for PackedMatMul {
    fn run(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, KernelError> {
        Ok(vec![self.lead(inputs, None)?])
    }

    fn needs_constant(&self, operand: usize) -> bool {
        operand != 1
    }
}

impl Leading for PackedMatMul {
    fn shape(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<usize>, OpError> {
        Ok(Sizes::of(needed(inputs, 0, "A")?.shape(), &self.shape, self.op.transposed)?.result())
    }

    fn lead(&self, inputs: &[Option<&Tensor>], following: Option<&Following<'_>>) -> Result<Tensor, OpError> {
        self.op.compute(&self.cpu, inputs, &Right::Packed(&self.right, &self.shape), following)
    }
}

/// A product of two operands that are computed.
struct PlainMatMul {
    cpu: Cpu,
    op: MatMul,
}

impl Leading for PlainMatMul {
    fn shape(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<usize>, OpError> {
        let (left, right) = (needed(inputs, 0, "A")?, needed(inputs, 1, "B")?);
        Ok(Sizes::of(left.shape(), right.shape(), self.op.transposed)?.result())
    }

    fn lead(&self, inputs: &[Option<&Tensor>], following: Option<&Following<'_>>) -> Result<Tensor, OpError> {
        self.op.compute(&self.cpu, inputs, &Right::Plain(needed(inputs, 1, "B")?), following)
    }
}
