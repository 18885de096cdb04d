//! Submit to receipt: a tiny run asked of a real `poai host`, two processes on loopback.
//!
//! `cargo bench -p poai` prints a table and writes `target/bench/host.json`. Each run has a seed of its own, so that
//! none is answered from a cache. Its peer is the same ask answered with a decline: all of the network, none of the run.
//! Last comes the whole demo, whose task is built before anything is counted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use poai_net::{Ask, Identity, Net, NetConfig, PeerId, RunEvent};
use poai_objects::{EngineName, Limits, Link, Object, Program, Run, World};
use poai_store::{RAW, Store, StoreLimits};
use poai_testing::bench::{self, Line};

type Failure = Box<dyn std::error::Error>;

/// Runs asked for one after the other.
const RUNS: u64 = 300;
/// Runs asked for at once, and rounds of them.
const CONCURRENT: u64 = 8;
const ROUNDS: u64 = 40;
/// Runs before anything is counted: the program is fetched and compiled, the worker warm.
const WARM_UP: u64 = 20;

/// The demo is to be over before its spectator is bored.
const DEMO_GOAL_S: f64 = 60.0;

/// A task that does nothing: what is measured is everything around it.
const NOTHING: &str = r#"
(component
  (core module $code
    (memory (export "memory") 1)
    (func (export "run") (result i32) i32.const 16))
  (core instance $instance (instantiate $code))
  (func (export "run") (result (result (error string)))
    (canon lift (core func $instance "run") (memory $instance "memory"))))
"#;

fn main() -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let host = Host::start(&scratch.path().join("host"))?;
    let store = Store::open(scratch.path().join("store"), StoreLimits::default())?;
    let run = publish(&store)?;
    let mut lines = tokio::runtime::Runtime::new()?.block_on(measure(&host, store, &run))?;
    drop(host);
    lines.push(Line::lower("demo/whole", demo_s(scratch.path())?, "s").goal(DEMO_GOAL_S));
    Ok(bench::report("host", &lines)?)
}

/// The tiny program, and a run of it.
fn publish(store: &Store) -> Result<Run, Failure> {
    let component = Link::try_from(store.put_bytes(RAW, wat::parse_str(NOTHING)?)?)?;
    let program = Program { world: World::Task, component, models: BTreeMap::new(), adapter: None };
    let (id, bytes) = program.seal()?;
    store.put_bytes(poai_store::DAG_CBOR, bytes)?;
    store.sync()?;
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    Ok(Run { limits, ..Run::new(id, EngineName::CURRENT) })
}

async fn measure(host: &Host, store: Store, run: &Run) -> Result<Vec<Line>, Failure> {
    let net = Net::start(NetConfig::new(Identity::from_seed([1; 32])), Arc::new(store)).await?;
    let peer = net.dial(host.address.parse()?).await?;
    for seed in 0..WARM_UP {
        receipt(&net, peer, &with_seed(run, seed)).await?;
    }
    let mut times = Vec::new();
    let mut declined = Vec::new();
    for seed in 0..RUNS {
        times.push(receipt(&net, peer, &with_seed(run, WARM_UP + seed)).await?);
        declined.push(decline(&net, peer, &with_seed(run, seed)).await?);
    }
    let (times, declined) = (Times::of(times), Times::of(declined));
    let start = Instant::now();
    for round in 0..ROUNDS {
        let seeds = (0..CONCURRENT).map(|number| with_seed(run, 1_000_000 + round * CONCURRENT + number));
        let asked: Vec<_> = seeds.collect();
        futures::future::try_join_all(asked.iter().map(|run| receipt(&net, peer, run))).await?;
    }
    let at_once = (ROUNDS * CONCURRENT) as f64 / start.elapsed().as_secs_f64();
    net.shut_down().await;

    const PEER: &str = "the same ask, declined";
    let one_by_one = 1e3 / declined.mean_ms;
    Ok(vec![
        Line::lower("submit-to-receipt/p50", times.p50_ms, "ms").beside(PEER, declined.p50_ms).goal(10.0),
        Line::lower("submit-to-receipt/p99", times.p99_ms, "ms").beside(PEER, declined.p99_ms),
        Line::higher("runs/one-by-one", 1e3 / times.mean_ms, "runs/s").beside(PEER, one_by_one),
        Line::higher("runs/eight-at-once", at_once, "runs/s").beside(PEER, one_by_one),
    ])
}

/// Seconds of the whole demo, between the build of its task and the table at its end. It counts itself.
fn demo_s(scratch: &Path) -> Result<f64, Failure> {
    let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tasks");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_poai"));
    demo.args(["--json", "--quiet", "--home"]).arg(scratch.join("demo")).args(["demo", "--tasks"]).arg(tasks);
    let ended = demo.stderr(Stdio::inherit()).output()?;
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout)?;
    Ok(report["took_ms"].as_f64().ok_or_else(|| format!("the demo failed: {report}"))? / 1e3)
}

fn with_seed(run: &Run, seed: u64) -> Run {
    Run { seed, ..run.clone() }
}

/// From asking until the receipt is here and its signature checked.
async fn receipt(net: &Net, host: PeerId, run: &Run) -> Result<Duration, Failure> {
    let start = Instant::now();
    let mut answers = net.ask_run(host, Ask::for_run(run)).await?;
    loop {
        match answers.next().await.ok_or("the host says nothing more")?? {
            RunEvent::Receipt(answer) => {
                answer.open()?;
                return Ok(start.elapsed());
            }
            RunEvent::Declined(decline) => return Err(format!("declined: {}", decline.text).into()),
            RunEvent::Faulted(fault) => return Err(format!("a fault: {}", fault.text).into()),
            _ => {}
        }
    }
}

/// From asking for more memory than the host allows until it says no.
async fn decline(net: &Net, host: PeerId, run: &Run) -> Result<Duration, Failure> {
    let run = Run { limits: Limits { memory_bytes: Limits::MAX_BYTES, ..run.limits }, ..run.clone() };
    let start = Instant::now();
    let mut answers = net.ask_run(host, Ask::for_run(&run)).await?;
    match answers.next().await.ok_or("the host says nothing")?? {
        RunEvent::Declined(_) => Ok(start.elapsed()),
        other => Err(format!("the host does not decline: {other:?}").into()),
    }
}

struct Times {
    p50_ms: f64,
    p99_ms: f64,
    mean_ms: f64,
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let ms = |index: usize| times[index].as_secs_f64() * 1e3;
        let mean_ms = times.iter().sum::<Duration>().as_secs_f64() * 1e3 / times.len() as f64;
        Self { p50_ms: ms(times.len() / 2), p99_ms: ms(times.len() * 99 / 100), mean_ms }
    }
}

/// A real host that takes anybody's runs; it ends with this value.
struct Host {
    child: Child,
    address: String,
}

impl Host {
    fn start(home: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_poai"))
            .arg("--home")
            .arg(home)
            .args(["--json", "--quiet", "host", "--listen", "/ip4/127.0.0.1/tcp/0", "--accept", "any"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("its output is piped")?).read_line(&mut line)?;
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let address = ready["addresses"][0].as_str().ok_or("it listens on one address")?.to_owned();
        Ok(Self { child, address })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
