use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cid::Cid;

use crate::block::{Address, address_of};
use crate::error::printable;
use crate::in_use::Registry;
use crate::limits::BLOCK_BYTES;
use crate::{Blocks, InUse, StoreError, Verified};

/// Bytes of an answer that is no block: small JSON, or an error.
const ANSWER_BYTES: u64 = 64 << 10;
/// Bytes of an answer's status and headers.
const HEAD_BYTES: u64 = 16 << 10;
/// What separates the parts of a posted block. It may not occur in the block: see [`boundary_for`].
const BOUNDARY: &str = "poai-block";

/// What a request to a Kubo node may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KuboLimits {
    /// To connect.
    pub connect: Duration,
    /// Between two bytes of an answer.
    pub read: Duration,
    /// For a whole request: a node that trickles is as good as one that is down.
    pub answer: Duration,
}

impl Default for KuboLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(30),
            // Pinning walks a whole DAG before it answers.
            answer: Duration::from_secs(300),
        }
    }
}

/// Blocks held by an external Kubo node, over its RPC API, unencrypted HTTP on a trusted machine.
///
/// Whatever it sends is checked against its CID, as everywhere. It is asked only for what it holds
/// itself (`offline`); its quota, collection and network are its own, so an [`InUse`] holds nothing
/// there: [`Kubo::pin`] does.
#[derive(Clone, Debug)]
pub struct Kubo {
    address: String,
    limits: KuboLimits,
    in_use: Arc<Registry>,
}

impl Kubo {
    /// A node by its RPC address, `HOST:PORT`; nothing is asked yet.
    #[must_use]
    pub fn new(address: impl Into<String>, limits: KuboLimits) -> Self {
        Self { address: address.into(), limits, in_use: Arc::default() }
    }

    /// Has the node keep a block and all that is reachable from it.
    ///
    /// # Errors
    /// [`StoreError::Kubo`], also if the node lacks a block of it.
    pub fn pin(&self, cid: &Cid) -> Result<(), StoreError> {
        self.expect_ok(&format!("pin/add?offline=true&arg={cid}"), &[]).map(drop)
    }

    /// Ends the pin.
    ///
    /// # Errors
    /// [`StoreError::Kubo`], also if there is none.
    pub fn unpin(&self, cid: &Cid) -> Result<(), StoreError> {
        self.expect_ok(&format!("pin/rm?arg={cid}"), &[]).map(drop)
    }

    /// What the node says it is, for instance `0.39.0`: it answers, and speaks this API.
    ///
    /// # Errors
    /// [`StoreError::Kubo`].
    pub fn version(&self) -> Result<String, StoreError> {
        let body = self.expect_ok("version?number=true", &[])?;
        let text = String::from_utf8_lossy(&body);
        let version = text.split_once("\"Version\":").and_then(|(_, rest)| rest.split('"').nth(1));
        version.map(printable).ok_or_else(|| self.error(format!("an answer without a version: {text}")))
    }

    fn expect_ok(&self, call: &str, body: &[u8]) -> Result<Vec<u8>, StoreError> {
        let answer = self.post(call, body)?;
        if answer.status != 200 {
            return Err(self.error(answer.message()));
        }
        Ok(answer.body)
    }

    /// What is there; none if the node says that it has no such block.
    fn look_up(&self, call: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let answer = self.post(call, &[])?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            500 if answer.message().contains("not found") => Ok(None),
            _ => Err(self.error(answer.message())),
        }
    }

    fn post(&self, call: &str, body: &[u8]) -> Result<Answer, StoreError> {
        self.exchange(call, body).map_err(|error| self.error(plain(&error)))
    }

    fn exchange(&self, call: &str, body: &[u8]) -> std::io::Result<Answer> {
        let address = self.address.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
        let deadline = Instant::now() + self.limits.answer;
        let stream = TcpStream::connect_timeout(&address, self.limits.connect)?;
        stream.set_write_timeout(Some(self.limits.read))?;
        let mut stream = Timed { stream, read: self.limits.read, deadline };
        let boundary = boundary_for(body);
        let (before, after) = if body.is_empty() {
            (String::new(), String::new())
        } else {
            let part = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"data\"; filename=\"block\"\r\nContent-Type: application/octet-stream\r\n\r\n"
            );
            (part, format!("\r\n--{boundary}--\r\n"))
        };
        let length = before.len() + body.len() + after.len();
        let head = format!(
            "POST /api/v0/{call} HTTP/1.1\r\nHost: {}\r\nUser-Agent: poai\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {length}\r\n\r\n",
            self.address
        );
        for part in [head.as_bytes(), before.as_bytes(), body, after.as_bytes()] {
            stream.stream.write_all(part)?;
        }
        Answer::read(BufReader::new(stream))
    }

    fn error(&self, reason: String) -> StoreError {
        StoreError::Kubo { address: printable(&self.address), reason: printable(&reason) }
    }
}

impl Blocks for Kubo {
    fn size(&self, cid: &Cid) -> Result<Option<u64>, StoreError> {
        if let Address::Inline(bytes) = address_of(cid)? {
            return Ok(Some(bytes.len() as u64));
        }
        let Some(body) = self.look_up(&format!("block/stat?offline=true&arg={cid}"))? else { return Ok(None) };
        let text = String::from_utf8_lossy(&body);
        let size = text
            .split_once("\"Size\":")
            .and_then(|(_, rest)| rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        size.map(Some).ok_or_else(|| self.error(format!("an answer without a size: {text}")))
    }

    fn get(&self, cid: &Cid) -> Result<Option<Verified>, StoreError> {
        if let Address::Inline(bytes) = address_of(cid)? {
            return Verified::check(cid, bytes::Bytes::copy_from_slice(bytes)).map(Some);
        }
        let found = self.look_up(&format!("block/get?offline=true&arg={cid}"))?;
        found.map(|bytes| Verified::check(cid, bytes)).transpose()
    }

    fn put(&self, block: &Verified) -> Result<(), StoreError> {
        if let Address::Inline(_) = address_of(block.cid())? {
            return Ok(());
        }
        let codec = match block.cid().codec() {
            crate::RAW => "raw",
            crate::DAG_PB => "dag-pb",
            crate::DAG_CBOR => "dag-cbor",
            codec => return Err(StoreError::UnsupportedCodec { cid: *block.cid(), codec }),
        };
        self.expect_ok(&format!("block/put?allow-big-block=true&mhtype=sha2-256&cid-codec={codec}"), block.bytes())
            .map(drop)
    }

    /// The node makes durable what it takes, by its own configuration.
    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn in_use(&self) -> InUse {
        self.in_use.guard()
    }
}

/// A stream that is read for so long and no longer.
struct Timed {
    stream: TcpStream,
    read: Duration,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "it took too long to answer"));
        }
        self.stream.set_read_timeout(Some(left.min(self.read)))?;
        self.stream.read(buffer).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => std::io::Error::new(std::io::ErrorKind::TimedOut, "it stopped answering"),
            _ => error,
        })
    }
}

/// What the node said.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn read(mut stream: impl BufRead) -> std::io::Result<Self> {
        let mut head = (&mut stream).take(HEAD_BYTES);
        let status_line = line(&mut head)?;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| bad("it speaks no HTTP"))?;
        let (mut length, mut chunked) = (None, false);
        loop {
            let header = line(&mut head)?.to_ascii_lowercase();
            match header.split_once(':') {
                None => break,
                Some(("content-length", value)) => {
                    length = Some(value.trim().parse::<u64>().map_err(|_| bad("its content-length is no number"))?)
                }
                Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
                Some(_) => {}
            }
        }
        let limit = BLOCK_BYTES.max(ANSWER_BYTES);
        let body = if chunked { read_chunks(&mut stream, limit)? } else { read_body(&mut stream, length, limit)? };
        Ok(Self { status, body })
    }

    /// An error's text, which Kubo sends as JSON `{"Message": …}`.
    fn message(&self) -> String {
        format!("status {}: {}", self.status, String::from_utf8_lossy(&self.body[..self.body.len().min(1_024)]))
    }
}

fn read_body(stream: &mut impl Read, length: Option<u64>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    stream.take(length.unwrap_or(limit + 1).min(limit + 1)).read_to_end(&mut body)?;
    match length {
        _ if body.len() as u64 > limit => Err(bad("its answer is larger than a block")),
        Some(length) if (body.len() as u64) < length => Err(bad("its answer ends early")),
        _ => Ok(body),
    }
}

fn read_chunks(stream: &mut impl BufRead, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let head = line(&mut stream.take(64))?;
        let size = u64::from_str_radix(head.split(';').next().unwrap_or("").trim(), 16)
            .map_err(|_| bad("a chunk of its answer has no size"))?;
        if size > limit - body.len() as u64 {
            return Err(bad("its answer is larger than a block"));
        }
        let start = body.len() as u64;
        stream.take(size).read_to_end(&mut body)?;
        if body.len() as u64 - start < size {
            return Err(bad("its answer ends early"));
        }
        line(&mut stream.take(2))?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// A line, without its end.
fn line(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    stream.read_line(&mut text)?;
    text.strip_suffix('\n')
        .map(|line| line.trim_end_matches('\r').to_owned())
        .ok_or_else(|| bad("its answer ends inside a line, or has too long a one"))
}

/// A boundary that the body does not have.
fn boundary_for(body: &[u8]) -> String {
    let mut boundary = BOUNDARY.to_owned();
    while body.windows(boundary.len()).any(|window| window == boundary.as_bytes()) {
        boundary.push('-');
    }
    boundary
}

/// The system's words for an error, without the number that Rust adds.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn bad(reason: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_within_limits() {
        let big = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 3 << 20);
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Ok("hi")),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n", Ok("hi")),
            ("HTTP/1.1 200 OK\r\n\r\nhi", Ok("hi")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Err("its answer ends early")),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                Err("its answer is larger than a block"),
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Err("a chunk of its answer has no size")),
            ("SSH-2.0\r\n\r\n", Err("it speaks no HTTP")),
            ("HTTP/1.1 200 OK", Err("its answer ends inside a line, or has too long a one")),
            (&big, Err("its answer ends early")),
        ] {
            let found = Answer::read(answer.as_bytes()).map(|answer| String::from_utf8(answer.body).unwrap());
            assert_eq!(found.as_deref().map_err(ToString::to_string), expected.map_err(str::to_owned), "{answer}");
        }
        let flood = "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"x".repeat((2 << 20) + 1);
        assert!(Answer::read(flood.as_bytes()).is_err());
        let endless_head = "HTTP/1.1 200 OK\r\n".to_owned() + &"a: b\r\n".repeat(10_000);
        assert!(Answer::read(endless_head.as_bytes()).is_err());
    }

    #[test]
    fn a_boundary_does_not_occur_in_the_block() {
        assert_eq!(boundary_for(b""), "poai-block");
        assert_eq!(boundary_for(b"x poai-block-- y"), "poai-block---");
    }
}
