//! `wasi:nn`: models by name and from bytes, in effects, fuel and memory.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

use cid::Cid;
use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Fuel, Limits, Link, Outcome, TraceWriter, Trap};
use poai_sandbox::{BlockFile, Content, Fault, Kernels, Node, Numerics, Stage};

use crate::content::Contents;
use crate::harness::{Case, Ended, trapped};
use crate::plain::{rust, tasks};

/// What tasks/nn-check does, with the models of its package.
pub(crate) fn check() -> Case {
    let model = |name: &str| std::fs::read(tasks().join("nn-check/models").join(name)).unwrap();
    Case::new(&rust("nn-check"))
        .with(|run| run.limits = Limits { fuel: Fuel(10_000_000_000), memory_bytes: 1 << 30, ..run.limits })
        .model("dense", "onnx", &model("dense.onnx"))
        .model_of_files("split", "onnx", &[("model.onnx", model("split.onnx")), ("weights.bin", model("weights.bin"))])
        .model("tiny", "gguf", &model("tiny.gguf"))
        .model("broken", "onnx", &model("broken.onnx"))
        .model("elsewhere", "openvino", &model("dense.onnx"))
}

fn ended_well(ended: &Ended) {
    assert_eq!(*ended.outcome(), Outcome::Ok, "{:?}", ended.log());
    assert_eq!(ended.output("stdout").lines().count(), 9);
}

#[test]
fn a_program_of_the_published_interfaces_gets_what_they_promise() {
    let ended = check().run();
    ended_well(&ended);
    assert!(
        ended.log().iter().any(|line| line.starts_with("wasi-nn: not-found: ")),
        "whoever watches reads the reason"
    );
}

#[test]
fn kernels_threads_and_models_that_are_ready_change_nothing() {
    let case = check();
    let cold = case.run();
    ended_well(&cold);
    let mut kernels = Kernels::available();
    kernels.push(Kernels::Auto);
    for kernels in kernels {
        let threads = NonZeroUsize::new(3).unwrap();
        let mut stage = Stage::with(Numerics { kernels, threads }, None).unwrap();
        for _ in 0..2 {
            assert_eq!(case.try_run_on(&mut stage).unwrap().claim(), cold.claim(), "{kernels}");
        }
    }
}

#[test]
fn every_computation_is_an_effect() {
    let ended = check().run();
    let effects = &ended.kept.effects;
    // Three by name, three from bytes, three of a language model, two in a row, one of all types; four of which the model
    // says that they do not fit, and one after them; two that fail.
    assert_eq!(effects.len(), 19);
    let mut writer = TraceWriter::default();
    for (effect, arguments, results) in effects {
        assert_eq!(effect.function, "wasi:nn/inference@0.2.0-rc-2024-10-28#[method]graph-execution-context.compute");
        assert_eq!((effect.arguments, effect.results), (cid_of(RAW, arguments), cid_of(RAW, results)));
        writer.push(effect.clone());
    }
    assert_eq!(writer.finish().0, ended.finished.trace);
    assert!(effects.is_sorted_by_key(|(effect, ..)| effect.fuel));
    assert_eq!(effects[0].0.arguments, effects[1].0.arguments, "the same computation");
    assert!(effects[18].2.windows(9).any(|bytes| bytes == b"too-large"), "an error is a result");
}

/// Angles for each place of a text are constants that no byte of the file stands for.
#[test]
fn a_long_context_is_paid_though_its_file_is_short() {
    let file = std::fs::read(tasks().join("nn-check/models/tiny.gguf")).unwrap();
    let name = b"llama.context_length";
    let value = file.windows(name.len()).position(|window| window == name).unwrap() + name.len() + 4;
    let mut long = file.clone();
    long[value..value + 4].copy_from_slice(&65_536_u32.to_le_bytes());
    let [short, long] = [&file, &long].map(|file| check().model("tiny", "gguf", file).run());
    ended_well(&short);
    ended_well(&long);
    // Two angles for each place, with a cosine and a sine each; and 164 numbers of the file's 1,600 bytes.
    let loading = (65_536 * 4 + 164) * 4 - 1600;
    // Keys and queries are turned in one computation, each with all angles as operands: one unit for 4 numbers.
    let computing = 2 * (65_536 - 8) * 4 / 4;
    assert_eq!(long.finished.fuel.0 - short.finished.fuel.0, loading + computing);
}

#[test]
fn fuel_ends_inside_a_computation() {
    let case = check();
    // The second computation has begun, and cannot be paid.
    let limit = Fuel(case.run().kept.effects[1].0.fuel.0 + 100);
    let ended = case.with(|run| run.limits.fuel = limit).run();
    assert_eq!((ended.outcome(), ended.finished.fuel), (&trapped(Trap::OutOfFuel), limit));
    assert_eq!(ended.kept.effects.len(), 1);
}

/// Content that remembers which whole files it handed out: their inodes, by link.
struct Watched<'a> {
    contents: &'a Contents,
    whole: Mutex<BTreeMap<Link, u64>>,
}

impl Content for Watched<'_> {
    fn open(&self, link: &Link) -> Result<Node, Fault> {
        self.contents.open(link)
    }

    fn block(&self, cid: &Cid) -> Result<BlockFile, Fault> {
        panic!("block {cid} was asked for: models come as whole files")
    }

    fn whole(&self, file: &Link) -> Result<BlockFile, Fault> {
        let whole = self.contents.whole(file)?;
        let known = self.whole.lock().unwrap().insert(*file, whole.file.metadata().unwrap().ino());
        assert_eq!(known, None, "{file} was asked for twice");
        Ok(whole)
    }
}

/// How the file of an inode is mapped here.
fn protections(inode: u64) -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let fields = maps.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields[4] == inode.to_string()).map(|fields| fields[1].to_owned()).collect()
}

#[test]
fn models_files_are_mapped_once_and_never_to_be_written() {
    let case = check();
    let expected = case.run().claim();
    let watched = Watched { contents: &case.contents, whole: Mutex::default() };
    let mut stage = Stage::new().unwrap();
    for _ in 0..2 {
        assert_eq!(case.try_run_with(&mut stage, &watched, 0).unwrap().claim(), expected);
    }
    let whole = watched.whole.into_inner().unwrap();
    // The same file by two names, and in an encoding that nobody reads; one with its weights beside it; two more.
    assert_eq!(whole.len(), 5);
    for inode in whole.values() {
        assert_eq!(protections(*inode), ["r--p"]);
    }
}

#[test]
fn a_model_whose_blocks_are_lost_is_the_hosts_fault() {
    let mut case = check();
    case.contents.lose_blocks();
    let Err(Fault::Content { reason }) = case.try_run() else { panic!("it ran without its models") };
    assert!(reason.ends_with(" is not here"), "{reason}");
}
