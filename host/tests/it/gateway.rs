//! Blocks over HTTP: what is served, to whom it is refused, and to a real Helia node.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cid::Cid;
use poai_store::{MemoryBlocks, Verified, car, unixfs};
use serde_json::json;

use crate::command::{Daemon, Home, PATIENCE};
use crate::helia::Helia;

const NOTHING: [&str; 0] = [];
const RAW: &str = "application/vnd.ipld.raw";
const CAR: &str = "application/vnd.ipld.car";
const ABSENT: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

/// A home whose daemon has a gateway, and a file in it.
struct Served {
    home: Home,
    _daemon: Daemon,
    url: String,
    content: Vec<u8>,
    root: Cid,
}

impl Served {
    fn file_of(bytes: usize) -> Self {
        let home = Home::new();
        let daemon = home.daemon(["--gateway", "127.0.0.1:0"]);
        let url = daemon.ready["gateway"].as_str().unwrap().to_owned();
        let content = noise(bytes);
        let (exit, imported) = home.json(["import".as_ref(), home.file("content", &content).as_os_str()]);
        assert_eq!(exit, 0, "{imported}");
        let root = imported["roots"][0].as_str().unwrap().parse().unwrap();
        Self { home, _daemon: daemon, url, content, root }
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }

    fn get(&self, target: &str) -> Answer {
        self.client().ask("GET", target, "")
    }
}

/// One connection.
struct Client(BufReader<TcpStream>);

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        // A gateway that has heard enough may close.
        let _ = self.0.get_mut().write_all(bytes);
    }

    fn ask(&mut self, method: &str, target: &str, headers: &str) -> Answer {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n").as_bytes());
        let mut answer = self.head();
        if method != "HEAD" && answer.status != 304 {
            answer.body = self.body(&answer);
        }
        answer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    fn head(&mut self) -> Answer {
        let first = self.line();
        let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {first:?}")).parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            assert!(headers.insert(name.to_ascii_lowercase(), value.to_owned()).is_none(), "{name} twice");
        }
        Answer { status, headers, body: Vec::new() }
    }

    fn body(&mut self, answer: &Answer) -> Vec<u8> {
        let mut body = Vec::new();
        if let Some(length) = answer.headers.get("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut body).unwrap();
            return body;
        }
        assert_eq!(answer.headers["transfer-encoding"], "chunked");
        loop {
            let length = usize::from_str_radix(&self.line(), 16).unwrap();
            let begin = body.len();
            body.resize(begin + length, 0);
            self.0.read_exact(&mut body[begin..]).unwrap();
            assert_eq!(self.line(), "");
            if length == 0 {
                return body;
            }
        }
    }

    /// Whatever still comes until the other side closes.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }
}

/// Bytes that look random: xorshift64.
fn noise(len: usize) -> Vec<u8> {
    let mut state = len as u64 | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(len).collect()
}

#[test]
fn there_is_no_gateway_unless_the_operator_wants_one() {
    let home = Home::new();
    let daemon = home.daemon(NOTHING);
    assert!(daemon.ready.get("gateway").is_none(), "{}", daemon.ready);
    assert!(home.json(["status"]).1.get("gateway").is_none());
    drop(daemon);
    let (exit, refused) = home.json(["host", "--no-mdns", "--gateway", "localhost"]);
    assert_eq!((exit, refused["error"]["kind"].as_str()), (1, Some("config")), "{refused}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (exit, refused) = home.json(["host", "--no-mdns", "--gateway", &taken.local_addr().unwrap().to_string()]);
    assert_eq!((exit, refused["error"]["kind"].as_str()), (1, Some("network")), "{refused}");
    let home = home.with("POAI_GATEWAY_LISTEN", "127.0.0.1:0");
    let daemon = home.daemon(NOTHING);
    assert_eq!(home.json(["status"]).1["gateway"], daemon.ready["gateway"]);
    assert!(daemon.ready["gateway"].as_str().unwrap().starts_with("http://127.0.0.1:"));
}

#[test]
fn a_block_is_served_as_it_is() {
    let served = Served::file_of(3 << 20);
    let root = served.root;
    // One connection serves them all.
    let mut client = served.client();
    let by_url = client.ask("GET", &format!("/ipfs/{root}?format=raw"), "");
    assert_eq!(by_url.status, 200);
    Verified::check(&root, by_url.body.clone()).unwrap();
    for (name, value) in [
        ("content-type", RAW.to_owned()),
        ("content-disposition", format!("attachment; filename=\"{root}.bin\"")),
        ("etag", format!("\"{root}.raw\"")),
        ("cache-control", "public, max-age=31536000, immutable".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("x-ipfs-path", format!("/ipfs/{root}")),
        ("vary", "Accept".to_owned()),
    ] {
        assert_eq!(by_url.headers[name], value, "{name}");
    }
    assert!(!by_url.headers.contains_key("content-location"));
    let by_accept = client.ask("GET", &format!("/ipfs/{root}"), &format!("Accept: {RAW}\r\n"));
    assert_eq!((by_accept.status, &by_accept.body), (200, &by_url.body));
    assert_eq!(by_accept.headers["content-location"], format!("/ipfs/{root}?format=raw"));
    let head = client.ask("HEAD", &format!("/ipfs/{root}?format=raw"), "");
    assert_eq!(
        (head.status, head.headers["content-length"].as_str()),
        (200, by_url.headers["content-length"].as_str())
    );
    let known =
        client.ask("GET", &format!("/ipfs/{root}?format=raw"), &format!("If-None-Match: \"x\", W/\"{root}.raw\"\r\n"));
    assert_eq!((known.status, known.body.len()), (304, 0));
    // The probe that clients send: an empty block inside its CID.
    let probe = client.ask("GET", "/ipfs/bafkqaaa?format=raw", "");
    assert_eq!((probe.status, probe.headers["content-length"].as_str()), (200, "0"));
    let absent = client.ask("GET", &format!("/ipfs/{ABSENT}?format=raw"), "Connection: close\r\n");
    assert_eq!((absent.status, absent.headers["content-type"].as_str()), (404, "text/plain; charset=utf-8"));
    assert!(String::from_utf8(absent.body).unwrap().contains(ABSENT));
    assert_eq!((absent.headers["connection"].as_str(), client.rest().len()), ("close", 0));
}

#[test]
fn a_dag_is_served_as_an_archive() {
    let served = Served::file_of((5 << 20) + 17);
    let root = served.root;
    let answer = served.get(&format!("/ipfs/{root}?format=car"));
    assert_eq!(
        (answer.status, answer.headers["content-type"].as_str()),
        (200, "application/vnd.ipld.car; version=1; order=dfs; dups=n")
    );
    assert_eq!(answer.headers["content-disposition"], format!("attachment; filename=\"{root}.car\""));
    assert_eq!(answer.headers["etag"], format!("\"{root}.car.1.dfs.n\""));
    let blocks = MemoryBlocks::default();
    let limits = car::CarLimits::default();
    let summary = car::import(&blocks, &answer.body[..], &limits, &poai_store::Blocks::in_use(&blocks)).unwrap();
    assert_eq!((summary.roots, summary.blocks), (vec![root], 7));
    let out = served.home.scratch().join("out");
    unixfs::export(&blocks, &root, &out, &unixfs::ExportLimits::default()).unwrap();
    assert!(std::fs::read(out).unwrap() == served.content);
    // The same by Accept; the root alone; only the head.
    let accept = format!("Accept: {CAR};version=1;order=dfs;dups=n\r\n");
    let mut client = served.client();
    assert!(client.ask("GET", &format!("/ipfs/{root}"), &accept).body == answer.body);
    let block = client.ask("GET", &format!("/ipfs/{root}?format=car&dag-scope=block"), "");
    let summary = car::import(&blocks, &block.body[..], &limits, &poai_store::Blocks::in_use(&blocks)).unwrap();
    assert_eq!((summary.roots, summary.blocks), (vec![root], 1));
    let head = client.ask("HEAD", &format!("/ipfs/{root}?format=car"), "");
    assert_eq!((head.status, head.headers["etag"].as_str()), (200, answer.headers["etag"].as_str()));
    // A client of HTTP/1.0 gets it without chunks.
    client.send(format!("GET /ipfs/{root}?format=car HTTP/1.0\r\n\r\n").as_bytes());
    assert_eq!(client.head().status, 200);
    assert!(client.rest() == answer.body);
}

#[test]
fn bad_requests_are_refused_by_status() {
    let served = Served::file_of(100);
    let raw = format!("/ipfs/{}?format=raw", served.root);
    let host = "Host: a\r\n";
    for (request, expected) in [
        (format!("POST {raw} HTTP/1.1\r\n{host}Content-Length: 3\r\n\r\nabc"), 405),
        (format!("OPTIONS * HTTP/1.1\r\n{host}\r\n"), 405),
        (format!("GET /ipfs/{} HTTP/1.1\r\n{host}\r\n", served.root), 406),
        (format!("GET /ipfs/{} HTTP/1.1\r\n{host}Accept: text/html\r\n\r\n", served.root), 406),
        (format!("GET /ipfs/{}?format=tar HTTP/1.1\r\n{host}\r\n", served.root), 400),
        (format!("GET /ipfs/../../etc/passwd?format=raw HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("GET /ipfs/nonsense?format=raw HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("GET /ipfs/{}/a/b?format=car HTTP/1.1\r\n{host}\r\n", served.root), 501),
        (format!("GET /etc/passwd HTTP/1.1\r\n{host}\r\n"), 404),
        // A CID of sha2-512: nothing here can check it.
        (
            format!(
                "GET /ipfs/bafkrgqe3ohjcjplc6n4f3fwunlj6upltggn7xqujbsvnvyw764srszz4u4rshq6ztos4chl4plgg4ffyyxnayrtdi5oc4xb2332g645433aeg?format=raw HTTP/1.1\r\n{host}\r\n"
            ),
            400,
        ),
        (format!("GET {raw} HTTP/1.1\r\n\r\n"), 400),
        ("\u{16}\u{3}\u{1} this is no HTTP\r\n\r\n".to_owned(), 400),
        (format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a".repeat(3_000)), 414),
        (format!("GET {raw} HTTP/1.1\r\n{host}X: {}\r\n\r\n", "a".repeat(100_000)), 431),
        (format!("GET {raw} HTTP/1.1\r\n{host}{}\r\n", "X: y\r\n".repeat(100)), 431),
    ] {
        let mut client = served.client();
        client.send(request.as_bytes());
        let answer = client.head();
        let body = String::from_utf8(client.body(&answer)).unwrap();
        assert_eq!(answer.status, expected, "{:.60}: {body}", request.lines().next().unwrap());
        assert!(body.ends_with('\n') && body.len() > 10, "{body:?}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    // What lies behind a body that nobody reads is no request.
    let mut client = served.client();
    client
        .send(format!("GET {raw} HTTP/1.1\r\n{host}Content-Length: 40\r\n\r\nGET /ipfs/x HTTP/1.1\r\n\r\n").as_bytes());
    let answer = client.head();
    assert_eq!((answer.status, client.body(&answer) == served.content), (200, true));
    assert_eq!(client.rest().len(), 0);
}

#[test]
fn clients_that_say_nothing_or_drip_are_let_go() {
    let served = Served::file_of(100);
    // As many as the gateway takes at once, silent: whoever comes next waits until they are let go.
    let mut silent: Vec<_> = (0..256).map(|_| served.client()).collect();
    assert_eq!(served.get(&format!("/ipfs/{}?format=raw", served.root)).body, served.content);
    assert_eq!(silent[0].rest().len(), 0);
    drop(silent);
    let mut client = served.client();
    let mut dripper = client.0.get_ref().try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        let drops = b"GET / HTTP/1.1\r\nX: ".iter().chain(std::iter::repeat(&b'a'));
        for drop in drops {
            std::thread::sleep(Duration::from_millis(500));
            if dripper.write_all(&[*drop]).is_err() {
                break;
            }
        }
    });
    let answer = client.head();
    assert_eq!(answer.status, 408, "{answer:?}");
    drop(client);
    dripping.join().unwrap();
}

#[test]
fn clients_that_take_nothing_are_let_go_and_their_places_are_free_again() {
    let served = Served::file_of(24 << 20);
    let target = format!("/ipfs/{}?format=car", served.root);
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    // One that goes away in the middle leaves nothing behind.
    let mut gone = served.client();
    gone.send(request.as_bytes());
    assert_eq!(gone.head().status, 200);
    drop(gone);
    let begun = Instant::now();
    let mut stalled: Vec<_> = (0..32).map(|_| served.client()).collect();
    for client in &mut stalled {
        client.send(request.as_bytes());
        assert_eq!(client.head().status, 200);
    }
    let busy = served.get(&target);
    // A machine may be too slow to have all of them stalled at once: the first is let go after 20 seconds.
    if busy.status != 200 || begun.elapsed() < Duration::from_secs(20) {
        assert_eq!((busy.status, busy.headers["retry-after"].as_str()), (503, "5"), "{busy:?}");
    }
    let begun = Instant::now();
    let later = loop {
        let answer = served.get(&target);
        if answer.status == 200 || begun.elapsed() > PATIENCE {
            break answer;
        }
    };
    assert_eq!(later.status, 200);
    assert!(later.body.len() > served.content.len());
}

#[test]
fn a_helia_node_fetches_a_file_from_the_gateway() {
    let served = Served::file_of((7 << 20) + 3);
    let out = served.home.scratch().join("at-helia");
    let mut helia = Helia::start();
    let answer = helia.call(&json!({
        "command": "fetchByGateway",
        "gateway": served.url,
        "cid": served.root.to_string(),
        "path": out,
        "timeoutMs": PATIENCE.as_millis() as u64,
    }));
    assert_eq!(answer["bytes"], served.content.len());
    assert!(std::fs::read(out).unwrap() == served.content, "what Helia got is what we have");
}
