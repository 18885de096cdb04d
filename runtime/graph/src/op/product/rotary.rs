//! Rotary position embedding: pairs of elements, turned by an angle that a place has.

use poai_numerics::Binary;

use crate::onnx::Source;
use crate::op::Operation;
use crate::op::operand::{float_result, floats, given, integers, needed, same_type};
use crate::{Cpu, DType, Fact, OpError, Tensor};

/// RotaryEmbedding. Of a pair (a, b) and an angle: `cos·a - sin·b` and `sin·a + cos·b`, three roundings each.
///
/// Operands: X (batch, place, heads side by side) or (batch, head, place, element); cosines and sines, a row for each
/// place, half as long as what is turned; places (optional: rows are then (batch, place, element)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotary {
    /// Heads, where X has three dimensions; without, heads are twice as long as rows of angles.
    pub heads: Option<usize>,
    /// Whether pairs are neighbours; else the second half of a head is paired with the first.
    pub interleaved: bool,
    /// How many elements of a head are turned; all without.
    pub turned: Option<usize>,
    /// Whether places come before the angles, as com.microsoft has them.
    pub places_first: bool,
}

/// The sizes of a computation.
struct Extent {
    batch: usize,
    heads: usize,
    places: usize,
    width: usize,
    turned: usize,
    abreast: bool,
}

impl Rotary {
    /// Reads RotaryEmbedding, whose operands behind X ONNX and com.microsoft order differently.
    pub(super) fn read(source: &mut Source<'_>) -> Result<Self, OpError> {
        let positive = |number: Option<i64>| match number {
            None | Some(0) => Ok(None),
            Some(number) => {
                usize::try_from(number).map(Some).map_err(|_| OpError::new("a number of heads or elements is negative"))
            }
        };
        let places_first = source.qualified_operator().starts_with("com.microsoft.");
        if places_first
            && (source.flag("is_packed_batching")? || source.float("scale")?.is_some_and(|scale| scale != 1.0))
        {
            return Err(OpError::unsupported("packed batches, or a scale, of a rotary embedding"));
        }
        Ok(Self {
            places_first,
            heads: positive(source.int("num_heads")?)?,
            interleaved: source.flag("interleaved")?,
            turned: positive(source.int("rotary_embedding_dim")?)?,
        })
    }

    /// The sizes for an X of this shape, and rows of angles of this length, if it is known.
    fn extent(&self, shape: &[usize], half: Option<usize>) -> Result<Extent, OpError> {
        let wrong = || OpError::new(format!("shape {shape:?} has no {:?} heads for angles of {half:?}", self.heads));
        let (batch, heads, places, width, abreast) = match *shape {
            [batch, heads, places, width] => (batch, heads, places, width, false),
            [batch, places, all] => {
                let by_angles = || all.checked_div(half?.checked_mul(2)?);
                let heads = self.heads.or_else(by_angles).filter(|&heads| heads > 0 && all.is_multiple_of(heads));
                let heads = heads.ok_or_else(wrong)?;
                (batch, heads, places, all / heads, true)
            }
            _ => return Err(wrong()),
        };
        let turned = self.turned.unwrap_or(width);
        if turned > width || !turned.is_multiple_of(2) {
            return Err(OpError::new(format!("{turned} of {width} elements cannot be turned in pairs")));
        }
        Ok(Extent { batch, heads, places, width, turned, abreast })
    }

    /// Where cosines, sines and places stand among the operands.
    fn order(&self) -> [usize; 3] {
        if self.places_first { [2, 3, 1] } else { [1, 2, 3] }
    }

    /// The row of angles for each place of each item of the batch; all rows are there.
    fn rows(&self, inputs: &[Option<&Tensor>], extent: &Extent) -> Result<Vec<usize>, OpError> {
        let [cosines, sines, places] = self.order();
        let (cosines, sines) = (needed(inputs, cosines, "cos_cache")?, needed(inputs, sines, "sin_cache")?);
        let half = extent.turned / 2;
        let count = extent.batch * extent.places;
        if cosines.shape() != sines.shape() || cosines.shape().last() != Some(&half) {
            let (cosines, sines) = (cosines.shape(), sines.shape());
            return Err(OpError::new(format!("angles of shapes {cosines:?} and {sines:?} are not for {half} pairs")));
        }
        let available = cosines.shape()[..cosines.shape().len() - 1].iter().product::<usize>();
        let places = match given(inputs, places) {
            None if available == count => return Ok((0..count).collect()),
            None => return Err(OpError::new(format!("{available} rows of angles are not for {count} places"))),
            Some(places) => integers(places)?,
        };
        let row = |place: Option<i64>| {
            let row = place.and_then(|place| usize::try_from(place).ok()).filter(|&row| row < available);
            row.ok_or_else(|| OpError::new(format!("a place is not within the {available} rows of angles")))
        };
        match places[..] {
            // One place is that of the first element of a sequence.
            [first] => (0..count).map(|i| row(first.checked_add((i % extent.places) as i64))).collect(),
            _ if places.len() == count => places.iter().map(|&place| row(Some(place))).collect(),
            _ => Err(OpError::new(format!("{} places are not those of {count}", places.len()))),
        }
    }

    /// Turns the pairs of one head at one place.
    fn turn(&self, from: &[f32], cosines: &[f32], sines: &[f32], to: &mut [f32]) {
        let half = cosines.len();
        to[2 * half..].copy_from_slice(&from[2 * half..]);
        for (pair, (&cosine, &sine)) in cosines.iter().zip(sines).enumerate() {
            let (first, second) = if self.interleaved { (2 * pair, 2 * pair + 1) } else { (pair, half + pair) };
            let (a, b) = (from[first], from[second]);
            to[first] = Binary::Sub.of(Binary::Mul.of(cosine, a), Binary::Mul.of(sine, b));
            to[second] = Binary::Add.of(Binary::Mul.of(sine, a), Binary::Mul.of(cosine, b));
        }
    }
}

impl Operation for Rotary {
    fn name(&self) -> &'static str {
        "RotaryEmbedding"
    }

    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError> {
        let x = needed(inputs, 0, "X")?;
        if !matches!(x.dtype, DType::F32 | DType::F16 | DType::Bf16) {
            return Err(OpError::unsupported(format!("rotary embedding of {}", x.dtype)));
        }
        let [cosines, sines, _] = self.order();
        same_type(x, needed(inputs, cosines, "cos_cache")?)?;
        same_type(x, needed(inputs, sines, "sin_cache")?)?;
        let half = needed(inputs, cosines, "cos_cache")?.shape.as_ref().and_then(|shape| shape.last()?.size());
        if let (Some(sizes), Some(half)) = (x.sizes(), half) {
            self.extent(&sizes, Some(half))?;
        }
        Ok(vec![Fact { value: None, ..x.clone() }])
    }

    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError> {
        let x = needed(inputs, 0, "X")?;
        if x.is_empty() {
            return Ok(vec![x.clone()]);
        }
        let half = needed(inputs, self.order()[0], "cos_cache")?.shape().last().copied();
        let extent = self.extent(x.shape(), half)?;
        let rows = self.rows(inputs, &extent)?;
        let Extent { heads, places, width, turned, abreast, .. } = extent;
        let [cosines, sines, _] = self.order();
        let (cosines, sines) =
            (floats(needed(inputs, cosines, "cos_cache")?)?, floats(needed(inputs, sines, "sin_cache")?)?);
        let values = floats(x)?;
        let result = float_result(cpu, x.dtype(), x.shape(), |out| {
            let heads_of = values.chunks_exact(width).zip(out.chunks_exact_mut(width));
            for (index, (from, to)) in heads_of.enumerate() {
                // Heads side by side: (batch, place, head); else (batch, head, place).
                let row = if abreast { index / heads } else { index / (heads * places) * places + index % places };
                let angles = rows[row] * (turned / 2)..(rows[row] + 1) * (turned / 2);
                self.turn(from, &cosines[angles.clone()], &sines[angles], to);
            }
            Ok(())
        })?;
        Ok(vec![result])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::product::Product;
    use crate::op::product::trial::{result, values};

    #[test]
    fn pairs_are_turned_by_their_places() {
        // Place 0 turns nothing; place 1 turns the first pair by a right angle and doubles the second.
        let (cosines, sines) =
            (Tensor::new(&[2, 2], &[1f32, 1.0, 0.0, 2.0]), Tensor::new(&[2, 2], &[0f32, 0.0, 1.0, 0.0]));
        let x: Vec<f32> = (1..=12).map(|x| x as f32).collect();
        // Two heads of six elements, of which four are turned.
        let x = Tensor::new(&[1, 1, 12], &x);
        let rotary = |interleaved, place: i64| {
            let op = Rotary { heads: Some(2), interleaved, turned: Some(4), places_first: false };
            result(Product::Rotary(op), &[&x, &cosines, &sines, &Tensor::new(&[1, 1], &[place])])
        };
        assert_eq!(rotary(true, 0).unwrap(), x);
        let found = values(&rotary(true, 1).unwrap());
        assert_eq!(found, [-2.0, 1.0, 6.0, 8.0, 5.0, 6.0, -8.0, 7.0, 18.0, 20.0, 11.0, 12.0]);
        let found = values(&rotary(false, 1).unwrap());
        assert_eq!(found, [-3.0, 4.0, 1.0, 8.0, 5.0, 6.0, -9.0, 16.0, 7.0, 20.0, 11.0, 12.0]);
        for place in [2, -1, i64::MAX] {
            assert!(rotary(true, place).is_err(), "place {place}");
        }
    }
}
