use super::limits::GatewayLimits;
use super::response::{Refusal, Status};

/// The head of a request, as far as the gateway minds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    /// All `Accept` headers as one list.
    pub(super) accept: String,
    pub(super) if_none_match: String,
    /// Whether another request may follow.
    pub(super) keep_alive: bool,
    /// Whether the client understands chunks.
    pub(super) chunks: bool,
}

impl Head {
    /// For an answer to what is no request: nothing may follow.
    pub(super) fn unknown() -> Self {
        Self {
            method: Method::Other,
            target: String::new(),
            accept: String::new(),
            if_none_match: String::new(),
            keep_alive: false,
            chunks: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Other,
}

/// The first head in these bytes, and its length; none if it is not whole yet.
pub(super) fn parse(bytes: &[u8], limits: &GatewayLimits) -> Result<Option<(Head, usize)>, Refusal> {
    if !bytes[..bytes.len().min(limits.line_bytes)].contains(&b'\n') && bytes.len() >= limits.line_bytes {
        let text = format!("the request line is longer than the limit line_bytes, {}", limits.line_bytes);
        return Err(Refusal::new(Status::TargetTooLong, text));
    }
    let mut headers = vec![httparse::EMPTY_HEADER; limits.headers];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= limits.head_bytes => Ok(Some((read(&request)?, length))),
        Ok(httparse::Status::Partial) if bytes.len() < limits.head_bytes => Ok(None),
        Ok(_) => {
            let text = format!("the request's head is longer than the limit head_bytes, {}", limits.head_bytes);
            Err(Refusal::new(Status::HeadersTooLarge, text))
        }
        Err(httparse::Error::TooManyHeaders) => {
            let text = format!("the request has more headers than the limit headers, {}", limits.headers);
            Err(Refusal::new(Status::HeadersTooLarge, text))
        }
        Err(error) => Err(bad(format!("this is no HTTP/1.1 request: {error}"))),
    }
}

fn read(request: &httparse::Request<'_, '_>) -> Result<Head, Refusal> {
    let is_1_1 = request.version == Some(1);
    let hosts = values(request, "host").count();
    if hosts > 1 || (is_1_1 && hosts == 0) {
        return Err(bad("a request needs one Host header"));
    }
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    // A body is never read, so nothing behind it can be mistaken for a request.
    let has_body = values(request, "transfer-encoding").next().is_some()
        || values(request, "content-length").any(|length| length != b"0");
    let closes = values(request, "connection")
        .any(|words| String::from_utf8_lossy(words).to_ascii_lowercase().contains("close"));
    Ok(Head {
        method,
        target: path_and_query(request.path.unwrap_or_default(), method)?,
        accept: joined(request, "accept"),
        if_none_match: joined(request, "if-none-match"),
        keep_alive: is_1_1 && !closes && !has_body,
        chunks: is_1_1,
    })
}

/// A target without the scheme and authority that a proxy's client writes before it.
fn path_and_query(target: &str, method: Method) -> Result<String, Refusal> {
    if target.starts_with('/') || method == Method::Other {
        return Ok(target.to_owned());
    }
    let rest = target.strip_prefix("http://").ok_or_else(|| bad("the request's target is no path"))?;
    Ok(rest.find('/').map_or("/", |at| &rest[at..]).to_owned())
}

fn values<'a>(request: &'a httparse::Request<'_, '_>, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn joined(request: &httparse::Request<'_, '_>, name: &str) -> String {
    let values: Vec<_> = values(request, name).map(String::from_utf8_lossy).collect();
    values.join(",")
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(Status::BadRequest, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<(Head, usize)>, Status> {
        parse(text.as_bytes(), &GatewayLimits::default()).map_err(|refusal| refusal.status)
    }

    #[test]
    fn heads_are_read_one_by_one() {
        let first = "GET /ipfs/a?format=raw HTTP/1.1\r\nhost: x\r\nACCEPT: a/b\r\nAccept: c/d\r\n\r\n";
        let both = format!("{first}HEAD / HTTP/1.0\r\n\r\n");
        let (head, length) = parsed(&both).unwrap().unwrap();
        assert_eq!((length, head.method, head.target.as_str()), (first.len(), Method::Get, "/ipfs/a?format=raw"));
        assert_eq!((head.accept.as_str(), head.keep_alive, head.chunks), ("a/b,c/d", true, true));
        let (head, _) = parsed(&both[length..]).unwrap().unwrap();
        assert_eq!((head.method, head.keep_alive, head.chunks), (Method::Head, false, false));
        for cut in 0..first.len() {
            assert_eq!(parsed(&first[..cut]), Ok(None), "{cut} bytes");
        }
    }

    #[test]
    fn a_connection_ends_after_a_body_or_a_wish() {
        for header in [
            "Connection: close",
            "Connection: Close, TE",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            "Content-Length: 0\r\nContent-Length: 1",
        ] {
            let (head, _) = parsed(&format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n")).unwrap().unwrap();
            assert!(!head.keep_alive, "{header}");
        }
    }

    #[test]
    fn hostile_heads_are_refused_by_name() {
        let long = |count: usize| "a".repeat(count);
        for (text, expected) in [
            ("\u{0}\u{1}\u{2}\r\n\r\n".to_owned(), Status::BadRequest),
            ("GET / HTTP/2.0\r\n\r\n".to_owned(), Status::BadRequest),
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), Status::BadRequest),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), Status::BadRequest),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), Status::BadRequest),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), Status::BadRequest),
            (long(2_048), Status::TargetTooLong),
            (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(4_000)), Status::TargetTooLong),
            (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", long(8_192)), Status::HeadersTooLarge),
            (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", long(8_192)), Status::HeadersTooLarge),
            (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(64)), Status::HeadersTooLarge),
        ] {
            assert_eq!(parsed(&text), Err(expected), "{:.40}", text);
        }
    }

    #[test]
    fn a_target_may_be_a_whole_url() {
        for (target, expected) in [("http://h/ipfs/a?b", "/ipfs/a?b"), ("http://h", "/"), ("//..//x", "//..//x")] {
            let (head, _) = parsed(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).unwrap().unwrap();
            assert_eq!(head.target, expected);
        }
    }
}
