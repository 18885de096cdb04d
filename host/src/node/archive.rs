use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cid::Cid;
use poai_store::car::{self, CarLimits};
use poai_store::unixfs::{self, ImportLimits, Written};
use poai_store::{InUse, Pin, PinMode};
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::control::{Answer, ExportAnswer, ImportAnswer};
use crate::errors::{Failure, Kind};
use crate::events::{Event, Events};

/// Why imported content is kept.
const IMPORT: &str = "import";
/// Bytes between two words about a long file.
const EVERY_BYTES: u64 = 4 << 20;
/// Bytes that are read or written at once.
const BUFFER_BYTES: usize = 1 << 20;

impl Node {
    /// Writes objects and all that they link to into an archive; it appears whole, or not at all.
    pub(super) async fn export(
        self: &Arc<Self>,
        names: &[String],
        output: PathBuf,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let mut roots = Vec::new();
        for name in names {
            let cid = self.cid_of_name(name)?;
            self.bring(cid, &[], events, cancel).await?;
            roots.extend(self.with_signatures(cid)?);
        }
        let shown = output.clone();
        let summary = self.blocking(move |node| write_archive(node, &roots, &output)).await?;
        Ok(Answer::Exported(ExportAnswer {
            output: shown.display().to_string(),
            roots: summary.roots.iter().map(Cid::to_string).collect(),
            blocks: summary.blocks,
            bytes: summary.bytes,
        }))
    }

    /// A CID, after the envelopes that sign it as far as this home has them: whoever gets the archive
    /// can check who said it.
    fn with_signatures(&self, cid: Cid) -> Result<Vec<Cid>, Failure> {
        let mut roots = Vec::new();
        roots.extend(
            self.records.packages()?.into_iter().filter(|record| record.package == cid).map(|record| record.envelope),
        );
        roots.extend(self.envelopes_of_receipt(cid)?);
        roots.push(cid);
        Ok(roots)
    }

    /// Takes files, folders and archives in, and keeps them.
    pub(super) async fn import(
        self: &Arc<Self>,
        paths: Vec<(PathBuf, bool)>,
        events: &Events,
    ) -> Result<Answer, Failure> {
        let mut answer = ImportAnswer { roots: Vec::new(), blocks: 0, bytes: 0 };
        let in_use = self.store.in_use();
        for (path, is_archive) in paths {
            let before = self.store.usage().blocks;
            let (roots, bytes) = if is_archive {
                let summary = self.take_in_archive(&path, &in_use).await?;
                (summary.roots, summary.bytes)
            } else {
                let written = self.take_in_content(&path, &in_use, events).await?;
                (vec![written.cid], written.size_bytes)
            };
            self.pin_all(roots.clone()).await?;
            answer.roots.extend(roots.iter().map(Cid::to_string));
            answer.blocks += self.store.usage().blocks.saturating_sub(before);
            answer.bytes += bytes;
        }
        Ok(Answer::Imported(answer))
    }

    async fn pin_all(self: &Arc<Self>, roots: Vec<Cid>) -> Result<(), Failure> {
        let pin = |cid| Pin { cid, mode: PinMode::Recursive, name: IMPORT.into(), until: None };
        self.blocking(move |node| Ok(roots.into_iter().map(pin).try_for_each(|pin| node.store.pin(&pin))?)).await
    }

    /// Takes an archive in. What its blocks say is not looked at here, only that they are what their CIDs say.
    pub(super) async fn take_in_archive(
        self: &Arc<Self>,
        path: &Path,
        in_use: &InUse,
    ) -> Result<car::CarSummary, Failure> {
        let (path, in_use) = (path.to_owned(), in_use.clone());
        self.blocking(move |node| {
            let file = File::open(&path).map_err(|error| Failure::file("read", &path, &error))?;
            let reader = BufReader::with_capacity(BUFFER_BYTES, file);
            let summary = car::import(&node.store, reader, &CarLimits::default(), &in_use);
            let summary = summary.map_err(|error| {
                let failure = Failure::from(error);
                // A block that is not there is the archive's flaw, not a name that nobody knows.
                let kind = if failure.kind == Kind::NotFound { Kind::BadInput } else { failure.kind };
                Failure { kind, message: format!("{}: {}", path.display(), failure.message), ..failure }
            })?;
            node.store.sync()?;
            Ok(summary)
        })
        .await
    }

    /// Takes a file or folder in, and tells how far it is.
    pub(super) async fn take_in_content(
        self: &Arc<Self>,
        path: &Path,
        in_use: &InUse,
        events: &Events,
    ) -> Result<Written, Failure> {
        let (path, in_use, events) = (path.to_owned(), in_use.clone(), events.clone());
        self.blocking(move |node| {
            let about = std::fs::metadata(&path).map_err(|error| Failure::file("read", &path, &error))?;
            let limits = ImportLimits::default();
            if !about.is_file() {
                return Ok(unixfs::import(&node.store, &path, &limits, &in_use)?.written);
            }
            let file = File::open(&path).map_err(|error| Failure::file("read", &path, &error))?;
            let what = path.display().to_string();
            let mut reader = Told { inner: file, events, what, done: 0, told: 0, total: about.len() };
            Ok(unixfs::import_reader(&node.store, &mut reader, &path, limits.bytes, &in_use)?)
        })
        .await
    }
}

fn write_archive(node: &Node, roots: &[Cid], output: &Path) -> Result<car::CarSummary, Failure> {
    let failed = |error: &std::io::Error| Failure::file("write", output, error);
    let folder = output
        .parent()
        .ok_or_else(|| Failure::new(Kind::BadInput, format!("{} is no file's path", output.display())))?;
    let draft = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    let summary = car::export(&node.store, roots, BufWriter::with_capacity(BUFFER_BYTES, draft.as_file()))?;
    draft.as_file().sync_all().map_err(|error| failed(&error))?;
    draft.persist(output).map_err(|error| failed(&error.error))?;
    Ok(summary)
}

/// A reader that tells how far it is.
struct Told<R> {
    inner: R,
    events: Events,
    what: String,
    done: u64,
    told: u64,
    total: u64,
}

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.done += count as u64;
        let is_long = self.total > EVERY_BYTES;
        if is_long && (count == 0 || self.done - self.told >= EVERY_BYTES) {
            self.told = self.done;
            let event = Event::Importing {
                what: self.what.clone(),
                done_bytes: self.done,
                total_bytes: Some(self.total.max(self.done)),
            };
            self.events.send(event);
        }
        Ok(count)
    }
}
