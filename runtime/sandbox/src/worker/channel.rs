use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::cancel::Cancel;
use super::protocol::{self, MESSAGE_BYTES, Message, ProtocolError};

const LENGTH_BYTES: usize = 4;
/// Bytes asked of the kernel at once.
const READ_BYTES: usize = 256 << 10;

/// One end of the socket between daemon and worker.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
    // What has arrived and was not decoded yet: `incoming[start..end]`.
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    descriptors: VecDeque<OwnedFd>,
}

/// Why nothing could be sent or received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    #[error("the other side is gone")]
    Closed,
    #[error("the deadline has passed")]
    Deadline,
    #[error("cancelled")]
    Cancelled,
    #[error("it broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    #[error("it broke the protocol: a message came without its descriptor, or one without a message")]
    Descriptor,
    #[error("it broke the protocol: it {0}")]
    Conduct(&'static str),
    #[error("the socket between daemon and worker: {0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for ChannelError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::PIPE | Errno::CONNRESET => Self::Closed,
            other => Self::Io(other.into()),
        }
    }
}

/// How long to wait for the other side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience<'a> {
    /// For ever, if none.
    pub(crate) deadline: Option<Instant>,
    /// Until any of these is cancelled.
    pub(crate) cancels: &'a [&'a Cancel],
}

impl Patience<'_> {
    /// As long as it takes.
    pub(crate) const FOREVER: Self = Self { deadline: None, cancels: &[] };

    // The kernel itself can wait then: one call instead of three.
    fn is_endless(&self) -> bool {
        self.deadline.is_none() && self.cancels.is_empty()
    }

    /// Until a moment.
    #[cfg(test)]
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), cancels: &[] }
    }

    fn wait_for(&self, socket: BorrowedFd<'_>, events: PollFlags) -> Result<(), ChannelError> {
        if self.cancels.iter().any(|cancel| cancel.is_cancelled()) {
            return Err(ChannelError::Cancelled);
        }
        let mut waited = Vec::with_capacity(1 + self.cancels.len());
        waited.push(PollFd::from_borrowed_fd(socket, events));
        waited.extend(self.cancels.iter().map(|cancel| PollFd::from_borrowed_fd(cancel.event(), PollFlags::IN)));
        let timeout = match self.deadline {
            None => None,
            Some(deadline) => match deadline.checked_duration_since(Instant::now()) {
                None | Some(Duration::ZERO) => return Err(ChannelError::Deadline),
                Some(left) => Some(Timespec {
                    tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                    tv_nsec: left.subsec_nanos().into(),
                }),
            },
        };
        match poll(&mut waited, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, incoming: vec![0; READ_BYTES], start: 0, end: 0, descriptors: VecDeque::new() }
    }

    /// Sends a message, with the descriptor that belongs to it.
    pub(crate) fn send<M: Message>(
        &mut self,
        message: &M,
        descriptor: Option<BorrowedFd<'_>>,
        patience: &Patience<'_>,
    ) -> Result<(), ChannelError> {
        assert_eq!(message.has_descriptor(), descriptor.is_some(), "a descriptor goes with the messages that have one");
        let body = protocol::encode(message)?;
        let length = u32::try_from(body.len()).expect("a message is shorter than 4 GiB").to_be_bytes();
        let whole = length.len() + body.len();
        let mut sent = 0;
        while sent < whole {
            let head = &length[sent.min(length.len())..];
            let rest = &body[sent.saturating_sub(length.len())..];
            // The descriptor travels with the first bytes.
            let attached = descriptor.filter(|_| sent == 0);
            match send_once(self.socket.as_fd(), head, rest, attached) {
                Ok(bytes) => sent += bytes,
                Err(Errno::AGAIN) => patience.wait_for(self.socket.as_fd(), PollFlags::OUT)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Receives the next message, and the descriptor that belongs to it.
    pub(crate) fn receive<M: Message>(
        &mut self,
        patience: &Patience<'_>,
    ) -> Result<(M, Option<OwnedFd>), ChannelError> {
        loop {
            if let Some(length) = self.frame_length()?
                && self.end - self.start >= LENGTH_BYTES + length
            {
                let body = self.start + LENGTH_BYTES;
                let message: M = protocol::decode(&self.incoming[body..body + length])?;
                self.start = body + length;
                let descriptor = if message.has_descriptor() {
                    Some(self.descriptors.pop_front().ok_or(ChannelError::Descriptor)?)
                } else {
                    None
                };
                return Ok((message, descriptor));
            }
            match self.receive_once(patience.is_endless()) {
                Ok(()) => {}
                Err(ChannelError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    patience.wait_for(self.socket.as_fd(), PollFlags::IN)?
                }
                Err(ChannelError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the other side is there and has nothing to say, as it should be between orders.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut socket = [PollFd::new(&self.socket, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.start == self.end && matches!(poll(&mut socket, Some(&at_once)), Ok(0))
    }

    fn frame_length(&self) -> Result<Option<usize>, ChannelError> {
        let Some(length) = self.incoming[self.start..self.end].first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MESSAGE_BYTES {
            return Err(ProtocolError::TooLarge { bytes: length }.into());
        }
        Ok(Some(length))
    }

    fn receive_once(&mut self, wait: bool) -> Result<(), ChannelError> {
        self.incoming.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        // Grows only by what really arrives: a worker cannot make the daemon set 8 MiB aside by announcing them.
        if self.incoming.len() - self.end < READ_BYTES / 2 {
            self.incoming.resize(self.end + READ_BYTES, 0);
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut pieces = [IoSliceMut::new(&mut self.incoming[self.end..])];
        let flags = if wait { RecvFlags::CMSG_CLOEXEC } else { RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT };
        let received = recvmsg(&self.socket, &mut pieces, &mut ancillary, flags)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        // One message at a time has a descriptor, so a second one, or one that was cut off, belongs to none.
        if received.flags.contains(ReturnFlags::CTRUNC) || self.descriptors.len() > 1 {
            return Err(ChannelError::Descriptor);
        }
        if received.bytes == 0 {
            return Err(ChannelError::Closed);
        }
        self.end += received.bytes;
        Ok(())
    }
}

fn send_once(
    socket: BorrowedFd<'_>,
    head: &[u8],
    body: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let attached = descriptor.as_slice();
    if !attached.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(attached)), "there is space for one descriptor");
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(head), IoSlice::new(body)], &mut ancillary, flags)
}

#[cfg(test)]
mod tests;
