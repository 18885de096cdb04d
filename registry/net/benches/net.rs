//! Blocks and runs between two processes on loopback, against plain TCP in the same run.
//!
//! `cargo bench -p poai-net` prints a table and writes `target/bench/net.json`.
#![expect(clippy::print_stdout, reason = "the other process says where it listens")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cid::Cid;
use poai_net::{
    Ask, Blocks, Decline, DeclineReason, Identity, Net, NetConfig, PeerId, ReceiptAnswer, RunEvent, Sources,
};
use poai_objects::codec::{DAG_CBOR, cid_of, encode};
use poai_objects::{
    Claim, EngineName, Fuel, Object, Outcome, ProgramId, Receipt, Run, SecretKey, Signed, Telemetry, TraceId,
};
use poai_store::{InUse, RAW, Store, StoreError, StoreLimits, Verified};
use poai_testing::bench::{self, Line};

type Failure = Box<dyn std::error::Error>;

/// Blocks of the large file, and bytes of each.
const BLOCKS: usize = 100;
const BLOCK_BYTES: usize = 1 << 20;
/// Blocks that are fetched one after the other, and bytes of each.
const SMALL_BLOCKS: usize = 500;
const SMALL_BYTES: usize = 1_024;
/// Runs that are asked for one after the other.
const RUNS: usize = 500;
/// Each transfer is the best of these.
const ROUNDS: usize = 3;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("serve-memory") => serve(Arc::new(Memory::new()?)),
        Some("serve-store") => serve(Arc::new(Store::open(&arguments[2], StoreLimits::default())?)),
        Some("tcp") => serve_tcp(),
        // Cargo's own flags (`--bench`, a filter) choose nothing here.
        _ => measure(),
    }
}

fn measure() -> Result<(), Failure> {
    let scratch = tempfile::tempdir_in(bench::folder()?)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (mut memory, mut store) = (0_f64, 0_f64);
    let mut tcp = Tcp { mb_per_s: 0.0, round_trip_ms: f64::MAX };
    for round in 0..ROUNDS {
        let best = measure_tcp()?;
        tcp =
            Tcp { mb_per_s: tcp.mb_per_s.max(best.mb_per_s), round_trip_ms: tcp.round_trip_ms.min(best.round_trip_ms) };
        memory = memory.max(runtime.block_on(transfer(Process::start(&["serve-memory"])?, Arc::new(Memory::new()?)))?);
        let home = |side: &str| scratch.path().join(format!("{side}-{round}")).display().to_string();
        let here = Arc::new(Store::open(home("here"), StoreLimits::default())?);
        store = store.max(runtime.block_on(transfer(Process::start(&["serve-store", &home("there")])?, here))?);
    }
    let small = runtime.block_on(small_blocks(Process::start(&["serve-memory"])?))?;
    let run = runtime.block_on(runs(Process::start(&["serve-memory"])?))?;
    const COPY: &str = "plain TCP copy, not encrypted, not checked";
    const ROUND_TRIP: &str = "plain TCP round trip";
    let speed = |name, value| Line::higher(name, value, "MB/s").beside(COPY, tcp.mb_per_s).goal(200.0);
    let delay = |name, value| Line::lower(name, value, "ms").beside(ROUND_TRIP, tcp.round_trip_ms);
    let lines = [
        speed("transfer/100MiB/memory", memory),
        speed("transfer/100MiB/store", store),
        delay("fetch-block/1KiB/p50", small),
        delay("ask-to-receipt/p50", run).goal(10.0),
    ];
    Ok(bench::report("net", &lines)?)
}

/// The other peer's process, which ends with this value.
struct Process {
    child: Child,
    /// What it says when it is ready.
    words: Vec<String>,
}

impl Process {
    fn start(arguments: &[&str]) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("its output is piped")?).read_line(&mut line)?;
        Ok(Self { child, words: line.split_whitespace().map(str::to_owned).collect() })
    }

    fn word(&self, index: usize) -> Result<&str, Failure> {
        Ok(self.words.get(index).ok_or("the other process did not start")?)
    }

    /// A peer that is connected to the other process.
    async fn connect(&self, blocks: Arc<dyn Blocks>) -> Result<(Net, PeerId), Failure> {
        let net = Net::start(NetConfig::new(Identity::from_seed([1; 32])), blocks).await?;
        let peer = net.dial(self.word(0)?.parse()?).await?;
        Ok((net, peer))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other peer: has the files, takes runs, and says where it is and what the large file's CID is.
fn serve(blocks: Arc<dyn Blocks>) -> Result<(), Failure> {
    let leaves = |count: usize, bytes: usize| -> Result<Vec<Cid>, StoreError> {
        (0..count)
            .map(|number| {
                let block = Verified::of(RAW, noise(number, bytes))?;
                blocks.put(&block)?;
                Ok(*block.cid())
            })
            .collect()
    };
    let root = Verified::of(DAG_CBOR, encode(&leaves(BLOCKS, BLOCK_BYTES)?))?;
    blocks.put(&root)?;
    blocks.sync()?;
    leaves(SMALL_BLOCKS, SMALL_BYTES)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut config = NetConfig::new(Identity::from_seed([2; 32]));
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse()?];
        let net = Net::start(config, blocks).await?;
        let mut runs = net.incoming_runs().ok_or("nobody else takes them")?;
        println!("{} {}", net.addresses().await?[0], root.cid());
        while let Some(incoming) = runs.next().await {
            match incoming.ask.run() {
                Ok(run) => incoming.responder.receipt(receipt(&run)).await,
                Err(error) => {
                    let decline = Decline { reason: DeclineReason::Malformed, text: error.to_string() };
                    incoming.responder.decline(decline).await;
                }
            }
        }
        Ok(())
    })
}

/// Megabytes a second of one large file.
async fn transfer(process: Process, blocks: Arc<dyn Blocks>) -> Result<f64, Failure> {
    let (net, peer) = process.connect(blocks).await?;
    let root: Cid = process.word(1)?.parse()?;
    let summary = net.fetch(root, Sources::Only(vec![peer]), |_| {}).await?;
    Ok(summary.fetched_bytes as f64 / 1e6 / summary.elapsed.as_secs_f64())
}

/// Milliseconds from asking for one small block until it is stored.
async fn small_blocks(process: Process) -> Result<f64, Failure> {
    let (net, peer) = process.connect(Arc::new(Memory::new()?)).await?;
    let mut times = Vec::new();
    for number in 0..SMALL_BLOCKS {
        let cid = cid_of(RAW, &noise(number, SMALL_BYTES));
        let start = Instant::now();
        net.fetch_block(cid, Sources::Only(vec![peer])).await?;
        times.push(start.elapsed());
    }
    Ok(median_ms(times))
}

/// Milliseconds from asking for a run until its receipt is here and checked.
async fn runs(process: Process) -> Result<f64, Failure> {
    let (net, peer) = process.connect(Arc::new(Memory::new()?)).await?;
    let run = Run::new(ProgramId::try_from(cid_of(DAG_CBOR, b"program"))?, EngineName::CURRENT);
    let mut times = Vec::new();
    for seed in 0..RUNS as u64 {
        let run = Run { seed, ..run.clone() };
        let start = Instant::now();
        let mut answers = net.ask_run(peer, Ask::for_run(&run)).await?;
        match answers.next().await.ok_or("the host says nothing")?? {
            RunEvent::Receipt(answer) => drop(answer.open()?),
            other => return Err(format!("no receipt: {other:?}").into()),
        }
        times.push(start.elapsed());
    }
    Ok(median_ms(times))
}

fn receipt(run: &Run) -> ReceiptAnswer {
    let trace = TraceId::try_from(cid_of(DAG_CBOR, b"trace")).expect("it is the CID of an object");
    let claim = Claim { run: run.id(), outcome: Outcome::Ok, outputs: Default::default(), fuel: Fuel(1), trace };
    let receipt = Receipt { claim: claim.id(), package: None, telemetry: Telemetry::default() };
    let signed = Signed::sign(receipt, &SecretKey::from_seed(&[2; 32])).expect("a valid receipt");
    ReceiptAnswer::of(&signed, &claim)
}

/// What plain TCP does.
struct Tcp {
    mb_per_s: f64,
    round_trip_ms: f64,
}

/// Sends as many bytes as it is asked for, in four bytes.
fn serve_tcp() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let block = noise(0, BLOCK_BYTES);
    let mut asked = [0; 4];
    while stream.read_exact(&mut asked).is_ok() {
        let mut left = u32::from_le_bytes(asked) as usize;
        while left > 0 {
            let part = left.min(block.len());
            stream.write_all(&block[..part])?;
            left -= part;
        }
    }
    Ok(())
}

fn measure_tcp() -> Result<Tcp, Failure> {
    let process = Process::start(&["tcp"])?;
    let mut stream = TcpStream::connect(process.word(0)?)?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BLOCK_BYTES];
    let start = Instant::now();
    stream.write_all(&((BLOCKS * BLOCK_BYTES) as u32).to_le_bytes())?;
    for _ in 0..BLOCKS {
        stream.read_exact(&mut buffer)?;
    }
    let mb_per_s = (BLOCKS * BLOCK_BYTES) as f64 / 1e6 / start.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for _ in 0..SMALL_BLOCKS {
        let start = Instant::now();
        stream.write_all(&(SMALL_BYTES as u32).to_le_bytes())?;
        stream.read_exact(&mut buffer[..SMALL_BYTES])?;
        times.push(start.elapsed());
    }
    Ok(Tcp { mb_per_s, round_trip_ms: median_ms(times) })
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// Bytes that do not compress, the same every time.
fn noise(number: usize, bytes: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut noise: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| next()).collect();
    noise.truncate(bytes);
    noise
}

/// Blocks in memory, to measure the network alone.
struct Memory {
    blocks: Mutex<HashMap<Cid, Verified>>,
    hold: InUse,
    _folder: tempfile::TempDir,
}

impl Memory {
    fn new() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let hold = Store::open(folder.path().join("store"), StoreLimits::default())?.in_use();
        Ok(Self { blocks: Mutex::default(), hold, _folder: folder })
    }

    fn blocks(&self) -> std::sync::MutexGuard<'_, HashMap<Cid, Verified>> {
        self.blocks.lock().expect("nobody panics while holding it")
    }
}

impl Blocks for Memory {
    fn size(&self, cid: &Cid) -> Result<Option<u64>, StoreError> {
        Ok(self.blocks().get(cid).map(|block| block.bytes().len() as u64))
    }

    fn get(&self, cid: &Cid) -> Result<Option<Verified>, StoreError> {
        Ok(self.blocks().get(cid).cloned())
    }

    fn put(&self, block: &Verified) -> Result<(), StoreError> {
        self.blocks().insert(*block.cid(), block.clone());
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn in_use(&self) -> InUse {
        self.hold.clone()
    }
}
