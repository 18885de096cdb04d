use std::collections::BTreeMap;
use std::ops::Range;

use crate::program::{Bound, Op, Program, Reg, Space};

/// How far the addresses reach that each register has held last: the greatest word that one may name. An address's uses
/// stand behind it, and before its register serves another.
pub(crate) fn extents(program: &Program, mut visit: impl FnMut(usize, &Op, Option<u32>)) {
    let mut extents: BTreeMap<Reg, u32> = BTreeMap::new();
    for (place, op) in program.ops.iter().enumerate() {
        match *op {
            Op::Address { stride, to, base, .. } => {
                let stride = program.strides[usize::from(stride)];
                let elements = if let Bound::Fixed(count) = stride.bound { count } else { u32::MAX };
                let base = base.map_or(0, |base| extents.get(&base).copied().unwrap_or(u32::MAX));
                let reach = elements.saturating_sub(1).saturating_mul(stride.words).saturating_add(base);
                extents.insert(to, reach);
            }
            Op::Load { address, .. } | Op::Store { address, .. } | Op::Atomic { address, .. } => {
                let extent = address.map(|address| extents.get(&address).copied().unwrap_or(u32::MAX));
                visit(place, op, extent);
            }
            _ => {}
        }
    }
}

/// The registers that indices reach: variables that are arrays, or vectors, whose part a computed index names.
#[derive(Debug, Default)]
pub(crate) struct Arrays(Vec<Range<u32>>);

impl Arrays {
    pub(crate) fn of(program: &Program) -> Self {
        let mut found = Vec::new();
        extents(program, |_, op, extent| {
            let (Op::Load { space: Space::Registers, fixed, words, .. }
            | Op::Store { space: Space::Registers, fixed, words, .. }) = *op
            else {
                return;
            };
            let reach = extent.unwrap_or(0).saturating_add(u32::from(words));
            found.push(fixed..fixed.saturating_add(reach).min(program.registers));
        });
        found.sort_by_key(|range| range.start);
        let mut arrays: Vec<Range<u32>> = Vec::new();
        for range in found {
            match arrays.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => arrays.push(range),
            }
        }
        Self(arrays)
    }

    /// The array that a register is in: its number, and where it begins.
    pub(crate) fn around(&self, register: u32) -> Option<(usize, u32)> {
        let number = self.0.partition_point(|range| range.end <= register);
        let range = self.0.get(number).filter(|range| range.contains(&register))?;
        Some((number, range.start))
    }

    /// The arrays, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Range<u32>> {
        self.0.iter()
    }
}
