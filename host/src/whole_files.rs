//! Whole files out of the store's blocks, for workers to map: assembled for the first that asks, and shared by all.

use std::collections::VecDeque;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cid::Cid;
use poai_objects::Link;
use poai_sandbox::{BlockFile, Fault, FileLayout, assemble};

/// Files without names: nobody else can open them, and they are gone when this process is. So what was verified once
/// needs no second look, and nothing is left to be collected.
#[derive(Debug)]
pub(crate) struct WholeFiles {
    folder: PathBuf,
    limit_bytes: u64,
    /// The one last used is at the back.
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    link: Link,
    bytes: u64,
    place: Place,
}

/// Where a file is once it is assembled, opened read-only. Locked while somebody assembles it: the others wait.
type Place = Arc<Mutex<Option<File>>>;

impl WholeFiles {
    /// Files in a folder's file system, which are kept while they are not more than `limit_bytes` together.
    pub(crate) fn new(folder: PathBuf, limit_bytes: u64) -> Self {
        Self { folder, limit_bytes, kept: Mutex::default() }
    }

    /// A file by its link, assembled by its layout from verified blocks if it is not at hand.
    pub(crate) fn get(
        &self,
        link: &Link,
        layout: &FileLayout,
        block: &dyn Fn(&Cid) -> Result<BlockFile, Fault>,
    ) -> Result<BlockFile, Fault> {
        let place = self.place(link, layout.size_bytes);
        let mut place = place.lock().expect("no panic while a file is assembled");
        let whole = match &mut *place {
            Some(whole) => whole,
            empty => empty.insert(self.assembled(layout, block)?),
        };
        let file = whole.try_clone().map_err(|error| Fault::HostMemory { reason: format!("descriptors: {error}") })?;
        Ok(BlockFile { file, offset: 0, bytes: layout.size_bytes })
    }

    /// Makes room for a file if there is any, for which those go that were not used for longest. Whoever maps them has
    /// them on.
    fn place(&self, link: &Link, bytes: u64) -> Place {
        if bytes > self.limit_bytes {
            return Place::default();
        }
        let mut kept = self.kept.lock().expect("nothing panics while it holds this lock");
        let known = kept.iter().position(|kept| kept.link == *link).and_then(|index| kept.remove(index));
        let used = known.unwrap_or_else(|| Kept { link: *link, bytes, place: Place::default() });
        let place = Arc::clone(&used.place);
        let mut sum = kept.iter().map(|kept| kept.bytes).sum::<u64>().saturating_add(used.bytes);
        while sum > self.limit_bytes
            && let Some(oldest) = kept.pop_front()
        {
            sum -= oldest.bytes;
        }
        kept.push_back(used);
        place
    }

    fn assembled(&self, layout: &FileLayout, block: &dyn Fn(&Cid) -> Result<BlockFile, Fault>) -> Result<File, Fault> {
        let storage = |error: &io::Error| Fault::Storage { reason: format!("a model as a whole file: {error}") };
        let mut whole = tempfile::tempfile_in(&self.folder).map_err(|error| storage(&error))?;
        assemble(layout, block, &mut whole, &storage)?;
        closed_to_writers(whole).map_err(|error| storage(&error))
    }
}

/// The same file, opened anew for reading alone; the descriptor that could write is closed.
fn closed_to_writers(file: File) -> io::Result<File> {
    file.set_permissions(Permissions::from_mode(0o400))?;
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use poai_objects::codec::{RAW, cid_of};
    use poai_sandbox::Chunk;

    use super::*;

    const BLOCK: &[u8] = b"0123456789";

    /// Asks for a file of three blocks; gives its inode, and how many blocks were read.
    fn get(files: &WholeFiles, name: &[u8]) -> (u64, u32) {
        let reads = AtomicU32::new(0);
        let whole = ask(files, name, &reads).unwrap();
        let mut bytes = [0; 30];
        whole.file.read_exact_at(&mut bytes, whole.offset).unwrap();
        assert_eq!((whole.bytes, &bytes), (30, b"012345678901234567890123456789"));
        assert!(whole.file.write_all_at(b"x", 0).is_err(), "a worker could write to it");
        assert!(whole.file.set_len(0).is_err(), "a worker could cut it off under the others");
        (whole.file.metadata().unwrap().ino(), reads.into_inner())
    }

    fn ask(files: &WholeFiles, name: &[u8], reads: &AtomicU32) -> Result<BlockFile, Fault> {
        let chunk = Chunk { cid: cid_of(RAW, BLOCK), bytes: BLOCK.len() as u64 };
        let layout = FileLayout { size_bytes: 30, chunks: vec![chunk; 3] };
        let block = |_: &Cid| {
            reads.fetch_add(1, Ordering::Relaxed);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(BLOCK).unwrap();
            Ok(BlockFile { file, offset: 0, bytes: BLOCK.len() as u64 })
        };
        files.get(&cid_of(RAW, name).try_into().unwrap(), &layout, &block)
    }

    #[test]
    fn a_file_is_assembled_once_and_the_one_longest_unused_goes() {
        let folder = tempfile::tempdir().unwrap();
        let files = WholeFiles::new(folder.path().to_owned(), 60);
        let (first, reads) = get(&files, b"a");
        assert_eq!(reads, 3);
        assert_eq!(get(&files, b"b").1, 3);
        assert_eq!(get(&files, b"a"), (first, 0));
        assert_eq!(get(&files, b"c").1, 3);
        assert_eq!(get(&files, b"a"), (first, 0));
        assert_eq!(get(&files, b"b").1, 3, "it had to go");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file has a name");
    }

    #[test]
    fn whoever_asks_while_a_file_is_assembled_gets_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let files = WholeFiles::new(folder.path().to_owned(), 60);
        let reads = AtomicU32::new(0);
        let inode = || ask(&files, b"a", &reads).unwrap().file.metadata().unwrap().ino();
        let inodes = thread::scope(|scope| [(); 4].map(|()| scope.spawn(inode)).map(|asked| asked.join().unwrap()));
        assert_eq!(inodes, [inodes[0]; 4]);
        assert_eq!(reads.into_inner(), 3);
    }

    #[test]
    fn a_file_beyond_the_limit_is_handed_out_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let files = WholeFiles::new(folder.path().to_owned(), 29);
        assert_eq!((get(&files, b"a").1, get(&files, b"a").1), (3, 3));
    }

    #[test]
    fn what_could_not_be_assembled_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let files = WholeFiles::new(home.clone(), 60);
        assert!(matches!(ask(&files, b"a", &AtomicU32::new(0)), Err(Fault::Storage { .. })));
        std::fs::create_dir(home).unwrap();
        assert_eq!(get(&files, b"a").1, 3);
    }
}
