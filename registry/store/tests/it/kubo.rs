use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use poai_store::unixfs::{FileReader, FileWriter, LayoutLimits};
use poai_store::{Blocks, DAG_PB, Kubo, KuboLimits, MemoryBlocks, RAW, StoreError, Verified};

use crate::{block, noise};

/// The few calls of Kubo's RPC API that are used, over blocks in memory, in the words of Kubo 0.3x.
fn serve(listener: &TcpListener) {
    let blocks = MemoryBlocks::new();
    for stream in listener.incoming() {
        let Ok(stream) = stream else { return };
        answer(&blocks, stream);
    }
}

fn answer(blocks: &MemoryBlocks, stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line);
    }
    let value = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let mut body = vec![0; value("Content-Length: ").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let call = head[0].split(' ').nth(1).unwrap();
    let cid = || call.split_once("arg=").unwrap().1.parse::<cid::Cid>().unwrap();
    let missing = |cid| {
        (
            500,
            format!("{{\"Message\":\"block was not found locally (offline): ipld: could not find {cid}\",\"Code\":0}}")
                .into_bytes(),
        )
    };
    let (status, bytes) = if call.starts_with("/api/v0/block/put") {
        let boundary = value("Content-Type: multipart/form-data; boundary=");
        let begin = body.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let codec = if call.ends_with("dag-pb") { DAG_PB } else { RAW };
        let block = Verified::of(codec, body[begin..body.len() - boundary.len() - 8].to_vec()).unwrap();
        blocks.put(&block).unwrap();
        (200, format!("{{\"Key\":\"{}\",\"Size\":{}}}", block.cid(), block.bytes().len()).into_bytes())
    } else {
        match (blocks.get(&cid()).unwrap(), call.starts_with("/api/v0/block/stat")) {
            (None, _) => missing(cid()),
            (Some(block), true) => {
                (200, format!("{{\"Key\":\"{}\",\"Size\":{}}}", cid(), block.bytes().len()).into_bytes())
            }
            (Some(block), false) if *block.cid() == *self::block("a lie").cid() => (200, b"the truth".to_vec()),
            (Some(block), false) => (200, block.bytes().to_vec()),
        }
    };
    let stream = reader.get_mut();
    write!(stream, "HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    for chunk in bytes.chunks(100_000) {
        write!(stream, "{:x}\r\n", chunk.len()).unwrap();
        stream.write_all(chunk).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
}

#[test]
fn a_kubo_node_is_a_home_of_blocks_that_is_not_trusted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || serve(&listener));
    let kubo = Kubo::new(address, KuboLimits::default());

    let absent = block("absent");
    assert_eq!(kubo.size(absent.cid()).unwrap(), None);
    assert_eq!(kubo.get(absent.cid()).unwrap(), None);
    assert!(
        matches!(kubo.pin(absent.cid()), Err(StoreError::Kubo { reason, .. }) if reason.contains("could not find"))
    );

    let bytes = noise(1, (1 << 20) + 1_000);
    let mut file = FileWriter::new(&kubo, &kubo.in_use());
    file.append(&bytes).unwrap();
    let root = file.finish().unwrap().cid;
    kubo.pin(&root).unwrap();
    assert!(kubo.size(&root).unwrap().is_some());
    let mut found = Vec::new();
    FileReader::open(&kubo, &root, &LayoutLimits::default()).unwrap().read_to_end(&mut found).unwrap();
    assert!(found == bytes);

    let lie = block("a lie");
    kubo.put(&lie).unwrap();
    assert!(matches!(kubo.get(lie.cid()), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_node_that_is_not_there_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let error = Kubo::new(&*address, KuboLimits::default()).get(block("x").cid()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("kubo at {address}: ")), "{error}");
}
