//! A file out of its blocks.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use cid::Cid;

use crate::{BlockFile, Chunk, Fault, FileLayout};

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// Writes a file's bytes, block by block: every block was verified by whoever hands it out.
///
/// # Errors
/// [`Fault::Content`] if a block is missing or not as long as the layout says; what `unwritten` makes of it if nothing
/// more can be written.
pub fn assemble(
    layout: &FileLayout,
    block: &dyn Fn(&Cid) -> Result<BlockFile, Fault>,
    whole: &mut dyn Write,
    unwritten: &dyn Fn(&io::Error) -> Fault,
) -> Result<(), Fault> {
    let unfit = |reason: String| Fault::Content { reason };
    let mut piece = vec![0; PIECE_BYTES];
    let mut written = 0_u64;
    for Chunk { cid, bytes } in &layout.chunks {
        let found = block(cid)?;
        if found.bytes != *bytes {
            return Err(unfit(format!("block {cid} has {} bytes, and its file says {bytes}", found.bytes)));
        }
        let end = written.checked_add(*bytes).filter(|&end| end <= layout.size_bytes);
        written = end.ok_or_else(|| unfit(format!("a file of {} bytes has more in its blocks", layout.size_bytes)))?;
        copy(&found, cid, &mut piece, whole, unwritten)?;
    }
    if written == layout.size_bytes {
        return Ok(());
    }
    Err(unfit(format!("a file of {} bytes has {written} in its blocks", layout.size_bytes)))
}

fn copy(
    block: &BlockFile,
    cid: &Cid,
    piece: &mut [u8],
    whole: &mut dyn Write,
    unwritten: &dyn Fn(&io::Error) -> Fault,
) -> Result<(), Fault> {
    let mut done = 0;
    while done < block.bytes {
        let length = piece.len().min(usize::try_from(block.bytes - done).unwrap_or(usize::MAX));
        let piece = &mut piece[..length];
        block
            .file
            .read_exact_at(piece, block.offset.saturating_add(done))
            .map_err(|error| Fault::Content { reason: format!("block {cid}: {error}") })?;
        whole.write_all(piece).map_err(|error| unwritten(&error))?;
        done += length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use poai_objects::codec::{RAW, cid_of};

    use super::*;

    const BLOCK: &[u8] = b"0123456789";

    /// Writes a file of so many bytes, with blocks that are said to be so long and are ten bytes long.
    fn assembled(size_bytes: u64, chunks: &[u64], whole: &mut dyn Write) -> Result<(), Fault> {
        let cid = cid_of(RAW, BLOCK);
        let layout = FileLayout { size_bytes, chunks: chunks.iter().map(|&bytes| Chunk { cid, bytes }).collect() };
        let block = |_: &Cid| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&[b"head", BLOCK].concat()).unwrap();
            Ok(BlockFile { file, offset: 4, bytes: 10 })
        };
        assemble(&layout, &block, whole, &|error| Fault::Storage { reason: error.kind().to_string() })
    }

    #[test]
    fn a_file_is_its_blocks_in_order() {
        let mut whole = Vec::new();
        assembled(20, &[10, 10], &mut whole).unwrap();
        assert_eq!(whole, [BLOCK, BLOCK].concat());
        assembled(0, &[], &mut whole).unwrap();
    }

    #[test]
    fn a_layout_that_its_blocks_do_not_have_is_refused() {
        for (size_bytes, chunks, expected) in [
            (9, &[9][..], "has 10 bytes, and its file says 9"),
            (10, &[], "a file of 10 bytes has 0 in its blocks"),
            (19, &[10, 10], "a file of 19 bytes has more in its blocks"),
            (21, &[10, 10], "a file of 21 bytes has 20 in its blocks"),
        ] {
            let Err(Fault::Content { reason }) = assembled(size_bytes, chunks, &mut Vec::new()) else {
                panic!("{size_bytes} bytes of {chunks:?} were taken")
            };
            assert!(reason.ends_with(expected), "{reason}");
        }
    }

    struct FullDisk;

    impl Write for FullDisk {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_told() {
        let full = assembled(10, &[10], &mut FullDisk).unwrap_err();
        assert_eq!(full, Fault::Storage { reason: "no storage space".into() });
    }
}
