use crate::DispatchError;
use crate::arithmetic::Binary;

/// A workgroup's memory. It knows of every word who touched it since the last barrier.
pub(super) struct Shared {
    words: Vec<u32>,
    touches: Vec<Touches>,
    /// Rises with every barrier and workgroup: what was touched before it does not count any more.
    phase: u64,
}

/// Who touched a word last, and when. Two who read it are [`SEVERAL`].
#[derive(Clone, Copy, Default)]
struct Touches {
    written: (u64, u32),
    read: (u64, u32),
    /// When it was changed at once, and how.
    changed: (u64, Option<Binary>),
}

const SEVERAL: u32 = u32::MAX;

impl Shared {
    pub(super) fn new(words: usize) -> Self {
        Self { words: vec![0; words], touches: vec![Touches::default(); words], phase: 0 }
    }

    /// Begins a workgroup: all is zeros.
    pub(super) fn begin(&mut self) {
        self.words.fill(0);
        self.pass_barrier();
    }

    pub(super) fn pass_barrier(&mut self) {
        self.phase += 1;
    }

    /// A word for an invocation; nothing if there is none.
    pub(super) fn read(&mut self, at: usize, by: u32) -> Result<u32, DispatchError> {
        let Some(touches) = self.touches.get_mut(at) else { return Ok(0) };
        if touches.changed.0 == self.phase {
            return Err(DispatchError::Mixture);
        }
        let (written, writer) = touches.written;
        if written == self.phase && writer != by {
            return Err(DispatchError::Race);
        }
        let (read, reader) = touches.read;
        let is_first = read != self.phase || reader == by;
        touches.read = (self.phase, if is_first { by } else { SEVERAL });
        Ok(self.words[at])
    }

    /// Writes a word, if there is such a one.
    pub(super) fn write(&mut self, at: usize, word: u32, by: u32) -> Result<(), DispatchError> {
        let Some(touches) = self.touches.get_mut(at) else { return Ok(()) };
        if touches.changed.0 == self.phase {
            return Err(DispatchError::Mixture);
        }
        let by_other = |(phase, who): (u64, u32)| phase == self.phase && who != by;
        if by_other(touches.written) || by_other(touches.read) {
            return Err(DispatchError::Race);
        }
        touches.written = (self.phase, by);
        self.words[at] = word;
        Ok(())
    }

    /// Changes a word at once, if there is such a one: whoever else does that in the same way may.
    pub(super) fn change(&mut self, at: usize, op: Binary, word: u32) -> Result<(), DispatchError> {
        let Some(touches) = self.touches.get_mut(at) else { return Ok(()) };
        let is_touched = [touches.written.0, touches.read.0].contains(&self.phase);
        if is_touched || touches.changed.0 == self.phase && touches.changed.1 != Some(op) {
            return Err(DispatchError::Mixture);
        }
        touches.changed = (self.phase, Some(op));
        self.words[at] = op.of(self.words[at], word);
        Ok(())
    }
}
