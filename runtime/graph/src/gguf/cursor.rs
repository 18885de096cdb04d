//! Bytes, read in order.

use bytes::Bytes;

use crate::{ModelError, ModelLimits};

/// What is left of a file.
pub(super) struct Cursor {
    pub bytes: Bytes,
    /// How many were read.
    pub at: usize,
}

impl Cursor {
    /// Takes some bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&[u8], ModelError> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| ModelError::Malformed(format!("it ends within what begins at {}", self.at)))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// Takes a number's bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        self.take(N).map(|bytes| bytes.try_into().expect("as many as were asked for"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ModelError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ModelError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes a number of things, of which there may be so many.
    pub(super) fn count(&mut self, what: &'static str, limit: usize) -> Result<usize, ModelError> {
        let found = usize::try_from(self.u64()?).unwrap_or(usize::MAX);
        if found > limit { Err(ModelError::TooLarge { what, found, limit }) } else { Ok(found) }
    }

    /// Takes a text.
    pub(super) fn text(&mut self, limit: usize) -> Result<String, ModelError> {
        let length = self.count("bytes of a text", limit)?;
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| ModelError::Malformed(format!("the text before {} is no UTF-8", self.at)))
    }

    /// Takes a name, which errors may show to people.
    pub(super) fn name(&mut self, limits: &ModelLimits) -> Result<String, ModelError> {
        let name = self.text(limits.name_bytes)?;
        limits.name(&name)?;
        Ok(name)
    }
}
