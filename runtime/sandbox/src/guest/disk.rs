//! The disk under `/out`: files in memory, which become outputs when the run ends.
//!
//! Plain programs rename, truncate, seek and remove what they write, so nothing can leave before the end. Every byte
//! counts against the run's memory limit, so a full disk is the same on every host.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use poai_objects::OutputName;

use super::bindings::wasi::filesystem::types::ErrorCode;
use super::memory::{Memory, Reserved};

/// Bytes that a file or folder takes of the memory limit, whatever is in it: its name and the host's record of it.
const ENTRY_BYTES: u64 = 2_048;

/// Files and folders by their path below `/out`; the folder `/out` itself, the empty path, is always there.
pub(crate) struct Disk {
    entries: BTreeMap<String, Entry>,
    memory: Arc<Memory>,
}

/// What a path names.
#[derive(Clone)]
pub(crate) enum Entry {
    File(Rc<DiskFile>),
    Folder,
}

/// A file's bytes. They live as long as the file has a name or is open.
pub(crate) struct DiskFile {
    bytes: RefCell<Vec<u8>>,
    memory: Arc<Memory>,
}

impl Disk {
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self { entries: BTreeMap::new(), memory }
    }

    /// What a path names.
    pub(crate) fn get(&self, path: &str) -> Result<Entry, ErrorCode> {
        if path.is_empty() {
            return Ok(Entry::Folder);
        }
        self.entries.get(path).cloned().ok_or_else(|| match self.require_folder_of(path) {
            Ok(()) => ErrorCode::NoEntry,
            Err(error) => error,
        })
    }

    /// Whether an output of this name would be one that the disk has, lie inside one, or contain one.
    pub(crate) fn conflicts(&self, name: &str) -> bool {
        let is_file = |path: &str| matches!(self.entries.get(path), Some(Entry::File(_)));
        self.entries.contains_key(name) || name.match_indices('/').any(|(end, _)| is_file(&name[..end]))
    }

    /// Makes an empty file.
    pub(crate) fn create_file(&mut self, path: &str) -> Result<Rc<DiskFile>, ErrorCode> {
        let file = Rc::new(DiskFile { bytes: RefCell::default(), memory: Arc::clone(&self.memory) });
        self.create(path, Entry::File(Rc::clone(&file)))?;
        Ok(file)
    }

    /// Makes an empty folder.
    pub(crate) fn create_folder(&mut self, path: &str) -> Result<(), ErrorCode> {
        self.create(path, Entry::Folder)
    }

    fn create(&mut self, path: &str, entry: Entry) -> Result<(), ErrorCode> {
        match self.get(path) {
            Ok(_) => return Err(ErrorCode::Exist),
            Err(ErrorCode::NoEntry) => {}
            Err(error) => return Err(error),
        }
        self.require_folder_of(path)?;
        check_name(path)?;
        if !self.memory.take(ENTRY_BYTES) {
            return Err(ErrorCode::InsufficientSpace);
        }
        self.entries.insert(path.to_owned(), entry);
        Ok(())
    }

    /// Removes a file's name.
    pub(crate) fn remove_file(&mut self, path: &str) -> Result<(), ErrorCode> {
        match self.get(path)? {
            Entry::Folder => Err(ErrorCode::IsDirectory),
            Entry::File(_) => {
                self.forget(path);
                Ok(())
            }
        }
    }

    /// Removes an empty folder.
    pub(crate) fn remove_folder(&mut self, path: &str) -> Result<(), ErrorCode> {
        match self.get(path)? {
            Entry::File(_) => Err(ErrorCode::NotDirectory),
            Entry::Folder if path.is_empty() => Err(ErrorCode::Busy),
            Entry::Folder if self.has_children(path) => Err(ErrorCode::NotEmpty),
            Entry::Folder => {
                self.forget(path);
                Ok(())
            }
        }
    }

    /// Gives a file or folder another path, replacing a file, or an empty folder by a folder, as POSIX does.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), ErrorCode> {
        let moved = self.get(from)?;
        if from.is_empty() || to.is_empty() {
            return Err(ErrorCode::Busy);
        }
        if from == to {
            return Ok(());
        }
        self.require_folder_of(to)?;
        let children = match moved {
            Entry::File(_) => Vec::new(),
            Entry::Folder if is_inside(to, from) => return Err(ErrorCode::Invalid),
            Entry::Folder => self.inside(from).map(|(path, _)| path.clone()).collect(),
        };
        let renamed: Vec<_> = children.iter().map(|child| format!("{to}{}", &child[from.len()..])).collect();
        renamed.iter().map(String::as_str).chain([to]).try_for_each(check_name)?;
        match (&moved, self.get(to)) {
            (_, Err(ErrorCode::NoEntry)) => {}
            (_, Err(error)) => return Err(error),
            (Entry::File(_), Ok(Entry::Folder)) => return Err(ErrorCode::IsDirectory),
            (Entry::Folder, Ok(Entry::File(_))) => return Err(ErrorCode::NotDirectory),
            (Entry::Folder, Ok(Entry::Folder)) if self.has_children(to) => return Err(ErrorCode::NotEmpty),
            (_, Ok(_)) => self.forget(to),
        }
        for (from, to) in
            children.iter().map(String::as_str).chain([from]).zip(renamed.into_iter().chain([to.to_owned()]))
        {
            let entry = self.entries.remove(from).expect("it was listed above");
            self.entries.insert(to, entry);
        }
        Ok(())
    }

    /// A folder's entries by name, ordered by bytes.
    pub(crate) fn list(&self, path: &str) -> Vec<(String, Entry)> {
        let skip = if path.is_empty() { 0 } else { path.len() + 1 };
        let children = self.inside(path).filter(|(child, _)| !child[skip..].contains('/'));
        children.map(|(child, entry)| (child[skip..].to_owned(), entry.clone())).collect()
    }

    /// Sets memory of the run aside for what is made of the disk, until that is dropped.
    pub(crate) fn reserve(&self, bytes: u64) -> Option<Reserved> {
        Reserved::of(&self.memory, bytes)
    }

    /// How many entries the disk has: what listing or moving a folder may look at.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All files, ordered by the bytes of their paths.
    pub(crate) fn files(&self) -> Vec<(OutputName, Rc<DiskFile>)> {
        let files = self.entries.iter().filter_map(|(path, entry)| match entry {
            Entry::File(file) => Some((path, Rc::clone(file))),
            Entry::Folder => None,
        });
        files.map(|(path, file)| (path.parse().expect("names are checked when they are made"), file)).collect()
    }

    fn forget(&mut self, path: &str) {
        self.entries.remove(path);
        self.memory.give_back(ENTRY_BYTES);
    }

    /// Everything below a folder, at any depth.
    fn inside(&self, folder: &str) -> impl Iterator<Item = (&String, &Entry)> {
        let begin = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.entries.range(begin.clone()..).take_while(move |(path, _)| path.starts_with(&begin))
    }

    fn has_children(&self, folder: &str) -> bool {
        self.inside(folder).next().is_some()
    }

    /// Whether the folder that a path lies in is there.
    fn require_folder_of(&self, path: &str) -> Result<(), ErrorCode> {
        for (end, _) in path.match_indices('/') {
            match self.entries.get(&path[..end]) {
                Some(Entry::Folder) => {}
                Some(Entry::File(_)) => return Err(ErrorCode::NotDirectory),
                None => return Err(ErrorCode::NoEntry),
            }
        }
        Ok(())
    }
}

fn is_inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// A path that could not be an output's name cannot be made.
fn check_name(path: &str) -> Result<(), ErrorCode> {
    match path.parse::<OutputName>() {
        Ok(_) => Ok(()),
        Err(_) if path.len() > 1_024 || path.split('/').any(|part| part.len() > 255) => Err(ErrorCode::NameTooLong),
        Err(_) => Err(ErrorCode::Invalid),
    }
}

impl DiskFile {
    /// The file's length in bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.bytes.borrow().len() as u64
    }

    /// The bytes from `offset`, as many as are asked for and there.
    pub(crate) fn read(&self, offset: u64, length: u64) -> Vec<u8> {
        let bytes = self.bytes.borrow();
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = begin.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
        bytes[begin..end].to_vec()
    }

    /// All bytes, borrowed.
    pub(crate) fn with_bytes<T>(&self, see: impl FnOnce(&[u8]) -> T) -> T {
        see(&self.bytes.borrow())
    }

    /// Puts bytes at `offset`; a gap before it becomes zeros.
    pub(crate) fn write(&self, offset: u64, new: &[u8]) -> Result<(), ErrorCode> {
        let end = offset.checked_add(new.len() as u64).ok_or(ErrorCode::FileTooLarge)?;
        if end > self.size_bytes() && !new.is_empty() {
            self.set_size(end)?;
        }
        let begin = usize::try_from(offset).map_err(|_| ErrorCode::FileTooLarge)?;
        if !new.is_empty() {
            self.bytes.borrow_mut()[begin..begin + new.len()].copy_from_slice(new);
        }
        Ok(())
    }

    /// How many bytes a file of this size would have more, if there is room for them.
    pub(crate) fn growth_to(&self, size_bytes: u64) -> Result<u64, ErrorCode> {
        let growth = size_bytes.saturating_sub(self.size_bytes());
        if growth > self.memory.left_bytes() { Err(ErrorCode::InsufficientSpace) } else { Ok(growth) }
    }

    /// Cuts the file, or lengthens it with zeros.
    pub(crate) fn set_size(&self, size_bytes: u64) -> Result<(), ErrorCode> {
        let old = self.size_bytes();
        if size_bytes > old && !self.memory.take(size_bytes - old) {
            return Err(ErrorCode::InsufficientSpace);
        }
        let size = usize::try_from(size_bytes).map_err(|_| ErrorCode::FileTooLarge)?;
        let mut bytes = self.bytes.borrow_mut();
        bytes.resize(size, 0);
        // What is given back to the run is given back to the machine.
        if size < bytes.capacity() / 2 {
            bytes.shrink_to_fit();
        }
        drop(bytes);
        self.memory.give_back(old.saturating_sub(size_bytes));
        Ok(())
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        self.memory.give_back(self.size_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(bytes: u64) -> Disk {
        Disk::new(Memory::new(bytes))
    }

    fn names(disk: &Disk) -> Vec<&str> {
        disk.entries.keys().map(String::as_str).collect()
    }

    #[test]
    fn paths_answer_as_posix_has_it() {
        let mut disk = disk(1 << 20);
        disk.create_folder("d").unwrap();
        disk.create_file("d/f").unwrap();
        for (answer, expected) in [
            (disk.get("x").map(drop), ErrorCode::NoEntry),
            (disk.get("d/f/x").map(drop), ErrorCode::NotDirectory),
            (disk.get("x/y").map(drop), ErrorCode::NoEntry),
            (disk.create_folder("d"), ErrorCode::Exist),
            (disk.create_file("x/y").map(drop), ErrorCode::NoEntry),
            (disk.create_file("d/f/x").map(drop), ErrorCode::NotDirectory),
            (disk.create_file("a\nb").map(drop), ErrorCode::Invalid),
            (disk.create_file(&"n".repeat(256)).map(drop), ErrorCode::NameTooLong),
            (disk.remove_file("d"), ErrorCode::IsDirectory),
            (disk.remove_folder("d"), ErrorCode::NotEmpty),
            (disk.remove_folder("d/f"), ErrorCode::NotDirectory),
            (disk.remove_folder(""), ErrorCode::Busy),
            (disk.rename("d", "d/inside"), ErrorCode::Invalid),
            (disk.rename("d/f", "d"), ErrorCode::IsDirectory),
            (disk.rename("x", "y"), ErrorCode::NoEntry),
        ] {
            assert_eq!(answer, Err(expected));
        }
        assert_eq!(names(&disk), ["d", "d/f"]);
    }

    #[test]
    fn renaming_moves_a_folder_s_content_and_replaces_files() {
        let mut disk = disk(1 << 20);
        disk.create_folder("d").unwrap();
        disk.create_file("d/f").unwrap().write(0, b"new").unwrap();
        disk.create_file("d-e").unwrap();
        disk.create_folder("empty").unwrap();
        disk.rename("d", "empty").unwrap();
        assert_eq!(names(&disk), ["d-e", "empty", "empty/f"]);
        disk.rename("empty/f", "d-e").unwrap();
        assert_eq!(names(&disk), ["d-e", "empty"]);
        assert_eq!(disk.files()[0].1.read(0, 9), b"new");
        assert_eq!(disk.list("").len(), 2);
    }

    #[test]
    fn everything_counts_against_the_memory_limit_and_is_given_back() {
        let mut disk = disk(ENTRY_BYTES + 10);
        let file = disk.create_file("f").unwrap();
        assert_eq!(disk.create_file("g").map(drop), Err(ErrorCode::InsufficientSpace));
        file.write(4, b"123456").unwrap();
        assert_eq!(file.read(2, 4), b"\0\x0012");
        assert_eq!(file.write(10, b"7"), Err(ErrorCode::InsufficientSpace));
        assert_eq!(file.write(u64::MAX, b"7"), Err(ErrorCode::FileTooLarge));
        assert_eq!(file.set_size(u64::MAX), Err(ErrorCode::InsufficientSpace));
        file.set_size(0).unwrap();
        assert_eq!(file.bytes.borrow().capacity(), 0);
        file.write(0, b"1234567890").unwrap();
        disk.remove_file("f").unwrap();
        assert!(disk.memory.take(ENTRY_BYTES) && !disk.memory.take(1), "an open file keeps its bytes");
        drop(file);
        assert!(disk.memory.take(10));
    }
}
