//! Elements of a tensor, read with any step along each axis of a result: transposes, slices, repetitions.

use bytemuck::Pod;

use crate::op::operand::strides;
use crate::tensor::elements;
use crate::{Cpu, OpError, Tensor};

/// Runs an expression with `$T` as an unsigned integer of the width of a [`DType`](crate::DType)'s elements.
macro_rules! with_width {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype.bytes() {
            1 => {
                type $T = u8;
                $body
            }
            2 => {
                type $T = u16;
                $body
            }
            4 => {
                type $T = u32;
                $body
            }
            _ => {
                type $T = u64;
                $body
            }
        }
    };
}
pub(in crate::op) use with_width;

/// Side of the square of elements that a transpose moves at a time: its rows and columns stay in the first cache.
const TILE: usize = 16;

/// Elements below which a second thread is not worth waking.
const PIECE: usize = 1 << 14;

/// A way through the elements of a tensor: one axis for each of the result, and the step in elements along it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::op) struct Walk {
    start: isize,
    axes: Vec<Axis>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    size: usize,
    step: isize,
}

impl Walk {
    /// Row by row through a tensor of this shape.
    pub(in crate::op) fn over(shape: &[usize]) -> Self {
        let steps = strides(shape);
        let axes = shape.iter().zip(steps).map(|(&size, step)| Axis { size, step: step as isize }).collect();
        Self { start: 0, axes }
    }

    /// With axis `order[i]` as axis i.
    pub(in crate::op) fn permuted(mut self, order: &[usize]) -> Self {
        self.axes = order.iter().map(|&axis| self.axes[axis]).collect();
        self
    }

    /// Along `axis` only every `step`th of `size` elements from `start` on; all of them exist.
    pub(in crate::op) fn sliced(mut self, axis: usize, start: usize, step: isize, size: usize) -> Self {
        let Axis { size: old, step: unit } = self.axes[axis];
        debug_assert!(size == 0 || start < old, "a slice begins within its axis");
        self.start += start as isize * unit;
        // A single element needs no step, and the step of a slice can be beyond any memory.
        self.axes[axis] = Axis { size, step: if size > 1 { unit * step } else { 0 } };
        self
    }

    /// With an axis in front of `axis` that shows the same `size` times.
    pub(in crate::op) fn repeated(mut self, axis: usize, size: usize) -> Self {
        self.axes.insert(axis, Axis { size, step: 0 });
        self
    }

    /// With the one element of `axis` shown `size` times.
    pub(in crate::op) fn spread(mut self, axis: usize, size: usize) -> Self {
        debug_assert_eq!(self.axes[axis].size, 1, "only an axis of one element is spread");
        self.axes[axis] = Axis { size, step: 0 };
        self
    }

    /// Reads the elements in order. `to` has as many as the walk passes.
    pub(in crate::op) fn copy<T: Pod>(&self, from: &[T], to: &mut [T]) {
        if !to.is_empty() {
            copy_axes(&self.merged(), from, self.start, to);
        }
    }

    /// The elements in order, as a tensor of this shape.
    pub(in crate::op) fn read(&self, cpu: &Cpu, tensor: &Tensor, shape: &[usize]) -> Result<Tensor, OpError> {
        let sizes: Vec<usize> = self.axes.iter().map(|axis| axis.size).collect();
        if elements(&sizes) != elements(shape) {
            return Err(OpError::new(format!("elements of {sizes:?} are no result of shape {shape:?}")));
        }
        let steps = || self.axes.iter().map(|axis| (axis.size, axis.step)).collect::<Vec<_>>();
        if let Some(result) = tensor.walked(self.start, &steps(), shape) {
            return Ok(result);
        }
        // Nothing, or more than can be counted, which is refused here: sizes are not multiplied with each other.
        if elements(shape).is_none_or(|count| count == 0) {
            return Ok(cpu.allocate(tensor.dtype(), shape)?.freeze());
        }
        if self.passes_all(tensor.len()) {
            return tensor.reshaped(shape);
        }
        let mut result = cpu.allocate(tensor.dtype(), shape)?;
        with_width!(tensor.dtype(), T => {
            self.share::<T>(cpu, bytemuck::cast_slice(tensor.bytes()), bytemuck::cast_slice_mut(result.bytes_mut()));
        });
        Ok(result.freeze())
    }

    /// Whether it passes so many elements, all there are, as they lie in memory.
    fn passes_all(&self, elements: usize) -> bool {
        self.start == 0 && matches!(self.merged()[..], [Axis { size, step: 1 }] if size == elements)
    }

    /// The same as `copy`, parts of the outermost axis at once.
    fn share<T: Pod + Send + Sync>(&self, cpu: &Cpu, from: &[T], to: &mut [T]) {
        let axes = self.merged();
        let Some(&outermost) = axes.first() else { return self.copy(from, to) };
        let row = to.len() / outermost.size.max(1);
        cpu.processor().lines(to, row, PIECE, |first, to| {
            let mut axes = axes.clone();
            axes[0].size = to.len() / row;
            copy_axes(&axes, from, self.start + first as isize * outermost.step, to);
        });
    }

    /// The same walk with as few axes as possible: those of one element left out, and those merged that one step spans.
    fn merged(&self) -> Vec<Axis> {
        let mut merged: Vec<Axis> = Vec::with_capacity(self.axes.len());
        for &axis in self.axes.iter().filter(|axis| axis.size != 1) {
            match merged.last_mut() {
                Some(last) if last.step == axis.step * axis.size as isize => {
                    *last = Axis { size: last.size * axis.size, step: axis.step };
                }
                _ => merged.push(axis),
            }
        }
        merged
    }
}

fn copy_axes<T: Copy>(axes: &[Axis], from: &[T], start: isize, to: &mut [T]) {
    let Some((&last, outer)) = axes.split_last() else {
        to[0] = from[start as usize];
        return;
    };
    let across = outer.iter().rposition(|axis| axis.step == 1).filter(|_| last.step != 1 && last.step != 0);
    let Some(across) = across else {
        let rows = to.chunks_exact_mut(last.size);
        for (offset, row) in (Offsets::new(outer, start)).zip(rows) {
            copy_row(from, offset, last.step, row);
        }
        return;
    };
    // The axis that is contiguous in the operand and the one that is contiguous in the result: tile by tile.
    let mut apart = outer.to_vec();
    let column = apart.remove(across);
    let pitch: usize = axes[across + 1..].iter().map(|axis| axis.size).product();
    let places = result_steps(axes, across);
    for (offset, place) in Offsets::new(&apart, start).zip(Offsets::new(&places, 0)) {
        let to = &mut to[place as usize..];
        match (last.size, pitch, last.step > 0) {
            // The colours of an image, most often.
            (3, 3, true) => interleave::<T, 3>(from, offset as usize, last.step as usize, &mut to[..3 * column.size]),
            (4, 4, true) => interleave::<T, 4>(from, offset as usize, last.step as usize, &mut to[..4 * column.size]),
            _ => copy_tiles(from, offset, last, column.size, to, pitch),
        }
    }
}

/// The steps in the result of all axes but the last and `across`.
fn result_steps(axes: &[Axis], across: usize) -> Vec<Axis> {
    let sizes: Vec<usize> = axes.iter().map(|axis| axis.size).collect();
    let steps = strides(&sizes);
    let apart = (0..axes.len() - 1).filter(|&axis| axis != across);
    apart.map(|axis| Axis { size: sizes[axis], step: steps[axis] as isize }).collect()
}

fn copy_row<T: Copy>(from: &[T], offset: isize, step: isize, row: &mut [T]) {
    match step {
        1 => row.copy_from_slice(&from[offset as usize..][..row.len()]),
        0 => row.fill(from[offset as usize]),
        _ => {
            for (i, place) in row.iter_mut().enumerate() {
                *place = from[(offset + i as isize * step) as usize];
            }
        }
    }
}

/// `to[i · N + j] = from[offset + i + j · step]` for j below N.
fn interleave<T: Copy, const N: usize>(from: &[T], offset: usize, step: usize, to: &mut [T]) {
    let count = to.len() / N;
    let lines: [&[T]; N] = std::array::from_fn(|j| &from[offset + j * step..][..count]);
    let (to, _) = to.as_chunks_mut::<N>();
    for (i, to) in to.iter_mut().enumerate() {
        *to = std::array::from_fn(|j| lines[j][i]);
    }
}

/// `to[i · pitch + j] = from[offset + i + j · row.step]` for i below `columns` and j below `row.size`.
fn copy_tiles<T: Copy>(from: &[T], offset: isize, row: Axis, columns: usize, to: &mut [T], pitch: usize) {
    for i in (0..columns).step_by(TILE) {
        let height = TILE.min(columns - i);
        for j in (0..row.size).step_by(TILE) {
            let width = TILE.min(row.size - j);
            let mut tile = [[from[offset as usize]; TILE]; TILE];
            for (place, line) in tile[..width].iter_mut().enumerate() {
                let begin = (offset + i as isize + (j + place) as isize * row.step) as usize;
                line[..height].copy_from_slice(&from[begin..begin + height]);
            }
            for place in 0..height {
                let begin = (i + place) * pitch + j;
                let line = &mut to[begin..begin + width];
                for (to, line) in line.iter_mut().zip(&tile) {
                    *to = line[place];
                }
            }
        }
    }
}

/// The offsets of all indices along some axes, row by row.
struct Offsets<'a> {
    axes: &'a [Axis],
    index: Vec<usize>,
    next: Option<isize>,
}

impl<'a> Offsets<'a> {
    fn new(axes: &'a [Axis], start: isize) -> Self {
        Self { axes, index: vec![0; axes.len()], next: Some(start) }
    }
}

impl Iterator for Offsets<'_> {
    type Item = isize;

    fn next(&mut self) -> Option<isize> {
        let offset = self.next?;
        let mut following = offset;
        for (axis, index) in self.axes.iter().zip(&mut self.index).rev() {
            *index += 1;
            if *index < axis.size {
                self.next = Some(following + axis.step);
                return Some(offset);
            }
            following -= axis.step * (axis.size - 1) as isize;
            *index = 0;
        }
        self.next = None;
        Some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(walk: &Walk, count: usize, from: &[u16]) -> Vec<u16> {
        let mut to = vec![0; count];
        walk.copy(from, &mut to);
        to
    }

    #[test]
    fn steps_of_any_sign_and_none_are_followed() {
        let from: Vec<u16> = (0..12).collect();
        let matrix = Walk::over(&[3, 4]);
        assert_eq!(read(&matrix, 12, &from), from);
        assert_eq!(read(&matrix.clone().permuted(&[1, 0]), 12, &from), [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        assert_eq!(read(&matrix.clone().sliced(1, 3, -2, 2), 6, &from), [3, 1, 7, 5, 11, 9]);
        assert_eq!(read(&matrix.clone().sliced(0, 1, 1, 1).repeated(1, 2), 8, &from), [4, 5, 6, 7, 4, 5, 6, 7]);
        assert_eq!(
            read(&matrix.sliced(0, 2, -1, 3).repeated(2, 2), 24, &from)[..10],
            [8, 8, 9, 9, 10, 10, 11, 11, 4, 4]
        );
        assert_eq!(read(&Walk::over(&[]), 1, &[7]), [7]);
        assert_eq!(read(&Walk::over(&[3, 0]), 0, &[]), Vec::<u16>::new());
    }

    /// Tiles, their edges, colours and every order of four axes, against the definition by index.
    #[test]
    fn every_order_of_axes_moves_every_element() {
        [[3, 17, 2, 35], [2, 4, 5, 33]].iter().for_each(moves_every_element);
    }

    fn moves_every_element(shape: &[usize; 4]) {
        let from: Vec<u16> = (0..).take(shape.iter().product()).collect();
        let steps = strides(shape);
        for code in 0..256usize {
            let order = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6];
            if (0..4).any(|axis| !order.contains(&axis)) {
                continue;
            }
            let found = read(&Walk::over(shape).permuted(&order), from.len(), &from);
            let sizes = order.map(|axis| shape[axis]);
            for (place, value) in found.into_iter().enumerate() {
                let mut rest = place;
                let mut source = 0;
                for axis in (0..4).rev() {
                    source += rest % sizes[axis] * steps[order[axis]];
                    rest /= sizes[axis];
                }
                assert_eq!(value, from[source], "{order:?} at {place}");
            }
        }
    }
}
