use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::archive::Piece;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    NotModified,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimeout,
    TargetTooLong,
    HeadersTooLarge,
    ServerError,
    NotImplemented,
    Unavailable,
}

impl Status {
    /// Code and words, as in the first line of a response.
    pub(super) const fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::NotModified => "304 Not Modified",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::NotAcceptable => "406 Not Acceptable",
            Self::RequestTimeout => "408 Request Timeout",
            Self::TargetTooLong => "414 URI Too Long",
            Self::HeadersTooLarge => "431 Request Header Fields Too Large",
            Self::ServerError => "500 Internal Server Error",
            Self::NotImplemented => "501 Not Implemented",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

/// Why a request gets no content, in words for its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Status,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

/// What a client gets.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: Status,
    /// Beside those that every response has.
    pub(super) headers: Vec<(&'static str, String)>,
    /// The body's length, bytes; none if it is not known before the end.
    pub(super) length: Option<u64>,
    pub(super) body: Body,
    /// Held until the body is sent, if it takes memory of its own.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
pub(super) enum Body {
    Empty,
    Whole(Bytes),
    Stream(mpsc::Receiver<Piece>),
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let text = format!("{}\n", refusal.text);
        let mut headers = vec![
            ("Content-Type", "text/plain; charset=utf-8".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
            // What is missing now may come.
            ("Cache-Control", "no-store".to_owned()),
        ];
        match refusal.status {
            Status::MethodNotAllowed => headers.push(("Allow", "GET, HEAD".to_owned())),
            Status::Unavailable => headers.push(("Retry-After", "5".to_owned())),
            _ => {}
        }
        Self {
            status: refusal.status,
            headers,
            length: Some(text.len() as u64),
            body: Body::Whole(text.into()),
            place: None,
        }
    }
}
