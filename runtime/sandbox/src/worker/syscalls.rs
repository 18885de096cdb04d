//! The two system calls of a starting worker that no safe function offers.
#![expect(unsafe_code, reason = "closing descriptors that nobody owns, and leaving namespaces")]

use std::io;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// The first descriptor after standard input, output and error.
const FIRST_INHERITED: libc::c_uint = 3;

/// Closes every descriptor but standard input, output and error.
///
/// To be called first of all in a process: what it closes must belong to nothing that runs.
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: the worker has just been executed and has opened nothing, so no object owns any of these descriptors.
    let result = unsafe { libc::close_range(FIRST_INHERITED, libc::c_uint::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Leaves the namespaces of the parent for new, empty ones.
pub(super) fn leave_namespaces(flags: UnshareFlags) -> io::Result<()> {
    assert!(!flags.contains(UnshareFlags::FILES), "the descriptor table stays shared by all threads");
    // SAFETY: only `FILES` has a condition, and it was excluded above.
    unsafe { unshare_unsafe(flags) }.map_err(io::Error::from)
}
