use std::io::{self, BufWriter, Write};

use bytes::Bytes;
use cid::Cid;
use poai_store::car::{self, CarWriter};
use poai_store::{Found, Store, StoreError, Walk};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::limits::PIECE_BYTES;
use super::wanted::Scope;

/// Pieces that are written and not yet sent.
const PIECES_AHEAD: usize = 4;

/// A part of an archive.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// The archive is whole. Pieces that end without it broke off.
    End,
}

/// Why there is no archive.
#[derive(Debug)]
pub(super) enum NoArchive {
    Missing(Cid),
    TooManyBlocks,
    /// The thread that looked ended without a word.
    BrokenOff,
    Store(StoreError),
}

impl From<StoreError> for NoArchive {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Whether all that an archive would hold is here. Reads interior blocks only.
pub(super) fn check(store: &Store, root: &Cid, scope: Scope, most_blocks: u64) -> Result<(), NoArchive> {
    if scope == Scope::Block {
        return if store.has(root)? { Ok(()) } else { Err(NoArchive::Missing(*root)) };
    }
    let mut blocks = 0;
    for visit in Walk::new(store, [*root]) {
        blocks += 1;
        match visit.found {
            _ if blocks > most_blocks => return Err(NoArchive::TooManyBlocks),
            Found::Here => {}
            Found::Missing => return Err(NoArchive::Missing(visit.cid)),
            Found::Unreadable(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes an archive on a thread that may wait for the disk and for the reader. Gives its pieces once all of it
/// is known to be here; the place is given back when the last one is taken.
pub(super) async fn start(
    store: Store,
    root: Cid,
    scope: Scope,
    most_blocks: u64,
    place: OwnedSemaphorePermit,
) -> Result<mpsc::Receiver<Piece>, NoArchive> {
    let (ready, is_ready) = oneshot::channel();
    let (pieces, received) = mpsc::channel(PIECES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let in_use = store.in_use();
        in_use.hold_dag(&root);
        let checked = check(&store, &root, scope, most_blocks);
        let is_whole = checked.is_ok();
        if ready.send(checked).is_err() || !is_whole {
            return;
        }
        match write(&store, root, scope, BufWriter::with_capacity(PIECE_BYTES, PieceWriter(&pieces))) {
            // Whoever reads may have gone: then nobody misses the end.
            Ok(()) => drop(pieces.blocking_send(Piece::End)),
            Err(_) if pieces.is_closed() => tracing::debug!(%root, "the gateway's client went away"),
            Err(error) => tracing::warn!(%root, %error, "the gateway broke an archive off"),
        }
    });
    is_ready.await.unwrap_or(Err(NoArchive::BrokenOff))?;
    Ok(received)
}

fn write(store: &Store, root: Cid, scope: Scope, writer: impl Write) -> Result<(), StoreError> {
    match scope {
        Scope::All => car::export(store, &[root], writer)?,
        Scope::Block => {
            let mut archive = CarWriter::new(writer, &[root])?;
            archive.append(&store.need(&root)?)?;
            archive.finish()?
        }
    };
    Ok(())
}

/// Cuts what is written into pieces, and waits while too many are under way.
struct PieceWriter<'a>(&'a mpsc::Sender<Piece>);

impl Write for PieceWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        let sent = self.0.blocking_send(Piece::Bytes(Bytes::copy_from_slice(piece)));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
