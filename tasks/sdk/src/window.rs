//! Reading ahead in a file that is read by offset.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Bytes fetched after a jump: little, since the next read may jump again.
const FIRST_FETCH_BYTES: u32 = 16 * 1024;
/// Bytes fetched at once at most: what the host gives in one read.
const LARGEST_FETCH_BYTES: u32 = 1024 * 1024;

/// A file that is read by offset, and never fails.
pub(crate) trait Source {
    /// The file's length in bytes.
    fn size(&self) -> u64;
    /// Bytes from `offset`: at least one unless at the end, at most `length`.
    fn read(&self, offset: u64, length: u32) -> Vec<u8>;
}

/// A position in a source, and the bytes around it that were fetched.
pub(crate) struct Window<S> {
    source: S,
    size: u64,
    /// What was fetched last.
    bytes: Vec<u8>,
    /// Where in the file `bytes` begins.
    start: u64,
    /// Where in the file the next byte is read.
    position: u64,
    /// How much to fetch next if reading goes on in order.
    next_fetch_bytes: u32,
}

impl<S: Source> Window<S> {
    pub(crate) fn new(source: S) -> Self {
        let size = source.size();
        Self { source, size, bytes: Vec::new(), start: 0, position: 0, next_fetch_bytes: FIRST_FETCH_BYTES }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    fn fetched(&self) -> &[u8] {
        if (self.start..self.end()).contains(&self.position) {
            &self.bytes[(self.position - self.start) as usize..]
        } else {
            &[]
        }
    }

    fn fetch(&mut self) {
        if self.position == self.end() {
            self.next_fetch_bytes = (self.next_fetch_bytes * 2).min(LARGEST_FETCH_BYTES);
        } else {
            self.next_fetch_bytes = FIRST_FETCH_BYTES;
        }
        self.bytes = self.source.read(self.position, self.next_fetch_bytes);
        self.start = self.position;
    }
}

impl<S: Source> Read for Window<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<S: Source> BufRead for Window<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.fetched().is_empty() && self.position < self.size {
            self.fetch();
        }
        Ok(self.fetched())
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount as u64;
    }
}

impl<S: Source> Seek for Window<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the position lies before the start of the file or beyond 2^64")
        })?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;

    struct Bytes {
        content: Vec<u8>,
        fetches: RefCell<Vec<(u64, u32)>>,
    }

    impl Source for Bytes {
        fn size(&self) -> u64 {
            self.content.len() as u64
        }

        fn read(&self, offset: u64, length: u32) -> Vec<u8> {
            self.fetches.borrow_mut().push((offset, length));
            let rest = self.content.get(offset as usize..).unwrap_or(&[]);
            rest[..rest.len().min(length as usize)].to_vec()
        }
    }

    fn window(size: usize) -> Window<Bytes> {
        let content = (0..size).map(|i| (i * 31 % 251) as u8).collect();
        Window::new(Bytes { content, fetches: RefCell::default() })
    }

    #[test]
    fn reading_in_order_fetches_more_each_time_up_to_a_mebibyte() {
        let mut window = window(3 << 20);
        let mut read = Vec::new();
        window.read_to_end(&mut read).unwrap();
        assert_eq!(read, window.source.content);
        let lengths: Vec<u32> = window.source.fetches.borrow().iter().map(|fetch| fetch.1 >> 10).collect();
        assert_eq!(lengths, [32, 64, 128, 256, 512, 1024, 1024, 1024]);
    }

    #[test]
    fn a_jump_fetches_little_and_a_step_inside_the_window_nothing() {
        let mut window = window(3 << 20);
        let mut byte = [0];
        for (position, fetches) in [(2 << 20, 1), ((2 << 20) + 9, 1), (5, 2), (6, 2)] {
            window.seek(SeekFrom::Start(position)).unwrap();
            window.read_exact(&mut byte).unwrap();
            assert_eq!(byte[0], window.source.content[position as usize]);
            assert_eq!(window.source.fetches.borrow().len(), fetches, "at {position}");
        }
        assert_eq!(window.source.fetches.borrow()[0], (2 << 20, FIRST_FETCH_BYTES));
    }

    #[test]
    fn positions_outside_of_the_file() {
        let mut window = window(10);
        assert_eq!(window.seek(SeekFrom::End(7)).unwrap(), 17);
        assert_eq!(window.read(&mut [0; 4]).unwrap(), 0);
        assert!(window.seek(SeekFrom::Current(-18)).is_err());
        assert_eq!(window.stream_position().unwrap(), 17, "a refused seek moves nothing");
        assert!(window.source.fetches.borrow().is_empty());
    }

    proptest! {
        /// Whatever is read and wherever one jumps, the bytes are the file's.
        #[test]
        fn reads_agree_with_a_cursor(steps in prop::collection::vec((0..60_000u64, 0..40_000usize), 1..20)) {
            let mut window = window(50_000);
            let content = window.source.content.clone();
            for (position, length) in steps {
                window.seek(SeekFrom::Start(position)).unwrap();
                let mut read = Vec::new();
                window.by_ref().take(length as u64).read_to_end(&mut read).unwrap();
                let expected = content.get(position as usize..).unwrap_or(&[]);
                prop_assert_eq!(&read[..], &expected[..expected.len().min(length)]);
            }
        }
    }
}
