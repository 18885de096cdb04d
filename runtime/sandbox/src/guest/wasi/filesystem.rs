//! `wasi:filesystem`: the inputs under `/in`, read-only, and the disk in memory under `/out`.

use std::collections::VecDeque;
use std::rc::Rc;

use sha2::{Digest, Sha256};
use wasmtime::component::Resource;

use super::super::Guest;
use super::super::bindings::wasi::filesystem::preopens;
use super::super::bindings::wasi::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Host, HostDescriptor,
    HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use super::super::disk::{DiskFile, Entry};
use super::super::inputs::{HeldFile, Missing, Place};
use super::super::memory::Reserved;
use super::super::meter::cost;
use super::paths;
use super::{FsError, InputStream, IoError, OutputStream};

/// Bytes of one read.
const READ_BYTES: u64 = 1 << 20;

/// Bytes that an entry of a snapshot counts for, without its name.
const LISTED_BYTES: u64 = 64;

/// The folder of inputs, as programs see it.
const IN: &str = "/in";
/// The folder of outputs, as programs see it.
const OUT: &str = "/out";

/// An open file or folder. Paths are from the tree's root, without a leading `/`.
#[derive(Clone)]
pub enum Descriptor {
    InputFolder { path: String },
    InputFile { path: String, file: HeldFile },
    DiskFolder { path: String },
    DiskFile { path: String, file: Rc<DiskFile>, flags: DescriptorFlags },
}

/// A snapshot of a folder's entries that were not read yet. It counts against the run's memory limit.
pub struct Listing {
    entries: VecDeque<(String, DescriptorType)>,
    _reserved: Reserved,
}

type Fs<T> = Result<T, FsError>;

impl Descriptor {
    fn path(&self) -> &str {
        match self {
            Self::InputFolder { path }
            | Self::InputFile { path, .. }
            | Self::DiskFolder { path }
            | Self::DiskFile { path, .. } => path,
        }
    }

    fn kind(&self) -> DescriptorType {
        match self {
            Self::InputFolder { .. } | Self::DiskFolder { .. } => DescriptorType::Directory,
            Self::InputFile { .. } | Self::DiskFile { .. } => DescriptorType::RegularFile,
        }
    }

    fn size_bytes(&self) -> u64 {
        match self {
            Self::InputFolder { .. } | Self::DiskFolder { .. } => 0,
            Self::InputFile { file, .. } => file.size_bytes,
            Self::DiskFile { file, .. } => file.size_bytes(),
        }
    }

    fn stat(&self) -> DescriptorStat {
        DescriptorStat {
            type_: self.kind(),
            link_count: 1,
            size: self.size_bytes(),
            data_access_timestamp: None,
            data_modification_timestamp: None,
            status_change_timestamp: None,
        }
    }

    /// Which file this is: programs compare it to see whether two paths name the same.
    fn metadata_hash(&self) -> MetadataHashValue {
        let mut hasher = Sha256::new();
        match self {
            Self::InputFolder { path } => hasher.update([b"in\0", path.as_bytes()].concat()),
            Self::InputFile { path, file } => {
                hasher.update([b"in\0", path.as_bytes(), b"\0", &file.link.cid().to_bytes()].concat())
            }
            Self::DiskFolder { path } | Self::DiskFile { path, .. } => {
                hasher.update([b"out\0", path.as_bytes()].concat())
            }
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let half = |at: usize| u64::from_le_bytes(digest[at..at + 8].try_into().expect("8 bytes"));
        MetadataHashValue { lower: half(0), upper: half(8) }
    }

    /// The file under `/out` that this is, if it was opened for writing.
    fn writable(&self) -> Result<&Rc<DiskFile>, ErrorCode> {
        match self {
            Self::InputFolder { .. } | Self::DiskFolder { .. } => Err(ErrorCode::IsDirectory),
            Self::InputFile { .. } => Err(ErrorCode::BadDescriptor),
            Self::DiskFile { file, flags, .. } if flags.contains(DescriptorFlags::WRITE) => Ok(file),
            Self::DiskFile { .. } => Err(ErrorCode::BadDescriptor),
        }
    }

    /// The path in `/out` that `path` means below this folder, to be changed.
    fn changeable(&self, path: &str) -> Result<String, ErrorCode> {
        match self {
            Self::DiskFolder { path: base } => paths::below(base, path),
            Self::InputFolder { .. } => Err(ErrorCode::ReadOnly),
            Self::InputFile { .. } | Self::DiskFile { .. } => Err(ErrorCode::NotDirectory),
        }
    }
}

impl Guest {
    fn descriptor(&self, handle: &Resource<Descriptor>) -> Fs<Descriptor> {
        Ok(self.handles.get(handle)?.clone())
    }

    /// Charges for a path below an open folder, whatever comes of it: a look-up begins at the tree's root.
    fn charge_path(&mut self, base: &Descriptor, path: &str) -> Fs<()> {
        let parts = [base.path(), path].map(|path| path.split('/').count() as u64);
        self.meter.charge_bytes(path.len() as u64)?;
        Ok(self.meter.charge(cost::PATH_PART.saturating_mul(parts[0] + parts[1]))?)
    }

    /// What a path below a folder names, opened as a file of `/out` would be.
    fn find(&mut self, base: &Descriptor, path: &str, flags: DescriptorFlags) -> Fs<Descriptor> {
        match base {
            Descriptor::InputFolder { path: base } => {
                let path = paths::below(base, path)?;
                match self.inputs.look_up(&self.host, &mut self.meter, paths::parts(&path))? {
                    Ok(Place::Root | Place::Folder(_)) => Ok(Descriptor::InputFolder { path }),
                    Ok(Place::File(file)) => {
                        let file = self.inputs.hold(file).ok_or(ErrorCode::InsufficientMemory)?;
                        Ok(Descriptor::InputFile { path, file })
                    }
                    Err(Missing::NoEntry) => Err(ErrorCode::NoEntry.into()),
                    Err(Missing::NotFolder) => Err(ErrorCode::NotDirectory.into()),
                }
            }
            Descriptor::DiskFolder { path: base } => {
                let path = paths::below(base, path)?;
                match self.disk.get(&path)? {
                    Entry::Folder => Ok(Descriptor::DiskFolder { path }),
                    Entry::File(file) => Ok(Descriptor::DiskFile { path, file, flags }),
                }
            }
            Descriptor::InputFile { .. } | Descriptor::DiskFile { .. } => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// A name under `/out` must not be one that an output has already.
    fn require_free_output(&self, path: &str) -> Fs<()> {
        if self.outputs.conflicts(path) { Err(ErrorCode::NotPermitted.into()) } else { Ok(()) }
    }

    fn create(&mut self, base: &Descriptor, path: &str, flags: DescriptorFlags) -> Fs<Descriptor> {
        let path = base.changeable(path)?;
        self.require_free_output(&path)?;
        let file = self.disk.create_file(&path)?;
        Ok(Descriptor::DiskFile { path, file, flags })
    }

    fn open(&mut self, base: &Descriptor, path: &str, open: OpenFlags, flags: DescriptorFlags) -> Fs<Descriptor> {
        let create = open.contains(OpenFlags::CREATE);
        if create && open.contains(OpenFlags::DIRECTORY) {
            return Err(ErrorCode::Invalid.into());
        }
        let found = match self.find(base, path, flags) {
            Err(FsError::Code(ErrorCode::NoEntry)) if create && !path.is_empty() => {
                return self.create(base, path, flags);
            }
            found => found?,
        };
        if create && open.contains(OpenFlags::EXCLUSIVE) {
            return Err(ErrorCode::Exist.into());
        }
        let write = flags.contains(DescriptorFlags::WRITE);
        let truncate = open.contains(OpenFlags::TRUNCATE);
        match &found {
            Descriptor::InputFolder { .. } | Descriptor::DiskFolder { .. } if write || truncate => {
                Err(ErrorCode::IsDirectory.into())
            }
            Descriptor::InputFile { .. } | Descriptor::DiskFile { .. } if open.contains(OpenFlags::DIRECTORY) => {
                Err(ErrorCode::NotDirectory.into())
            }
            Descriptor::InputFile { .. } if write || truncate => Err(ErrorCode::ReadOnly.into()),
            Descriptor::DiskFile { file, .. } if truncate => {
                file.set_size(0)?;
                Ok(found)
            }
            _ => Ok(found),
        }
    }

    fn list_folder(&mut self, folder: &Descriptor) -> Fs<Vec<(String, DescriptorType)>> {
        let kind = |is_folder| if is_folder { DescriptorType::Directory } else { DescriptorType::RegularFile };
        let listed: Vec<_> = match folder {
            Descriptor::DiskFolder { path } => {
                self.meter.charge(cost::ENTRY.saturating_mul(self.disk.len() as u64))?;
                let entries = self.disk.list(path).into_iter();
                entries.map(|(name, entry)| (name, kind(matches!(entry, Entry::Folder)))).collect()
            }
            Descriptor::InputFolder { path } => {
                let place = self
                    .inputs
                    .look_up(&self.host, &mut self.meter, paths::parts(path))?
                    .map_err(|_| ErrorCode::NoEntry)?;
                let entries =
                    self.inputs.list(&self.host, &mut self.meter, &place)?.ok_or(ErrorCode::NotDirectory)?.into_iter();
                entries.map(|entry| (entry.name, kind(entry.is_folder))).collect()
            }
            Descriptor::InputFile { .. } | Descriptor::DiskFile { .. } => return Err(ErrorCode::NotDirectory.into()),
        };
        self.meter.charge(cost::ENTRY.saturating_mul(listed.len() as u64))?;
        Ok(listed)
    }
}

impl preopens::Host for Guest {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let inputs = self.handles.push(Descriptor::InputFolder { path: String::new() })?;
        let outputs = self.handles.push(Descriptor::DiskFolder { path: String::new() })?;
        Ok(vec![(inputs, IN.into()), (outputs, OUT.into())])
    }
}

impl Host for Guest {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        match error {
            FsError::Code(code) => Ok(code),
            FsError::Stop(stop) => Err(stop.into()),
        }
    }

    fn filesystem_error_code(&mut self, error: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(Some(self.handles.get(&error)?.0))
    }
}

impl HostDescriptor for Guest {
    fn read_via_stream(&mut self, handle: Resource<Descriptor>, offset: u64) -> Fs<Resource<InputStream>> {
        let stream = match self.descriptor(&handle)? {
            Descriptor::InputFile { file, .. } => InputStream::Input { file, offset },
            Descriptor::DiskFile { file, flags, .. } if flags.contains(DescriptorFlags::READ) => {
                InputStream::Disk { file, offset }
            }
            Descriptor::DiskFile { .. } => return Err(ErrorCode::BadDescriptor.into()),
            Descriptor::InputFolder { .. } | Descriptor::DiskFolder { .. } => return Err(ErrorCode::IsDirectory.into()),
        };
        Ok(self.handles.push(stream)?)
    }

    fn write_via_stream(&mut self, handle: Resource<Descriptor>, offset: u64) -> Fs<Resource<OutputStream>> {
        let file = Rc::clone(self.descriptor(&handle)?.writable()?);
        Ok(self.handles.push(OutputStream::DiskAt { file, offset })?)
    }

    fn append_via_stream(&mut self, handle: Resource<Descriptor>) -> Fs<Resource<OutputStream>> {
        let file = Rc::clone(self.descriptor(&handle)?.writable()?);
        Ok(self.handles.push(OutputStream::DiskEnd { file })?)
    }

    fn advise(&mut self, handle: Resource<Descriptor>, _: u64, _: u64, _: Advice) -> Fs<()> {
        self.descriptor(&handle).map(drop)
    }

    fn sync_data(&mut self, handle: Resource<Descriptor>) -> Fs<()> {
        self.descriptor(&handle).map(drop)
    }

    fn sync(&mut self, handle: Resource<Descriptor>) -> Fs<()> {
        self.descriptor(&handle).map(drop)
    }

    fn get_flags(&mut self, handle: Resource<Descriptor>) -> Fs<DescriptorFlags> {
        Ok(match self.descriptor(&handle)? {
            Descriptor::InputFolder { .. } | Descriptor::InputFile { .. } => DescriptorFlags::READ,
            Descriptor::DiskFolder { .. } => DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
            Descriptor::DiskFile { flags, .. } => flags,
        })
    }

    fn get_type(&mut self, handle: Resource<Descriptor>) -> Fs<DescriptorType> {
        Ok(self.descriptor(&handle)?.kind())
    }

    fn set_size(&mut self, handle: Resource<Descriptor>, size: u64) -> Fs<()> {
        let descriptor = self.descriptor(&handle)?;
        let file = descriptor.writable()?;
        let growth = file.growth_to(size)?;
        self.meter.charge_bytes(growth)?;
        Ok(file.set_size(size)?)
    }

    // Files have no times.
    fn set_times(&mut self, handle: Resource<Descriptor>, _: NewTimestamp, _: NewTimestamp) -> Fs<()> {
        Ok(self.descriptor(&handle)?.writable().map(drop)?)
    }

    fn read(&mut self, handle: Resource<Descriptor>, length: u64, offset: u64) -> Fs<(Vec<u8>, bool)> {
        let descriptor = self.descriptor(&handle)?;
        let left = descriptor.size_bytes().saturating_sub(offset);
        let length = length.min(READ_BYTES).min(left);
        self.meter.charge_bytes(length)?;
        let bytes = match &descriptor {
            Descriptor::InputFile { file, .. } => {
                self.inputs.read(&self.host, &mut self.meter, file, offset, length)?
            }
            Descriptor::DiskFile { file, flags, .. } if flags.contains(DescriptorFlags::READ) => {
                file.read(offset, length)
            }
            Descriptor::DiskFile { .. } => return Err(ErrorCode::BadDescriptor.into()),
            Descriptor::InputFolder { .. } | Descriptor::DiskFolder { .. } => return Err(ErrorCode::IsDirectory.into()),
        };
        Ok((bytes, length == left))
    }

    fn write(&mut self, handle: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> Fs<u64> {
        self.meter.charge_bytes(bytes.len() as u64)?;
        let descriptor = self.descriptor(&handle)?;
        let file = descriptor.writable()?;
        self.meter.charge_bytes(file.growth_to(offset)?)?;
        file.write(offset, &bytes)?;
        Ok(bytes.len() as u64)
    }

    fn read_directory(&mut self, handle: Resource<Descriptor>) -> Fs<Resource<Listing>> {
        let folder = self.descriptor(&handle)?;
        self.meter.charge(cost::OPEN)?;
        self.charge_path(&folder, "")?;
        let entries = self.list_folder(&folder)?;
        let bytes = entries.iter().map(|(name, _)| LISTED_BYTES + name.len() as u64).sum();
        let reserved = self.disk.reserve(bytes).ok_or(ErrorCode::InsufficientMemory)?;
        Ok(self.handles.push(Listing { entries: entries.into(), _reserved: reserved })?)
    }

    fn create_directory_at(&mut self, handle: Resource<Descriptor>, path: String) -> Fs<()> {
        let base = self.descriptor(&handle)?;
        self.charge_path(&base, &path)?;
        let path = base.changeable(&path)?;
        self.require_free_output(&path)?;
        Ok(self.disk.create_folder(&path)?)
    }

    fn stat(&mut self, handle: Resource<Descriptor>) -> Fs<DescriptorStat> {
        Ok(self.descriptor(&handle)?.stat())
    }

    fn stat_at(&mut self, handle: Resource<Descriptor>, _: PathFlags, path: String) -> Fs<DescriptorStat> {
        let base = self.descriptor(&handle)?;
        self.charge_path(&base, &path)?;
        Ok(self.find(&base, &path, DescriptorFlags::empty())?.stat())
    }

    fn set_times_at(
        &mut self,
        handle: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> Fs<()> {
        let base = self.descriptor(&handle)?;
        self.charge_path(&base, &path)?;
        base.changeable(&path)?;
        self.find(&base, &path, DescriptorFlags::empty()).map(drop)
    }

    fn link_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        from: String,
        _: Resource<Descriptor>,
        to: String,
    ) -> Fs<()> {
        self.meter.charge_bytes(from.len() as u64 + to.len() as u64)?;
        Err(ErrorCode::Unsupported.into())
    }

    fn open_at(
        &mut self,
        handle: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Fs<Resource<Descriptor>> {
        self.meter.charge(cost::OPEN)?;
        let base = self.descriptor(&handle)?;
        self.charge_path(&base, &path)?;
        let opened = self.open(&base, &path, open, flags)?;
        Ok(self.handles.push(opened)?)
    }

    fn readlink_at(&mut self, handle: Resource<Descriptor>, path: String) -> Fs<String> {
        let base = self.descriptor(&handle)?;
        self.charge_path(&base, &path)?;
        self.find(&base, &path, DescriptorFlags::empty())?;
        Err(ErrorCode::Invalid.into())
    }

    fn remove_directory_at(&mut self, handle: Resource<Descriptor>, path: String) -> Fs<()> {
        let base = self.descriptor(&handle)?;
        self.charge_path(&base, &path)?;
        let path = base.changeable(&path)?;
        Ok(self.disk.remove_folder(&path)?)
    }

    fn rename_at(
        &mut self,
        handle: Resource<Descriptor>,
        from: String,
        to_handle: Resource<Descriptor>,
        to: String,
    ) -> Fs<()> {
        let [base, to_base] = [self.descriptor(&handle)?, self.descriptor(&to_handle)?];
        self.charge_path(&base, &from)?;
        self.charge_path(&to_base, &to)?;
        // Moving a folder looks at everything on the disk.
        self.meter.charge(cost::ENTRY.saturating_mul(self.disk.len() as u64))?;
        let from = base.changeable(&from)?;
        let to = to_base.changeable(&to)?;
        self.require_free_output(&to)?;
        Ok(self.disk.rename(&from, &to)?)
    }

    fn symlink_at(&mut self, _: Resource<Descriptor>, from: String, to: String) -> Fs<()> {
        self.meter.charge_bytes(from.len() as u64 + to.len() as u64)?;
        Err(ErrorCode::Unsupported.into())
    }

    fn unlink_file_at(&mut self, handle: Resource<Descriptor>, path: String) -> Fs<()> {
        let base = self.descriptor(&handle)?;
        self.charge_path(&base, &path)?;
        let path = base.changeable(&path)?;
        Ok(self.disk.remove_file(&path)?)
    }

    fn is_same_object(&mut self, one: Resource<Descriptor>, other: Resource<Descriptor>) -> wasmtime::Result<bool> {
        Ok(match (self.handles.get(&one)?, self.handles.get(&other)?) {
            (Descriptor::DiskFile { file: one, .. }, Descriptor::DiskFile { file: other, .. }) => {
                Rc::ptr_eq(one, other)
            }
            (Descriptor::DiskFolder { path: one }, Descriptor::DiskFolder { path: other }) => one == other,
            (Descriptor::InputFile { path: one, .. }, Descriptor::InputFile { path: other, .. }) => one == other,
            (Descriptor::InputFolder { path: one }, Descriptor::InputFolder { path: other }) => one == other,
            _ => false,
        })
    }

    fn metadata_hash(&mut self, handle: Resource<Descriptor>) -> Fs<MetadataHashValue> {
        Ok(self.descriptor(&handle)?.metadata_hash())
    }

    fn metadata_hash_at(&mut self, handle: Resource<Descriptor>, _: PathFlags, path: String) -> Fs<MetadataHashValue> {
        let base = self.descriptor(&handle)?;
        self.charge_path(&base, &path)?;
        Ok(self.find(&base, &path, DescriptorFlags::empty())?.metadata_hash())
    }

    fn drop(&mut self, handle: Resource<Descriptor>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(handle)?)
    }
}

impl HostDirectoryEntryStream for Guest {
    fn read_directory_entry(&mut self, handle: Resource<Listing>) -> Fs<Option<DirectoryEntry>> {
        let Some((name, type_)) = self.handles.get_mut(&handle)?.entries.pop_front() else { return Ok(None) };
        self.meter.charge_bytes(name.len() as u64)?;
        Ok(Some(DirectoryEntry { type_, name }))
    }

    fn drop(&mut self, handle: Resource<Listing>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(handle)?)
    }
}
