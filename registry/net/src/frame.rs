//! Messages on a stream: an unsigned varint of their length, then that many bytes.

use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::NetError;

/// A limit on messages, with the name that an error gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameLimit {
    pub(crate) name: &'static str,
    pub(crate) bytes: usize,
}

/// Bytes of the longest length: a varint of 63 bits.
const LENGTH_BYTES: usize = 9;
/// Bytes after which a reader is told that something has come.
const PART_BYTES: usize = 256 << 10;

/// Reads one message; none if the stream ended before its first byte.
pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S, limit: FrameLimit) -> Result<Option<Vec<u8>>, NetError> {
    match read_length(stream, limit).await? {
        Some(length) => Ok(Some(read_body(stream, length, || {}).await?)),
        None => Ok(None),
    }
}

/// Reads the length of the next message, and refuses one over the limit; none if the stream ended.
pub(crate) async fn read_length<S: AsyncRead + Unpin>(
    stream: &mut S,
    limit: FrameLimit,
) -> Result<Option<usize>, NetError> {
    match read_varint(stream).await? {
        Some(found) if found > limit.bytes as u64 => {
            Err(NetError::MessageTooLarge { limit: limit.name, allowed: limit.bytes, found })
        }
        length => Ok(length.map(|length| length as usize)),
    }
}

/// Reads the message itself, and calls `heard` whenever a part of it has come.
pub(crate) async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    length: usize,
    mut heard: impl FnMut(),
) -> Result<Vec<u8>, NetError> {
    let mut bytes = vec![0; length];
    for part in bytes.chunks_mut(PART_BYTES) {
        stream.read_exact(part).await?;
        heard();
    }
    Ok(bytes)
}

/// Reads one message and keeps nothing of it.
pub(crate) async fn skip<S: AsyncRead + Unpin>(stream: &mut S, limit: FrameLimit) -> Result<(), NetError> {
    let length = read_length(stream, limit).await?.unwrap_or_default();
    futures::io::copy(stream.take(length as u64), &mut futures::io::sink()).await?;
    Ok(())
}

async fn read_varint<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<u64>, NetError> {
    let mut length = 0;
    for index in 0..LENGTH_BYTES {
        let mut byte = [0];
        match stream.read_exact(&mut byte).await {
            Err(error) if index == 0 && error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        length |= u64::from(byte[0] & 0x7f) << (7 * index);
        if byte[0] & 0x80 == 0 {
            return Ok(Some(length));
        }
    }
    Err(NetError::Malformed { protocol: "length-prefixed messages", reason: "a length has more than 63 bits".into() })
}

/// Writes one message, given in parts, and flushes. What is written in `within` counts; else the other
/// side does not read, and the stream is of no more use.
pub(crate) async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    parts: &[impl AsRef<[u8]>],
    within: Duration,
) -> Result<(), NetError> {
    let length: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    let mut buffer = unsigned_varint::encode::usize_buffer();
    let header = unsigned_varint::encode::usize(length, &mut buffer);
    let writing = async {
        stream.write_all(header).await?;
        for part in parts {
            stream.write_all(part.as_ref()).await?;
        }
        stream.flush().await
    };
    match tokio::time::timeout(within, writing).await {
        Ok(written) => Ok(written?),
        Err(_) => Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "the other side does not read").into()),
    }
}
