//! The same elements in another shape: Reshape, Flatten, Squeeze, Unsqueeze, Identity. Nothing is copied.

use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{axes, axis, dims, given, needed, product, row};
use crate::{Cost, Cpu, Dim, Fact, OpError, Tensor};

/// The product of dimensions, as far as it is known.
fn joined(dims: &[Dim]) -> Result<Dim, OpError> {
    let mut others = dims.iter().filter(|dim| **dim != Dim::Size(1));
    if let (Some(only), None) = (others.next(), others.next()) {
        return Ok(only.clone());
    }
    let sizes: Option<Vec<usize>> = dims.iter().map(Dim::size).collect();
    sizes.map_or(Ok(Dim::Unknown), |sizes| Ok(Dim::Size(product(&sizes)?)))
}

/// The fact of a value whose elements are those of `data` in the shape `shape`.
fn view(data: &Fact, shape: Vec<Dim>) -> Result<Vec<Fact>, OpError> {
    let mut fact = Fact::new(data.dtype, shape);
    if let (Some(value), Some(sizes)) = (&data.value, fact.sizes()) {
        fact.value = Some(value.reshaped(&sizes)?);
    }
    Ok(vec![fact])
}

/// Runs an operator of this file: the shape that it infers is all that it computes.
fn run_view(operator: &impl Operation, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
    let data = needed(inputs, 0, "data")?;
    let facts: Vec<_> = inputs.iter().map(|input| input.map(Fact::of)).collect();
    let facts: Vec<_> = facts.iter().map(Option::as_ref).collect();
    let sizes = operator.infer(&facts)?.first().and_then(Fact::sizes);
    let sizes = sizes.ok_or_else(|| OpError::new("the shape of its result is unknown"))?;
    Ok(vec![data.reshaped(&sizes)?])
}

macro_rules! view_operation {
    ($name:ident) => {
        impl Operation for $name {
            fn name(&self) -> &'static str {
                stringify!($name)
            }

            fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
                self.shaped(inputs)
            }

            fn cost(&self, _inputs: &[Option<&Fact>], _outputs: &[Fact]) -> Cost {
                Cost::default()
            }

            fn run(&self, _cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
                run_view(self, inputs)
            }
        }
    };
}

view_operation!(Reshape);
view_operation!(Flatten);
view_operation!(Squeeze);
view_operation!(Unsqueeze);
view_operation!(Identity);

/// Operands: data, shape. A size of -1 is what the others leave; 0 copies the operand's dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// Whether 0 means an empty dimension instead.
    pub allow_zero: bool,
}

impl Reshape {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { allow_zero: source.flag("allowzero")? })
    }

    fn shaped(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let shape = needed(inputs, 1, "shape")?;
        let Some(value) = &shape.value else {
            let rank = shape.sizes().and_then(|sizes| sizes.first().copied());
            let unknown =
                rank.map_or(Fact::of_type(data.dtype), |rank| Fact::new(data.dtype, vec![Dim::Unknown; rank]));
            return Ok(vec![unknown]);
        };
        view(data, self.target(data.shape.as_deref(), &row(value)?)?)
    }

    /// The dimensions that `wanted` asks for. Dimensions that are copied count neither among those of the operand nor
    /// among the wanted ones when the one that is left is computed, so that an empty batch has a shape too.
    fn target(&self, data: Option<&[Dim]>, wanted: &[i64]) -> Result<Vec<Dim>, OpError> {
        let mut target = Vec::with_capacity(wanted.len());
        let mut left = None;
        let mut sizes = Vec::new();
        let mut kept: Vec<bool> = vec![false; data.map_or(0, <[Dim]>::len)];
        for (place, &size) in wanted.iter().enumerate() {
            target.push(match size {
                0 if !self.allow_zero => copied(data, place, &mut kept)?,
                -1 if left.is_some() => return Err(OpError::new(format!("shape {wanted:?} leaves two sizes open"))),
                -1 => {
                    left = Some(place);
                    Dim::Unknown
                }
                _ => {
                    let size = usize::try_from(size);
                    let size = size.map_err(|_| OpError::new(format!("shape {wanted:?} has a negative size")))?;
                    sizes.push(size);
                    Dim::Size(size)
                }
            });
        }
        let Some(data) = data else { return Ok(target) };
        let others = data.iter().zip(kept).filter(|(_, kept)| !kept).map(|(dim, _)| dim.clone());
        let others = joined(&others.collect::<Vec<_>>())?;
        let known = product(&sizes)?;
        let misfit = || OpError::new(format!("{} elements cannot take shape {wanted:?}", text(data)));
        match (left, others) {
            (Some(place), Dim::Size(others)) => {
                let fits = known != 0 && others.is_multiple_of(known);
                target[place] = Dim::Size(if fits { others / known } else { return Err(misfit()) });
            }
            (Some(place), others) if known == 1 => target[place] = others,
            (None, Dim::Size(others)) if others != known => return Err(misfit()),
            _ => {}
        }
        Ok(target)
    }
}

/// Dimension `place` of the operand, marked as kept.
fn copied(data: Option<&[Dim]>, place: usize, kept: &mut [bool]) -> Result<Dim, OpError> {
    let Some(data) = data else { return Ok(Dim::Unknown) };
    let dim = data.get(place);
    let dim = dim.ok_or_else(|| OpError::new(format!("dimension {place} is copied, and there are {}", data.len())))?;
    kept[place] = true;
    Ok(dim.clone())
}

fn text(dims: &[Dim]) -> String {
    let dims: Vec<String> = dims.iter().map(Dim::to_string).collect();
    format!("[{}]", dims.join(", "))
}

/// The operand as a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Flatten {
    /// The first axis that goes into the columns.
    pub axis: i64,
}

impl Flatten {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self { axis: source.int("axis")?.unwrap_or(1) })
    }

    fn shaped(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let Some(shape) = &data.shape else {
            return Ok(vec![Fact::new(data.dtype, [Dim::Unknown, Dim::Unknown])]);
        };
        // The axis may also be the rank: all dimensions go into the rows.
        let end = self.axis == shape.len() as i64;
        let (rows, columns) = shape.split_at(if end { shape.len() } else { axis(self.axis, shape.len())? });
        view(data, vec![joined(rows)?, joined(columns)?])
    }
}

/// Operands: data, and the axes to leave out, all of one element if not given.
#[derive(Clone, Debug, PartialEq)]
pub struct Squeeze;

impl Squeeze {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        axes_as_operand(source)?;
        Ok(Self)
    }

    fn shaped(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let unknown = Ok(vec![Fact::of_type(data.dtype)]);
        let Some(shape) = &data.shape else { return unknown };
        let Some(operand) = given(inputs, 1) else {
            let Some(sizes) = data.sizes() else { return unknown };
            let kept: Vec<usize> = sizes.into_iter().filter(|&size| size != 1).collect();
            return view(data, dims(&kept));
        };
        let Some(value) = &operand.value else { return unknown };
        let left_out = axes(&row(value)?, shape.len())?;
        if let Some((axis, size)) =
            left_out.iter().find_map(|&axis| Some((axis, shape[axis].size()?)).filter(|x| x.1 != 1))
        {
            return Err(OpError::new(format!("axis {axis} is left out, and has {size} elements")));
        }
        let kept = shape.iter().enumerate().filter(|(axis, _)| !left_out.contains(axis));
        view(data, kept.map(|(_, dim)| dim.clone()).collect())
    }
}

/// Operands: data, and the axes of one element that the result has besides.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsqueeze;

impl Unsqueeze {
    pub(super) fn import(source: &mut Source<'_>) -> Result<Self, OpError> {
        axes_as_operand(source)?;
        Ok(Self)
    }

    fn shaped(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let data = needed(inputs, 0, "data")?;
        let operand = needed(inputs, 1, "axes")?;
        let Some(shape) = &data.shape else { return Ok(vec![Fact::of_type(data.dtype)]) };
        let Some(value) = &operand.value else {
            let count = operand.sizes().map(|sizes| sizes.first().copied().unwrap_or(1));
            let rank = count.and_then(|count| count.checked_add(shape.len()));
            let unknown = |rank| Fact::new(data.dtype, vec![Dim::Unknown; rank]);
            return Ok(vec![rank.map_or(Fact::of_type(data.dtype), unknown)]);
        };
        let given = row(value)?;
        let put_in = axes(&given, given.len() + shape.len())?;
        let mut rest = shape.iter().cloned();
        let dim = |axis| if put_in.contains(&axis) { Some(Dim::Size(1)) } else { rest.next() };
        view(data, (0..put_in.len() + shape.len()).filter_map(dim).collect())
    }
}

/// What it is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity;

impl Identity {
    pub(super) fn import(_source: &mut Source<'_>) -> Result<Self, OpError> {
        Ok(Self)
    }

    fn shaped(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        Ok(vec![needed(inputs, 0, "data")?.clone()])
    }
}

/// Before operator set 13 the axes were an attribute.
fn axes_as_operand(source: &mut Source<'_>) -> Result<(), OpError> {
    if let Some(axes) = source.ints("axes")? {
        source.set_input(1, Tensor::new(&[axes.len()], &axes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn named(name: &str) -> Dim {
        Dim::Named(name.into())
    }

    fn whole(values: &[i64]) -> Fact {
        Fact::of(&Tensor::new(&[values.len()], values))
    }

    fn shape(operator: &impl Operation, data: &[Dim], operand: Option<&[i64]>) -> Result<Option<Vec<Dim>>, OpError> {
        let data = Fact::new(DType::F32, data.iter().cloned());
        let operand = operand.map(whole);
        Ok(operator.infer(&[Some(&data), operand.as_ref()])?.remove(0).shape)
    }

    #[test]
    fn reshape_finds_the_size_that_is_left() {
        let reshape = Reshape { allow_zero: false };
        let batch = [named("batch"), 128.into(), 768.into()];
        for (data, wanted, expected) in [
            (dims(&[2, 3, 4]), vec![-1, 2], dims(&[12, 2])),
            (dims(&[2, 3, 4]), vec![0, -1], dims(&[2, 12])),
            (dims(&[0, 3, 4]), vec![0, -1], dims(&[0, 12])),
            (dims(&[]), vec![1, 1], dims(&[1, 1])),
            (dims(&[1]), vec![], dims(&[])),
            (batch.to_vec(), vec![0, 0, 12, -1], vec![named("batch"), 128.into(), 12.into(), 64.into()]),
            (vec![named("batch"), 1.into()], vec![-1], vec![named("batch")]),
            (batch.to_vec(), vec![-1, 768], vec![Dim::Unknown, 768.into()]),
        ] {
            assert_eq!(shape(&reshape, &data, Some(&wanted)), Ok(Some(expected)), "{data:?} {wanted:?}");
        }
        for wanted in [vec![5, -1], vec![7], vec![-1, -1], vec![-2, 12], vec![1, 2, 3, 0], vec![i64::MAX, i64::MAX]] {
            assert!(shape(&reshape, &dims(&[2, 3, 4]), Some(&wanted)).is_err(), "{wanted:?}");
        }
        let zero = Reshape { allow_zero: true };
        assert_eq!(shape(&zero, &dims(&[0, 10]), Some(&[3, 0])), Ok(Some(dims(&[3, 0]))));
        assert!(shape(&zero, &dims(&[0, 10]), Some(&[0, -1])).is_err());
    }

    #[test]
    fn other_views_change_the_axes_that_they_say() {
        let data = [2.into(), 1.into(), named("n"), 1.into()];
        assert_eq!(shape(&Squeeze, &data, Some(&[-1])), Ok(Some(data[..3].to_vec())));
        assert_eq!(shape(&Squeeze, &dims(&[2, 1, 1]), None), Ok(Some(dims(&[2]))));
        assert_eq!(shape(&Squeeze, &data, None), Ok(None));
        assert!(shape(&Squeeze, &data, Some(&[0])).is_err());
        assert_eq!(shape(&Unsqueeze, &dims(&[3, 4]), Some(&[-1, 0])), Ok(Some(dims(&[1, 3, 4, 1]))));
        assert!(shape(&Unsqueeze, &dims(&[3]), Some(&[3])).is_err());
        assert_eq!(shape(&Flatten { axis: 0 }, &dims(&[2, 3]), None), Ok(Some(dims(&[1, 6]))));
        assert_eq!(shape(&Flatten { axis: 2 }, &dims(&[2, 3]), None), Ok(Some(dims(&[6, 1]))));
        assert_eq!(shape(&Flatten { axis: -1 }, &dims(&[2, 3, 4]), None), Ok(Some(dims(&[6, 4]))));
    }

    #[test]
    fn views_share_elements_and_carry_known_values() {
        let cpu = Cpu::new(poai_numerics::Kernels::Scalar, 1).unwrap();
        let data = Tensor::new(&[2, 3], &[1i64, 2, 3, 4, 5, 6]);
        let shape = Tensor::new(&[1], &[-1i64]);
        let reshape = Reshape { allow_zero: false };
        let results = reshape.run(&cpu, &[Some(&data), Some(&shape)]).unwrap();
        assert_eq!(results[0].shape(), [6]);
        assert_eq!(results[0].bytes().as_ptr(), data.bytes().as_ptr());
        let inferred = reshape.infer(&[Some(&Fact::of(&data)), Some(&Fact::of(&shape))]).unwrap();
        assert_eq!(inferred[0].value, Some(results[0].clone()));
    }
}
