//! Runs through the pool: cold and warm, refused, limited, compiled once.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use poai_objects::{Fuel, Limits, Outcome, Trap, World};
use poai_sandbox::worker::{Cancel, RunError, Workers};
use poai_sandbox::{CompileLimit, Fault, Finished};

use crate::content::{Case, config, workers};
use crate::programs;

#[test]
fn a_hundred_runs_in_one_warm_worker_are_the_same() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |_| {});
    let case = Case::new(&programs::nothing());
    let first = case.run_in(&workers).unwrap();
    assert_eq!(first.finished.outcome, Outcome::Ok);
    assert!(!first.warm);
    for _ in 0..100 {
        let again = case.run_in(&workers).unwrap();
        assert!(again.warm);
        assert_eq!(again.worker, first.worker);
        assert_eq!(
            (again.finished.outcome, again.finished.fuel),
            (first.finished.outcome.clone(), first.finished.fuel)
        );
    }
    let status = workers.status();
    assert_eq!((status.compiled, status.lost, status.running, status.warm), (1, 0, 0, 1));
}

#[test]
fn a_run_in_a_worker_is_the_run_in_this_process() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |_| {});
    let component = programs::copy();
    let source: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 253) as u8).collect();
    let case = Case::of_world(World::Task, &component).with_input("source", &source);
    let (here, kept_here) = case.run_here(&component);
    let (there, kept_there) = case.run_with(&workers, &Cancel::new().unwrap());
    assert_eq!(Finished { guest_us: here.guest_us, ..there.unwrap().finished }, here);
    assert_eq!(here.outcome, Outcome::Ok);
    assert_eq!(kept_there.outputs, kept_here.outputs);
    assert_eq!(kept_there.words, kept_here.words);
    assert_eq!(kept_there.outputs.values().next(), Some(&source));
}

#[test]
fn memory_that_this_host_lacks_is_a_fault_and_no_outcome() {
    let home = tempfile::tempdir().unwrap();
    let large = workers(home.path(), |_| {});
    let small = workers(home.path(), |limits| limits.worker_memory_bytes = 512 << 20);
    for component in [programs::grow(), programs::begin_large()] {
        let case = Case::new(&component);
        assert_eq!(case.run_in(&large).unwrap().finished.outcome, Outcome::Ok);
        let error = case.run_in(&small).unwrap_err();
        assert!(matches!(error, RunError::Fault(Fault::HostMemory { .. })), "{error}");
    }
}

#[test]
fn a_guest_s_own_end_costs_no_worker() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |_| {});
    let mut hungry = Case::new(&programs::spin());
    hungry.run.limits.fuel = Fuel(1_000_000);
    for (case, trap) in [
        (Case::new(&programs::unreachable()), Trap::Unreachable),
        (Case::new(&programs::recurse()), Trap::Stack),
        (hungry, Trap::OutOfFuel),
    ] {
        let first = case.run_in(&workers).unwrap();
        let second = case.run_in(&workers).unwrap();
        assert_eq!(first.finished.outcome, Outcome::Trapped { trap });
        assert_eq!((first.finished.fuel, first.worker), (second.finished.fuel, second.worker), "{trap}");
    }
    assert_eq!(workers.status().lost, 0);
}

#[test]
fn a_worker_is_replaced_after_its_runs_and_the_next_is_warm() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |limits| limits.runs_per_worker = 10);
    let case = Case::new(&programs::nothing());
    let first = case.run_in(&workers).unwrap();
    for _ in 1..9 {
        assert_eq!(case.run_in(&workers).unwrap().worker, first.worker);
    }
    // Its successor is made ready before its last run, and takes over.
    wait_until(|| workers.status().retired == 1);
    let next = case.run_in(&workers).unwrap();
    assert_ne!(next.worker, first.worker);
    assert!(next.warm);
    assert_eq!(workers.status().warm, 1);
}

#[test]
fn the_warm_workers_are_bounded_and_the_one_longest_unused_goes() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |limits| limits.warm = 1);
    let (one, other) = (Case::new(&programs::nothing()), Case::new(&programs::unreachable()));
    one.run_in(&workers).unwrap();
    other.run_in(&workers).unwrap();
    assert_eq!(workers.status().warm, 1);
    assert!(other.run_in(&workers).unwrap().warm);
    assert!(!one.run_in(&workers).unwrap().warm);
    assert_eq!(workers.status().compiled, 2);
}

#[test]
fn code_is_compiled_once_a_home_and_forged_code_is_not_used() {
    let home = tempfile::tempdir().unwrap();
    let case = Case::new(&programs::nothing());
    let expected = case.run_in(&workers(home.path(), |_| {})).unwrap().finished;

    let again = workers(home.path(), |_| {});
    assert_eq!(case.run_in(&again).unwrap().finished.fuel, expected.fuel);
    assert_eq!((again.status().compiled, again.status().cache_hits), (0, 1));

    let entry = fs::read_dir(home.path().join("code")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&entry, bytes).unwrap();
    let forged = workers(home.path(), |_| {});
    assert_eq!(case.run_in(&forged).unwrap().finished.fuel, expected.fuel);
    assert_eq!((forged.status().compiled, forged.status().cache_rejected), (1, 1));
}

#[test]
fn a_cache_that_cannot_be_written_costs_no_run() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |limits| limits.code_cache.entry_bytes = 16);
    let case = Case::new(&programs::nothing());
    assert_eq!(case.run_in(&workers).unwrap().finished.outcome, Outcome::Ok);
    assert_eq!(fs::read_dir(home.path().join("code")).unwrap().count(), 0);
}

#[test]
fn what_breaks_a_static_rule_is_refused_every_time() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |_| {});
    for (component, expected) in
        [(b"no wasm".to_vec(), "webassembly"), (wat::parse_str("(component)").unwrap(), "world")]
    {
        for _ in 0..2 {
            let RunError::Refused { rule, .. } = Case::new(&component).run_in(&workers).unwrap_err() else {
                panic!("not refused")
            };
            assert_eq!(rule, expected);
        }
    }
    assert_eq!(workers.status().lost, 0);
}

#[test]
fn a_compile_bomb_costs_a_worker_and_says_what_it_took() {
    let home = tempfile::tempdir().unwrap();
    let bomb = Case::new(&programs::long_to_compile());
    let slow = workers(home.path(), |limits| {
        limits.compile_time = Duration::from_millis(200);
        limits.compile_again = Duration::ZERO;
    });
    let error = bomb.run_in(&slow).unwrap_err();
    assert!(matches!(error, RunError::Fault(Fault::Compile { limit: CompileLimit::Time, allowed: 200 })), "{error}");
    // What is small compiles in that time too, unless this machine is busy just then.
    wait_until(|| match Case::new(&programs::nothing()).run_in(&slow) {
        Ok(ran) => ran.finished.outcome == Outcome::Ok,
        Err(RunError::Fault(Fault::Compile { limit: CompileLimit::Time, .. })) => false,
        Err(error) => panic!("{error}"),
    });

    let small = workers(home.path(), |limits| limits.compile_memory_bytes = 64 << 20);
    let error = bomb.run_in(&small).unwrap_err();
    assert!(matches!(error, RunError::Fault(Fault::Compile { limit: CompileLimit::Memory, .. })), "{error}");

    let narrow = workers(home.path(), |limits| limits.code_bytes = 1_000);
    let error = Case::new(&programs::work()).run_in(&narrow).unwrap_err();
    assert!(matches!(error, RunError::Fault(Fault::Compile { limit: CompileLimit::Code, allowed: 1_000 })), "{error}");
}

#[test]
fn a_compile_bomb_is_remembered_and_costs_nothing_more() {
    let home = tempfile::tempdir().unwrap();
    let bomb = Case::new(&programs::long_to_compile());
    let workers = workers(home.path(), |limits| limits.compile_memory_bytes = 64 << 20);
    let first = bomb.run_in(&workers).unwrap_err().to_string();
    assert_eq!(workers.status().turned_away, 0);
    assert_eq!(bomb.run_in(&workers).unwrap_err().to_string(), first);
    assert_eq!(workers.status().turned_away, 1);
}

#[test]
fn attempts_beyond_the_limits_wait_and_then_are_turned_away() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |limits| {
        limits.running = 1;
        limits.waiting = 1;
    });
    let (mut spin, nothing) = (Case::new(&programs::spin()), Case::new(&programs::nothing()));
    spin.run.limits.fuel = Limits::MAX_FUEL;
    let cancel = Cancel::new().unwrap();
    thread::scope(|scope| {
        let spinning = scope.spawn(|| spin.run_with(&workers, &cancel).0);
        wait_until(|| workers.status().running == 1);
        let waiting = scope.spawn(|| nothing.run_in(&workers).unwrap());
        wait_until(|| workers.status().waiting == 1);
        let error = nothing.run_in(&workers).unwrap_err();
        assert!(matches!(error, RunError::Busy { waiting: 1 }), "{error}");
        cancel.cancel();
        let error = spinning.join().unwrap().unwrap_err();
        assert!(matches!(error, RunError::Fault(Fault::Cancelled)), "{error}");
        assert_eq!(waiting.join().unwrap().finished.outcome, Outcome::Ok);
    });
    assert_eq!((workers.status().running, workers.status().waiting), (0, 0));
}

#[test]
fn what_is_no_worker_is_told_from_one() {
    let home = tempfile::tempdir().unwrap();
    let start = |executable: &str, args: &[&str], hello_time| {
        let mut config = config(home.path(), |limits| limits.hello_time = hello_time);
        if !executable.is_empty() {
            config.executable = executable.into();
        }
        config.args = args.iter().map(Into::into).collect();
        Workers::start(config).unwrap_err()
    };
    for (executable, args, expected) in [
        (
            "/no/such/file",
            [].as_slice(),
            "/no/such/file cannot be started as a worker: No such file or directory (os error 2)",
        ),
        ("/bin/true", &[], "the program that should be a worker is none: it ended with status 0"),
        ("/bin/cat", &["/no/such/file"], "the program that should be a worker is none: it ended with status 1: "),
    ] {
        let error = start(executable, args, LONG).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = start("", &["silent"], Duration::from_millis(100)).to_string();
    assert_eq!(error, "the program that should be a worker is none: the deadline has passed");
}

/// What nothing takes, even on a busy machine: it only keeps a broken test from hanging.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LONG, "it does not come to that");
        thread::sleep(Duration::from_millis(10));
    }
}
