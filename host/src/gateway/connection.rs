use std::io;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::Shared;
use super::answer::{answer, not_modified};
use super::archive::Piece;
use super::head::{self, Head, Method};
use super::limits::{GatewayLimits, PIECE_BYTES};
use super::response::{Body, Refusal, Response, Status};
use super::wanted::Wanted;

/// Bytes that are read at once.
const READ_BYTES: usize = 4 << 10;
/// How long, and how much, is still read from a client that is not listened to, so that it reads its answer: a
/// connection that is closed with unread bytes takes the answer back.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;

/// Answers one client's requests until it, its slowness or the gateway ends.
pub(super) async fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    let mut first_byte_within = shared.limits.head_time;
    loop {
        let read = tokio::select! {
            read = read_head(&mut stream, &mut unread, first_byte_within, &shared.limits) => read?,
            () = shared.stop.cancelled() => return Ok(()),
        };
        let (head, response) = match read {
            Read::Head(head) => {
                let response = respond(&head, shared).await.unwrap_or_else(Response::from);
                (head, response)
            }
            Read::Refused(refusal) => (Head::unknown(), refusal.into()),
            Read::Gone => return Ok(()),
        };
        let is_last = !head.keep_alive || shared.stop.is_cancelled();
        send(&mut stream, &head, response, is_last, shared.limits.piece_time).await?;
        if is_last {
            return linger(stream).await;
        }
        first_byte_within = shared.limits.idle_time;
    }
}

enum Read {
    Head(Head),
    /// What came is no request; nothing behind it can be understood.
    Refused(Refusal),
    /// The client said nothing more.
    Gone,
}

/// Reads until a head is whole; what follows it stays unread.
async fn read_head(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
    first_byte_within: Duration,
    limits: &GatewayLimits,
) -> io::Result<Read> {
    let mut until = Instant::now() + if unread.is_empty() { first_byte_within } else { limits.head_time };
    loop {
        match head::parse(unread, limits) {
            Ok(Some((head, length))) => {
                unread.drain(..length);
                return Ok(Read::Head(head));
            }
            Ok(None) => {}
            Err(refusal) => return Ok(Read::Refused(refusal)),
        }
        let had = unread.len();
        unread.reserve(READ_BYTES);
        // A connection that breaks is a client that has gone.
        match timeout_at(until, stream.read_buf(unread)).await.map(Result::unwrap_or_default) {
            Ok(0) => return Ok(Read::Gone),
            Ok(_) if had == 0 => until = until.min(Instant::now() + limits.head_time),
            Ok(_) => {}
            Err(_) if had == 0 => return Ok(Read::Gone),
            Err(_) => {
                let text =
                    format!("the request took longer than the limit head_time, {} s", limits.head_time.as_secs());
                return Ok(Read::Refused(Refusal::new(Status::RequestTimeout, text)));
            }
        }
    }
}

async fn respond(head: &Head, shared: &Shared) -> Result<Response, Refusal> {
    if head.method == Method::Other {
        return Err(Refusal::new(Status::MethodNotAllowed, "this gateway is only read from: GET or HEAD"));
    }
    let wanted = Wanted::parse(&head.target, &head.accept)?;
    let etag = wanted.etag();
    if head.if_none_match.split(',').any(|known| known.trim().trim_start_matches("W/") == etag) {
        return Ok(not_modified(&wanted));
    }
    let limits = &shared.limits;
    let Ok(place) = timeout(limits.place_wait, shared.places.clone().acquire_owned()).await else {
        let text = format!("as many answers are under way as the limit answers allows, {}; try again", limits.answers);
        return Err(Refusal::new(Status::Unavailable, text));
    };
    let place = place.expect("the semaphore is never closed");
    answer(&shared.store, limits, &wanted, head.method == Method::Get, place).await
}

async fn send(
    stream: &mut TcpStream,
    head: &Head,
    response: Response,
    is_last: bool,
    piece_time: Duration,
) -> io::Result<()> {
    let in_chunks = head.chunks && response.length.is_none() && response.status == Status::Ok;
    let text = response_head(&response, in_chunks, is_last);
    send_bytes(stream, text.as_bytes(), piece_time).await?;
    if head.method == Method::Head {
        return Ok(());
    }
    let _place = response.place;
    match response.body {
        Body::Empty => Ok(()),
        Body::Whole(bytes) => send_bytes(stream, &bytes, piece_time).await,
        Body::Stream(mut pieces) => {
            while let Some(piece) = pieces.recv().await {
                let Piece::Bytes(bytes) = piece else {
                    return if in_chunks { send_bytes(stream, b"0\r\n\r\n", piece_time).await } else { Ok(()) };
                };
                if in_chunks {
                    send_bytes(stream, format!("{:x}\r\n", bytes.len()).as_bytes(), piece_time).await?;
                }
                send_bytes(stream, &bytes, piece_time).await?;
                if in_chunks {
                    send_bytes(stream, b"\r\n", piece_time).await?;
                }
            }
            // Without the last chunk the client knows that this is not all.
            Err(io::Error::other("the archive broke off"))
        }
    }
}

fn response_head(response: &Response, in_chunks: bool, is_last: bool) -> String {
    let mut text =
        format!("HTTP/1.1 {}\r\nDate: {}\r\n", response.status.line(), httpdate::fmt_http_date(SystemTime::now()));
    let mut line = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            text.push_str(part);
        }
    };
    for (name, value) in &response.headers {
        line(name, value);
    }
    if let Some(length) = response.length {
        line("Content-Length", &length.to_string());
    }
    if in_chunks {
        line("Transfer-Encoding", "chunked");
    }
    if is_last {
        line("Connection", "close");
    }
    text.push_str("\r\n");
    text
}

/// Sends bytes, each piece within its time.
async fn send_bytes(stream: &mut TcpStream, bytes: &[u8], piece_time: Duration) -> io::Result<()> {
    for piece in bytes.chunks(PIECE_BYTES) {
        timeout(piece_time, stream.write_all(piece)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    }
    Ok(())
}

async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let rest = async {
        let mut buffer = vec![0; READ_BYTES];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        Ok(())
    };
    timeout(LINGER, rest).await.unwrap_or(Ok(()))
}
