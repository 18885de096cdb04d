//! The few calls of Kubo's RPC API that poai makes, answered over blocks in memory in the words of Kubo 0.3x. A real
//! Kubo is on no registry that the tests reach.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use cid::Cid;
use poai_store::{Blocks, DAG_CBOR, DAG_PB, MemoryBlocks, RAW, Verified, Walk};

/// How the server treats whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// Every block is another one.
    Lying,
    /// It takes connections, and says nothing.
    Silent,
}

/// A server that runs as long as the test does.
pub(crate) struct KuboServer {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    blocks: MemoryBlocks,
    pins: Mutex<BTreeSet<Cid>>,
}

impl KuboServer {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared::default());
        let served = shared.clone();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                match manner {
                    Manner::Silent => kept.push(stream),
                    // Whoever asked may have gone.
                    _ => drop(served.answer(&stream, manner)),
                }
            }
        });
        Self { address, shared }
    }

    /// What it holds.
    pub(crate) fn blocks(&self) -> &MemoryBlocks {
        &self.shared.blocks
    }

    pub(crate) fn is_pinned(&self, cid: &Cid) -> bool {
        self.shared.pins.lock().unwrap().contains(cid)
    }
}

impl Shared {
    fn answer(&self, stream: &TcpStream, manner: Manner) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            head.push(line);
        }
        let value = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        let mut body = vec![0; value("Content-Length: ").parse().unwrap()];
        reader.read_exact(&mut body)?;
        let boundary = value("Content-Type: multipart/form-data; boundary=");
        let call = head[0].split(' ').nth(1).unwrap().strip_prefix("/api/v0/").unwrap();
        let (status, bytes) = self.call(call, &body, &boundary, manner);
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for chunk in bytes.chunks(100_000) {
            write!(stream, "{:x}\r\n", chunk.len())?;
            stream.write_all(chunk)?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")
    }

    fn call(&self, call: &str, body: &[u8], boundary: &str, manner: Manner) -> (u16, Vec<u8>) {
        let (name, arguments) = call.split_once('?').unwrap();
        let cid = || arguments.split_once("arg=").unwrap().1.parse::<Cid>().unwrap();
        let sized = |block: &Verified| format!("{{\"Key\":\"{}\",\"Size\":{}}}", block.cid(), block.bytes().len());
        let missing = |cid: &Cid| {
            let words = format!("block was not found locally (offline): ipld: could not find {cid}");
            (500, format!("{{\"Message\":\"{words}\",\"Code\":0,\"Type\":\"error\"}}").into_bytes())
        };
        match name {
            "version" => (200, b"{\"Version\":\"0.39.0\",\"Commit\":\"\",\"Repo\":\"18\"}".to_vec()),
            "block/put" => {
                let begin = body.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
                let codec = match arguments.rsplit_once("cid-codec=").unwrap().1 {
                    "dag-pb" => DAG_PB,
                    "dag-cbor" => DAG_CBOR,
                    _ => RAW,
                };
                let bytes = body[begin..body.len() - boundary.len() - 8].to_vec();
                let block = Verified::of(codec, bytes).unwrap();
                self.blocks.put(&block).unwrap();
                (200, sized(&block).into_bytes())
            }
            "pin/add" => match Walk::check_whole(&self.blocks, &cid()) {
                Ok(()) => {
                    self.pins.lock().unwrap().insert(cid());
                    (200, format!("{{\"Pins\":[\"{}\"]}}", cid()).into_bytes())
                }
                Err(_) => missing(&cid()),
            },
            _ => match self.blocks.get(&cid()).unwrap() {
                None => missing(&cid()),
                Some(block) if name == "block/stat" => (200, sized(&block).into_bytes()),
                Some(_) if manner == Manner::Lying => (200, b"a lie".to_vec()),
                Some(block) => (200, block.bytes().to_vec()),
            },
        }
    }
}
