use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Ends an attempt from another thread. Clones share one state; once cancelled, always cancelled.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cancelled: AtomicBool,
    // Readable once cancelled, so that whoever waits for a worker also wakes for this.
    event: OwnedFd,
}

impl Cancel {
    /// Not cancelled. Takes one descriptor, and fails if there is none left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Inner { cancelled: AtomicBool::new(false), event })))
    }

    /// The attempt's worker is killed at once; the attempt ends as [`Fault::Cancelled`](crate::Fault::Cancelled).
    pub fn cancel(&self) {
        if !self.0.cancelled.swap(true, Ordering::SeqCst) {
            rustix::io::write(&self.0.event, &1_u64.to_ne_bytes()).expect("a new eventfd has room for one");
        }
    }

    /// Whether anyone has cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    pub(super) fn event(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}
