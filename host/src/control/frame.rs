//! Frames on the control socket: a length of 4 bytes, big-endian, then canonical CBOR.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Answer, Request};
use crate::errors::{Failure, Kind};
use crate::events::Event;

/// Bytes of one frame. The largest are listings, which are cut to fit.
pub(super) const MAX_FRAME_BYTES: usize = 8 << 20;

/// What a command sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FromClient {
    Hello {
        version: u32,
    },
    Request(Box<Request>),
    /// Whoever asked no longer wants it.
    Cancel,
}

/// What a node sends: its hello, then events, then one end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FromNode {
    Hello { version: u32, program: String, process: u32 },
    Event(Event),
    Done(Answer),
    Failed(Failure),
}

pub(super) async fn write<T: Serialize>(stream: &mut (impl AsyncWrite + Unpin), value: &T) -> io::Result<()> {
    let body =
        serde_ipld_dagcbor::to_vec(value).map_err(|error| io::Error::other(format!("it cannot be sent: {error}")))?;
    if body.len() > MAX_FRAME_BYTES {
        return Err(io::Error::other(format!(
            "a frame of {} bytes is over the limit of {MAX_FRAME_BYTES}",
            body.len()
        )));
    }
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
    frame.extend_from_slice(&body);
    stream.write_all(&frame).await
}

/// The next frame; `None` at a clean end.
pub(super) async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<T>, Failure> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(broken(&error.to_string())),
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(broken(&format!("a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.map_err(|error| broken(&error.to_string()))?;
    serde_ipld_dagcbor::from_slice(&body).map(Some).map_err(|error| broken(&error.to_string()))
}

pub(super) fn broken(reason: &str) -> Failure {
    Failure::new(Kind::OtherVersion, format!("the control socket: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back_as_they_went() {
        let (mut near, mut far) = tokio::io::duplex(64);
        let sent = tokio::spawn(async move {
            write(&mut near, &FromClient::Hello { version: 7 }).await.unwrap();
            write(&mut near, &FromClient::Cancel).await.unwrap();
        });
        assert!(matches!(read(&mut far).await.unwrap(), Some(FromClient::Hello { version: 7 })));
        assert!(matches!(read(&mut far).await.unwrap(), Some(FromClient::Cancel)));
        assert!(read::<FromClient>(&mut far).await.unwrap().is_none());
        sent.await.unwrap();
    }

    #[tokio::test]
    async fn broken_frames_are_refused_with_words() {
        for (bytes, words) in [
            (&[0xff, 0xff, 0xff, 0xff][..], "over the limit"),
            (&[0, 0, 0, 9, 1][..], "the control socket: "),
            (&[0, 0, 0, 1, 0xff][..], "the control socket: "),
        ] {
            let error = read::<FromClient>(&mut &*bytes).await.unwrap_err();
            assert!(error.message.contains(words), "{}", error.message);
        }
    }
}
