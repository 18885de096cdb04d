//! What the death, the hang and the misconduct of a worker cost: one attempt.

use std::path::Path;
use std::thread;
use std::time::Duration;

use poai_objects::{Limits, Outcome};
use poai_sandbox::Fault;
use poai_sandbox::worker::{Cancel, RunError, Workers};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::content::{Case, config, workers};
use crate::pool::wait_until;
use crate::programs;

/// Processes that were started with this mark among their arguments.
fn marked(mark: &str) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(Pid::from_raw);
    ids.filter(|id| {
        std::fs::read_to_string(format!("/proc/{id}/cmdline", id = id.as_raw_nonzero()))
            .is_ok_and(|line| line.contains(mark))
    })
    .collect()
}

/// Whether the process has ended with all its threads: it is gone, or only waits for its parent to take notice.
fn is_dead(id: Pid) -> bool {
    let folder = std::path::PathBuf::from(format!("/proc/{}", id.as_raw_nonzero()));
    let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
    let ended = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
    ended && std::fs::read_dir(folder.join("task")).map_or(0, Iterator::count) <= 1
}

fn marked_workers(home: &Path, mark: &str) -> Workers {
    let mut config = config(home, |_| {});
    config.args.push(mark.into());
    Workers::start(config).unwrap()
}

fn spin() -> Case {
    let mut case = Case::new(&programs::spin());
    case.run.limits.fuel = Limits::MAX_FUEL;
    case
}

#[test]
fn a_hanging_guest_meets_the_watchdog() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |limits| limits.watchdog = Duration::from_millis(300));
    let error = spin().run_in(&workers).unwrap_err();
    assert!(matches!(error, RunError::Fault(Fault::Watchdog { limit_ms: 300 })), "{error}");
    assert_eq!(workers.status().lost, 1);
    // What ends by itself ends before the watchdog, unless this machine is busy just then.
    wait_until(|| match Case::new(&programs::nothing()).run_in(&workers) {
        Ok(ran) => ran.finished.outcome == Outcome::Ok,
        Err(RunError::Fault(Fault::Watchdog { .. })) => false,
        Err(error) => panic!("{error}"),
    });
}

#[test]
fn cancelling_ends_an_attempt_that_would_never_end() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |_| {});
    let cancel = Cancel::new().unwrap();
    let case = spin();
    thread::scope(|scope| {
        let attempt = scope.spawn(|| case.run_with(&workers, &cancel).0.unwrap_err());
        wait_until(|| workers.status().compiled == 1);
        // Most often the guest is in its loop by then; the test holds either way.
        thread::sleep(Duration::from_millis(50));
        cancel.cancel();
        cancel.cancel();
        let error = attempt.join().unwrap();
        assert!(matches!(error, RunError::Fault(Fault::Cancelled)), "{error}");
    });
    let error = case.run_with(&workers, &cancel).0.unwrap_err();
    assert!(matches!(error, RunError::Fault(Fault::Cancelled)), "what was cancelled before it began: {error}");
    assert_eq!(Case::new(&programs::nothing()).run_in(&workers).unwrap().finished.outcome, Outcome::Ok);
}

#[test]
fn shutting_down_ends_what_runs_and_leaves_no_process() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |_| {});
    Case::new(&programs::nothing()).run_in(&workers).unwrap();
    let pid = warm_worker(&workers);
    let case = spin();
    thread::scope(|scope| {
        let attempt = scope.spawn(|| case.run_in(&workers).unwrap_err());
        wait_until(|| workers.status().running == 1);
        workers.shutdown();
        let error = attempt.join().unwrap();
        assert!(matches!(error, RunError::Fault(Fault::Cancelled)), "{error}");
    });
    let error = case.run_in(&workers).unwrap_err();
    assert!(matches!(error, RunError::Fault(Fault::Cancelled)), "after the shutdown: {error}");
    assert!(test_kill_process(pid).is_err(), "an idle worker outlived the pool");
}

fn warm_worker(workers: &Workers) -> Pid {
    let ran = Case::new(&programs::nothing()).run_in(workers).unwrap();
    Pid::from_raw(i32::try_from(ran.worker).unwrap()).unwrap()
}

#[test]
fn a_worker_killed_while_idle_costs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let workers = workers(home.path(), |_| {});
    let case = Case::new(&programs::nothing());
    let first = case.run_in(&workers).unwrap();
    let idle = warm_worker(&workers);
    kill_process(idle, Signal::KILL).unwrap();
    wait_until(|| is_dead(idle));
    let second = case.run_in(&workers).unwrap();
    assert_ne!(first.worker, second.worker);
    assert_eq!(second.finished.outcome, Outcome::Ok);
}

/// Kills workers at moments spread over spawn, load, run and idleness. Every attempt ends in its
/// outcome or in `WorkerDied`, and the next is none the worse.
#[test]
fn killed_at_any_moment_a_worker_costs_that_attempt_at_most() {
    let home = tempfile::tempdir().unwrap();
    let mark = "killed-at-any-moment";
    let workers = marked_workers(home.path(), mark);
    let case = Case::new(&programs::work());
    let expected = case.run_in(&workers).unwrap().finished;
    let mut died = 0;
    let mut killed = Vec::new();
    let mut round = 0;
    // Sixty moments, and more until one of them hit a worker at its work.
    while round < 60 || died == 0 {
        assert!(round < 3_600, "no round hits a worker: the test proves nothing");
        thread::scope(|scope| {
            let attempt = scope.spawn(|| case.run_in(&workers));
            thread::sleep(Duration::from_micros(round % 60 * 700));
            for pid in marked(mark) {
                // Some are gone by now.
                kill_process(pid, Signal::KILL).ok();
                killed.push(pid);
            }
            match attempt.join().unwrap() {
                Ok(ran) => {
                    assert_eq!((ran.finished.outcome, ran.finished.fuel), (expected.outcome.clone(), expected.fuel))
                }
                Err(RunError::Fault(Fault::WorkerDied { reason })) => {
                    assert!(reason.contains("signal 9") || reason.contains("gone"), "{reason}");
                    died += 1;
                }
                Err(error) => panic!("round {round}: {error}"),
            }
        });
        round += 1;
    }
    wait_until(|| killed.iter().all(|pid| is_dead(*pid)));
    let after = case.run_in(&workers).unwrap().finished;
    assert_eq!((after.outcome, after.fuel), (expected.outcome, expected.fuel));
}
