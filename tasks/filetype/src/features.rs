//! What the model sees of a file: a kilobyte from its begin, and one from its end.

use std::io::{self, Read, Seek, SeekFrom};

/// A file of fewer bytes is not shown to the model.
pub(crate) const LEAST_BYTES: u64 = 8;
/// Bytes that are read at each end.
const BLOCK_BYTES: u64 = 4096;
/// Bytes of each end that the model sees.
const END_BYTES: usize = 1024;
/// What stands where there is no byte.
const PADDING: i32 = 256;

/// All of a small file.
pub(crate) fn all(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The model's input, of 2,048 numbers: the begin without white space before it, padded behind, then the end without
/// white space behind it, padded before.
pub(crate) fn of(file: &mut (impl Read + Seek), size: u64) -> io::Result<Vec<i32>> {
    let length = size.min(BLOCK_BYTES);
    let begin = block(file, 0, length)?;
    let end = block(file, size - length, length)?;
    let begin = without_space_before(&begin);
    let end = without_space_behind(&end);
    let begin = &begin[..begin.len().min(END_BYTES)];
    let end = &end[end.len().saturating_sub(END_BYTES)..];

    let mut seen = vec![PADDING; 2 * END_BYTES];
    write(&mut seen[..begin.len()], begin);
    write(&mut seen[2 * END_BYTES - end.len()..], end);
    Ok(seen)
}

fn block(file: &mut (impl Read + Seek), offset: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(places: &mut [i32], bytes: &[u8]) {
    for (place, &byte) in places.iter_mut().zip(bytes) {
        *place = byte.into();
    }
}

/// White space as Python's `bytes.strip` has it: with the vertical tab, which Rust's has not.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn without_space_before(bytes: &[u8]) -> &[u8] {
    let first = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    &bytes[first..]
}

fn without_space_behind(bytes: &[u8]) -> &[u8] {
    let last = bytes.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1);
    &bytes[..last]
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn seen(bytes: &[u8]) -> Vec<i32> {
        of(&mut Cursor::new(bytes), bytes.len() as u64).unwrap()
    }

    #[test]
    fn a_short_file_is_seen_twice_without_the_space_at_either_end() {
        let seen = seen(b" \x0b\tabc defg\n ");
        let (begin, end) = seen.split_at(END_BYTES);
        assert_eq!(begin[..10], b"abc defg\n ".map(i32::from));
        assert!(begin[10..].iter().all(|&byte| byte == PADDING));
        assert_eq!(end[END_BYTES - 11..], b" \x0b\tabc defg".map(i32::from));
        assert!(end[..END_BYTES - 11].iter().all(|&byte| byte == PADDING));
    }

    #[test]
    fn of_a_long_file_the_first_and_last_kilobyte_are_seen() {
        let mut bytes = vec![b'-'; 10_000];
        bytes[0] = b'a';
        bytes[1023] = b'b';
        bytes[8976] = b'c';
        bytes[9999] = b'd';
        let seen = seen(&bytes);
        assert_eq!((seen[0], seen[1023], seen[1024], seen[2047]), (97, 98, 99, 100));
        assert!(seen.iter().all(|&byte| byte != PADDING));
    }

    #[test]
    fn space_alone_is_nothing() {
        assert!(seen(&[b' '; 5000]).iter().all(|&byte| byte == PADDING));
    }
}
