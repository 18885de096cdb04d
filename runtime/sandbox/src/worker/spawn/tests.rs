//! A worker whose daemon is gone: only its socket can tell it.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Limits, Object, Program, Run, World};

use super::super::protocol::{ToWorker, encode};
use super::*;
use crate::sealed::SealedFile;
use crate::{Engine, EngineConfig, LocalKey, prepare};

const SPIN: &str = r#"(component
    (core module $module (func (export "run") (result i32) (loop $again (br $again)) (i32.const 0)))
    (core instance $instance (instantiate $module))
    (func $run (result (result)) (canon lift (core func $instance "run")))
    (instance $interface (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $interface)))"#;

/// The example that serves as a worker, built by `cargo test -p poai-sandbox`.
fn config(home: &Path) -> WorkersConfig {
    let test = std::env::current_exe().unwrap();
    let worker = test.parent().unwrap().parent().unwrap().join("examples/worker");
    assert!(
        worker.exists(),
        "{} is missing: `cargo test -p poai-sandbox` builds it, `--lib` does not",
        worker.display()
    );
    let mut config =
        WorkersConfig::new(worker, vec!["worker".into()], home.join("code"), LocalKey::from_bytes([1; 32]));
    config.limits.hello_time = LONG;
    config
}

/// What nothing takes, even on a busy machine: it only keeps a broken test from hanging.
const LONG: Duration = Duration::from_secs(60);

fn soon() -> Patience<'static> {
    Patience::until(Instant::now() + LONG)
}

/// Closes the daemon's end, as the kernel does when a daemon is killed.
fn abandon(process: &mut Process) -> ExitStatus {
    process.channel = Channel::new(UnixStream::pair().unwrap().0.into());
    let closed = Instant::now();
    while closed.elapsed() < LONG {
        if let Some(status) = process.child.try_wait().unwrap() {
            return status;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the worker outlives its daemon");
}

#[test]
fn an_idle_worker_ends_with_its_daemon() {
    let home = tempfile::tempdir().unwrap();
    let (mut process, greeting) = Process::spawn(&config(home.path()), &[]).unwrap();
    assert!(greeting.layers.state(Layer::Seccomp).is_enforced());
    assert!(abandon(&mut process).success());
}

#[test]
fn a_worker_whose_guest_never_ends_ends_with_its_daemon() {
    let home = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::spawn(&config(home.path()), &[]).unwrap();
    let component = wat::parse_str(SPIN).unwrap();
    let link = cid_of(RAW, &component).try_into().unwrap();
    let program = Program { world: World::Command, component: link, models: BTreeMap::new(), adapter: None };
    let engine = Engine::new(&EngineConfig::default()).unwrap();
    let artefact = engine.compile(&prepare(&component, World::Command).unwrap()).unwrap();
    let code = SealedFile::from_bytes("test", artefact.code()).unwrap();

    process
        .channel
        .send(&ToWorker::Load { program: program.clone(), code_bytes: code.bytes() }, Some(code.as_fd()), &soon())
        .unwrap();
    assert_eq!(process.channel.receive::<FromWorker>(&soon()).unwrap().0, FromWorker::Loaded);
    let mut run = Run::new(program.id(), EngineName::CURRENT);
    run.limits.fuel = Limits::MAX_FUEL;
    process.channel.send(&ToWorker::Start { run, tensor_bytes: 0, is_replay: false }, None, &soon()).unwrap();
    // Long enough for the guest to be in its loop; the test holds either way.
    thread::sleep(Duration::from_millis(100));
    assert!(abandon(&mut process).success());
}

/// Something that sends these bytes on its standard input, as a worker would, and waits.
fn impostor(home: &Path, bytes: &[u8]) -> WorkersConfig {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let mut config = config(home);
    config.executable = "/bin/sh".into();
    config.args = vec!["-c".into(), format!("printf '{escaped}' >&0; read nothing").into()];
    config
}

fn hello(protocol: u32, engine: &str, enforced: impl IntoIterator<Item = Layer>) -> Vec<u8> {
    let layers =
        Layers::new(enforced.into_iter().map(|layer| (layer, LayerState::Enforced { how: "so it says".into() })));
    let hello = FromWorker::Hello { protocol, engine: engine.parse().unwrap(), code_identity: [0; 32], layers };
    let body = encode(&hello).unwrap();
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

#[test]
fn a_worker_of_another_build_or_with_too_few_layers_is_not_used() {
    let home = tempfile::tempdir().unwrap();
    let engine = EngineName::CURRENT.to_string();
    let all_but_one = Layer::ALL.into_iter().filter(|layer| *layer != Layer::Landlock);
    for (bytes, expected) in [
        (
            hello(99, &engine, Layer::ALL),
            format!("the worker speaks version 99 of the worker protocol, this program version {PROTOCOL_VERSION}"),
        ),
        (
            hello(PROTOCOL_VERSION, "poai-engine/9.9", Layer::ALL),
            format!("the worker is poai-engine/9.9, this program {engine}"),
        ),
        (
            hello(PROTOCOL_VERSION, &engine, all_but_one.clone()),
            "the required layer landlock is absent: the worker did not report it".into(),
        ),
        (
            b"GET / HTTP/1.1\r\n".to_vec(),
            "the program that should be a worker is none: it broke the protocol: \
            a message of 1195725856 bytes is over the limit of 8388608"
                .into(),
        ),
    ] {
        let mut config = impostor(home.path(), &bytes);
        config.require = Layer::ALL.into();
        assert_eq!(Process::spawn(&config, &[]).unwrap_err().to_string(), expected);
    }
    let mut silent = impostor(home.path(), b"");
    silent.limits.hello_time = Duration::from_millis(100);
    assert_eq!(
        Process::spawn(&silent, &[]).unwrap_err().to_string(),
        "the program that should be a worker is none: the deadline has passed"
    );
    let (_worker, greeting) =
        Process::spawn(&impostor(home.path(), &hello(PROTOCOL_VERSION, &engine, all_but_one)), &[]).unwrap();
    assert_eq!(greeting.layers.absent().map(|(layer, _)| layer).collect::<Vec<_>>(), [Layer::Landlock]);
}

#[test]
fn a_worker_s_last_words_are_told() {
    let home = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::spawn(&config(home.path()), &[]).unwrap();
    process.child.kill().unwrap();
    let error = process.channel.receive::<FromWorker>(&soon()).unwrap_err();
    assert_eq!(process.death(&error).reason, "it was ended by signal 9, perhaps because memory ended");

    let mut config = config(home.path());
    config.executable = "/bin/sh".into();
    config.args = vec!["-c".into(), "printf 'out of \\033[31mluck' >&2; exit 3".into()];
    let error = Process::spawn(&config, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the program that should be a worker is none: it ended with status 3: out of [31mluck"
    );
}
