use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::thread;

use super::super::protocol::{FromWorker, ToWorker};
use super::*;
use crate::sealed::SealedFile;

fn pair() -> (Channel, Channel) {
    let (one, other) = UnixStream::pair().unwrap();
    (Channel::new(one.into()), Channel::new(other.into()))
}

/// Long enough for the busiest machine: it only keeps a broken test from hanging.
fn soon() -> Patience<'static> {
    Patience::until(Instant::now() + Duration::from_secs(60))
}

/// A channel, and the bare socket at its other end.
fn bare() -> (UnixStream, Channel) {
    let (one, other) = UnixStream::pair().unwrap();
    (one, Channel::new(other.into()))
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

#[test]
fn messages_and_their_descriptors_arrive_in_order() {
    let (mut daemon, mut worker) = pair();
    for number in 0..300_u64 {
        let sealed = SealedFile::from_bytes("test", &number.to_be_bytes()).unwrap();
        daemon.send(&ToWorker::Payload { offset: number, bytes: 8 }, Some(sealed.as_fd()), &soon()).unwrap();
        let missing = ToWorker::Missing(crate::Fault::Cancelled);
        daemon.send(&missing, None, &soon()).unwrap();
        let (message, descriptor) = worker.receive::<ToWorker>(&soon()).unwrap();
        assert_eq!(message, ToWorker::Payload { offset: number, bytes: 8 });
        let mut bytes = [0; 8];
        File::from(descriptor.unwrap()).read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(u64::from_be_bytes(bytes), number);
        assert_eq!(worker.receive::<ToWorker>(&soon()).unwrap().0, missing);
    }
    assert!(worker.is_quiet() && daemon.is_quiet());
}

#[test]
fn messages_larger_than_the_socket_s_buffer_wait_for_the_reader() {
    let (mut daemon, mut worker) = pair();
    let large = |number: u8| FromWorker::Code(vec![number; 3 << 20]);
    thread::scope(|scope| {
        scope.spawn(|| (0..4).for_each(|number| worker.send(&large(number), None, &soon()).unwrap()));
        for number in 0..4 {
            assert_eq!(daemon.receive::<FromWorker>(&soon()).unwrap().0, large(number));
        }
    });
}

#[test]
fn a_frame_may_come_byte_by_byte() {
    let (mut socket, mut channel) = bare();
    let bytes = frame(&protocol::encode(&FromWorker::Code(vec![1; 20])).unwrap());
    thread::scope(|scope| {
        scope.spawn(move || bytes.iter().for_each(|byte| socket.write_all(&[*byte]).unwrap()));
        assert_eq!(channel.receive::<FromWorker>(&soon()).unwrap().0, FromWorker::Code(vec![1; 20]));
    });
}

#[test]
fn what_is_no_frame_ends_the_conversation() {
    let endless = [&u32::MAX.to_be_bytes()[..], &[0; 100]].concat();
    for (bytes, expected) in [
        (Vec::new(), "the other side is gone"),
        (vec![0, 0], "the other side is gone"),
        (frame(b"\xf6"), "it broke the protocol: not a valid worker message"),
        (frame(b""), "it broke the protocol: not a valid worker message"),
        (frame(&[0x61; 50]), "it broke the protocol: not a valid worker message"),
        (endless, "it broke the protocol: a message of 4294967295 bytes is over the limit of 8388608"),
    ] {
        let (mut socket, mut channel) = bare();
        socket.write_all(&bytes).unwrap();
        drop(socket);
        let error = channel.receive::<FromWorker>(&soon()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(channel.incoming.len() <= 2 * READ_BYTES, "an announcement alone took memory");
    }
}

#[test]
fn a_message_without_its_descriptor_is_refused() {
    let (mut socket, mut channel) = bare();
    socket.write_all(&frame(&protocol::encode(&ToWorker::Payload { offset: 0, bytes: 0 }).unwrap())).unwrap();
    assert!(matches!(channel.receive::<ToWorker>(&soon()), Err(ChannelError::Descriptor)));
}

#[test]
fn descriptors_that_belong_to_no_message_are_refused() {
    let (socket, mut channel) = bare();
    let file = SealedFile::from_bytes("test", b"").unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let three = [file.as_fd(); 3];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&three)));
    let body = frame(&protocol::encode(&FromWorker::Loaded).unwrap());
    sendmsg(&socket, &[IoSlice::new(&body)], &mut ancillary, SendFlags::empty()).unwrap();
    assert!(matches!(channel.receive::<FromWorker>(&soon()), Err(ChannelError::Descriptor)));
}

#[test]
fn patience_ends() {
    let (mut daemon, _worker) = pair();
    let short = Patience::until(Instant::now() + Duration::from_millis(20));
    assert!(matches!(daemon.receive::<FromWorker>(&short), Err(ChannelError::Deadline)));

    let cancel = Cancel::new().unwrap();
    let cancels = [&cancel];
    let patience = Patience { deadline: None, cancels: &cancels };
    thread::scope(|scope| {
        // Whether it comes before the wait or during it: the wait ends.
        scope.spawn(|| cancel.cancel());
        assert!(matches!(daemon.receive::<FromWorker>(&patience), Err(ChannelError::Cancelled)));
    });
    // A reader that does not read.
    let large = ToWorker::Missing(crate::Fault::Content { reason: "x".repeat(4 << 20) });
    assert!(matches!(daemon.send(&large, None, &patience), Err(ChannelError::Cancelled)));
}
