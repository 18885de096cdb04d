use super::shared::Shared;
use super::storage::Storage;
use crate::DispatchError;
use crate::arithmetic::Binary;
use crate::program::{Bound, NOWHERE, Op, Program, Reg, Space, Stride};

/// One invocation, from where it is.
pub(super) struct Invocation<'a> {
    pub(super) program: &'a Program,
    pub(super) registers: &'a mut [u32],
    pub(super) shared: &'a mut Shared,
    /// Its index in its workgroup.
    pub(super) index: u32,
    /// The next instruction.
    pub(super) place: u32,
}

/// Why an invocation does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// It has ended.
    End,
    /// It waits, and goes on at this place.
    Barrier(u32),
}

impl Invocation<'_> {
    /// Goes on until it ends or waits.
    pub(super) fn run(mut self, storage: &mut Storage<'_>, budget: &mut u64) -> Result<Rest, DispatchError> {
        loop {
            let op = self.program.ops[self.place as usize];
            self.place += 1;
            match op {
                Op::Charge(cost) => {
                    *budget = budget.checked_sub(u64::from(cost)).ok_or(DispatchError::OutOfFuel)?;
                }
                Op::Jump(target) => self.place = target,
                Op::JumpIf { condition, target } if self.get(condition) != 0 => self.place = target,
                Op::JumpUnless { condition, target } if self.get(condition) == 0 => self.place = target,
                Op::JumpIf { .. } | Op::JumpUnless { .. } => {}
                Op::Load { space, to, address, fixed, words } => {
                    self.load(space, to, self.address(address, fixed), words, storage)?;
                }
                Op::Store { space, address, fixed, from, words } => {
                    self.store(space, self.address(address, fixed), from, words, storage)?;
                }
                Op::Atomic { op, space, address, fixed, from } => {
                    self.change(op, space, self.address(address, fixed), from, storage)?;
                }
                Op::Address { stride, to, index, base } => {
                    let address = self.element(self.program.strides[usize::from(stride)], index, base, storage);
                    self.set(to, address);
                }
                Op::Length { stride, to } => {
                    let length = length(self.program.strides[usize::from(stride)], storage);
                    self.set(to, length);
                }
                Op::Barrier => return Ok(Rest::Barrier(self.place)),
                Op::End => return Ok(Rest::End),
                _ => self.compute(op),
            }
        }
    }

    fn get(&self, register: Reg) -> u32 {
        self.registers[usize::from(register)]
    }

    fn set(&mut self, register: Reg, word: u32) {
        self.registers[usize::from(register)] = word;
    }

    /// What only registers take part in.
    #[inline(always)]
    fn compute(&mut self, op: Op) {
        match op {
            Op::Copy { to, from, words: 1 } => self.set(to, self.get(from)),
            Op::Copy { to, from, words } => self.copy(to, from, words),
            Op::Splat { to, from, words } => {
                let word = self.get(from);
                self.registers[usize::from(to)..][..usize::from(words)].fill(word);
            }
            Op::Select { condition, to, yes, no, words } => {
                let from = if self.get(condition) != 0 { yes } else { no };
                self.copy(to, from, words);
            }
            Op::Unary { op, lanes, to, a } => {
                for lane in 0..Reg::from(lanes) {
                    let word = op.of(self.get(a + lane));
                    self.set(to + lane, word);
                }
            }
            Op::Binary { op, lanes, to, a, b } => self.binary(op, lanes, [to, a, b]),
            Op::Ternary { op, lanes, to, a, b, c } => {
                for lane in 0..Reg::from(lanes) {
                    let word = op.of(self.get(a + lane), self.get(b + lane), self.get(c + lane));
                    self.set(to + lane, word);
                }
            }
            Op::Holds { all, lanes, to, a } => {
                let mut lanes = self.registers[usize::from(a)..][..usize::from(lanes)].iter();
                let holds = if all { lanes.all(|lane| *lane != 0) } else { lanes.any(|lane| *lane != 0) };
                self.set(to, u32::from(holds));
            }
            _ => unreachable!("the rest is done where memory is at hand"),
        }
    }

    /// What kernels do most is chosen once for all lanes.
    fn binary(&mut self, op: Binary, lanes: u8, registers: [Reg; 3]) {
        match op {
            Binary::Add => self.lanes(lanes, registers, |a, b| Binary::Add.of(a, b)),
            Binary::Subtract => self.lanes(lanes, registers, |a, b| Binary::Subtract.of(a, b)),
            Binary::Multiply => self.lanes(lanes, registers, |a, b| Binary::Multiply.of(a, b)),
            Binary::AddInteger => self.lanes(lanes, registers, |a, b| Binary::AddInteger.of(a, b)),
            Binary::MultiplyInteger => self.lanes(lanes, registers, |a, b| Binary::MultiplyInteger.of(a, b)),
            Binary::LessUnsigned => self.lanes(lanes, registers, |a, b| Binary::LessUnsigned.of(a, b)),
            Binary::LessSigned => self.lanes(lanes, registers, |a, b| Binary::LessSigned.of(a, b)),
            _ => self.lanes(lanes, registers, |a, b| op.of(a, b)),
        }
    }

    #[inline(always)]
    fn lanes(&mut self, lanes: u8, [to, a, b]: [Reg; 3], of: impl Fn(u32, u32) -> u32) {
        for lane in 0..Reg::from(lanes) {
            let word = of(self.get(a + lane), self.get(b + lane));
            self.set(to + lane, word);
        }
    }

    fn copy(&mut self, to: Reg, from: Reg, words: u16) {
        let from = usize::from(from);
        self.registers.copy_within(from..from + usize::from(words), usize::from(to));
    }

    fn address(&self, address: Option<Reg>, fixed: u32) -> Option<usize> {
        let address = address.map_or(0, |register| self.get(register));
        (address != NOWHERE).then(|| address as usize + fixed as usize)
    }

    fn element(&self, stride: Stride, index: Reg, base: Option<Reg>, storage: &Storage<'_>) -> u32 {
        let (index, base) = (self.get(index), base.map_or(0, |base| self.get(base)));
        let bound = match stride.bound {
            Bound::Fixed(count) => count,
            Bound::Runtime { .. } => length(stride, storage),
        };
        // No element of a buffer lies as far out as the address of no word.
        if index < bound && base != NOWHERE { base + index * stride.words } else { NOWHERE }
    }

    #[inline(always)]
    fn load(
        &mut self,
        space: Space,
        to: Reg,
        at: Option<usize>,
        words: u16,
        storage: &Storage<'_>,
    ) -> Result<(), DispatchError> {
        let (to, words) = (usize::from(to), usize::from(words));
        let Some(at) = at else {
            self.registers[to..to + words].fill(0);
            return Ok(());
        };
        match space {
            Space::Registers => self.registers.copy_within(at..at + words, to),
            Space::Storage(binding) => storage.read(binding, at, &mut self.registers[to..to + words]),
            Space::Workgroup => {
                for (at, word) in (at..).zip(&mut self.registers[to..to + words]) {
                    *word = self.shared.read(at, self.index)?;
                }
            }
        }
        Ok(())
    }

    fn store(
        &mut self,
        space: Space,
        at: Option<usize>,
        from: Reg,
        words: u16,
        storage: &mut Storage<'_>,
    ) -> Result<(), DispatchError> {
        let Some(at) = at else { return Ok(()) };
        let (from, words) = (usize::from(from), usize::from(words));
        match space {
            Space::Registers => self.registers.copy_within(from..from + words, at),
            Space::Storage(binding) => storage.write(binding, at, &self.registers[from..from + words]),
            Space::Workgroup => {
                for (at, word) in (at..).zip(&self.registers[from..from + words]) {
                    self.shared.write(at, *word, self.index)?;
                }
            }
        }
        Ok(())
    }

    fn change(
        &mut self,
        op: Binary,
        space: Space,
        at: Option<usize>,
        from: Reg,
        storage: &Storage<'_>,
    ) -> Result<(), DispatchError> {
        let (Some(at), word) = (at, self.get(from)) else { return Ok(()) };
        match space {
            Space::Registers => unreachable!("validated: no variable of an invocation is atomic"),
            Space::Storage(binding) => storage.change(binding, at, op, word),
            Space::Workgroup => self.shared.change(at, op, word)?,
        }
        Ok(())
    }
}

/// Elements of an array that has its buffer's length.
fn length(stride: Stride, storage: &Storage<'_>) -> u32 {
    match stride.bound {
        Bound::Fixed(count) => count,
        Bound::Runtime { binding, before } => {
            let words = storage.words(binding).saturating_sub(before as usize);
            (words / (stride.words as usize).max(1)) as u32
        }
    }
}
