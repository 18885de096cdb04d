//! The pool: what the host calls to have a run executed.

mod ready; // a worker with the program loaded: warm, or from cached or new code

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use poai_objects::{Object, Program, ProgramId, Run};
use tracing::warn;

use self::ready::cannot_start;
use super::attempt::{Stop, attend};
use super::cancel::Cancel;
use super::channel::{ChannelError, Patience};
use super::compile::milliseconds;
use super::config::WorkersConfig;
use super::error::{RunError, WorkersError};
use super::spawn::Process;
use crate::code_cache::{CodeCache, CodeIdentity};
use crate::layers::Layers;
use crate::{Content, Fault, Finished, Sink};

/// How often those who wait for their turn look whether they were cancelled.
const CANCEL_POLL: Duration = Duration::from_millis(50);
/// How long no process is started ahead of need after one could not be started.
const SPAWN_PAUSE: Duration = Duration::from_secs(5);

/// A home's workers. Thread-safe, and blocking: a daemon calls it on threads of its own.
#[derive(Debug)]
pub struct Workers {
    pool: Arc<Pool>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// What is to be executed.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The program that [`Run::program`] names; its component and models come from the content.
    pub program: &'a Program,
    /// The run.
    pub run: &'a Run,
}

/// A run that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// How it ended: what its claim says.
    pub finished: Finished,
    /// Microseconds from the moment that it was its turn until a worker was ready: compiling, loading.
    pub prepare_us: u64,
    /// Microseconds from the order to start until the end was known.
    pub attempt_us: u64,
    /// Whether a worker was ready, with the program loaded.
    pub warm: bool,
    /// The worker's process.
    pub worker: u32,
}

/// What the workers are doing, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Attempts under way.
    pub running: usize,
    /// Attempts that wait for their turn.
    pub waiting: usize,
    /// Workers with a program loaded, waiting for its next run.
    pub warm: usize,
    /// Workers that wait for a program.
    pub blank: usize,
    /// Processes started so far.
    pub spawned: u64,
    /// Workers replaced after their share of runs.
    pub retired: u64,
    /// Workers that died, hung or broke the protocol during an attempt.
    pub lost: u64,
    /// Programs compiled.
    pub compiled: u64,
    /// Programs whose code was in the cache.
    pub cache_hits: u64,
    /// Entries of the cache that were not authentic: damaged, or forged.
    pub cache_rejected: u64,
    /// Attempts turned away because their program took more than this host compiles, not long ago.
    pub turned_away: u64,
}

#[derive(Debug)]
struct Pool {
    config: WorkersConfig,
    cache: CodeCache,
    identity: CodeIdentity,
    layers: Layers,
    state: Mutex<State>,
    changed: Condvar,
    // Every attempt also waits for this one.
    stop: Cancel,
}

#[derive(Debug, Default)]
struct State {
    // The one longest unused is at the front.
    warm: VecDeque<Loaded>,
    blank: Vec<Process>,
    compiling: HashSet<ProgramId>,
    // Programs that took more than this host compiles, and until when that is the answer; the latest last.
    given_up: VecDeque<(ProgramId, Fault, Instant)>,
    // Programs whose worker is about to be retired: the run after that finds a new one warm.
    rewarm: VecDeque<Program>,
    status: PoolStatus,
}

/// A worker with a program.
#[derive(Debug)]
struct Loaded {
    process: Process,
    program: ProgramId,
    runs: u32,
}

impl Workers {
    /// Opens the cache, starts the first worker and looks how it is confined.
    ///
    /// # Errors
    /// If the configured program is no worker of this build, if a required layer is not in force, or
    /// if the cache cannot be used.
    pub fn start(config: WorkersConfig) -> Result<Self, WorkersError> {
        let cache = CodeCache::open(&config.code_cache, config.local_key.clone(), config.limits.code_cache)
            .map_err(|source| WorkersError::CodeCache { directory: config.code_cache.clone(), source })?;
        let stop = Cancel::new()?;
        let (first, greeting) = Process::spawn(&config, &[])?;
        for (layer, state) in greeting.layers.absent() {
            warn!(%layer, "a layer of the workers' confinement is {state}");
        }
        let status = PoolStatus { spawned: 1, ..PoolStatus::default() };
        let state = Mutex::new(State { blank: vec![first], status, ..State::default() });
        let changed = Condvar::new();
        let pool = Arc::new(Pool {
            config,
            cache,
            identity: greeting.identity,
            layers: greeting.layers,
            state,
            changed,
            stop,
        });
        let kept = Arc::clone(&pool);
        let keeper = thread::Builder::new().name("workers".into()).spawn(move || kept.keep_ready())?;
        Ok(Self { pool, keeper: Mutex::new(Some(keeper)) })
    }

    /// Executes a run in a worker: waits for its turn, compiles the program if no code is cached, and
    /// serves the worker until the end. What came through `sink` counts only if this is `Ok`.
    ///
    /// # Errors
    /// [`RunError::Refused`] if the program breaks a static rule, [`RunError::Fault`] if this attempt
    /// failed by no doing of the guest, [`RunError::Busy`] if too many wait already.
    pub fn run(
        &self,
        attempt: Attempt<'_>,
        content: &dyn Content,
        sink: &mut dyn Sink,
        cancel: &Cancel,
    ) -> Result<Ran, RunError> {
        let pool = &*self.pool;
        let cancels = [cancel, &pool.stop];
        let _turn = Turn::wait(pool, &cancels)?;
        let started = Instant::now();
        loop {
            let (mut worker, warm) = pool.ready_worker(&attempt, content, &cancels)?;
            let prepare_us = microseconds(started.elapsed());
            let started = Instant::now();
            let patience = Patience { deadline: Some(started + pool.config.limits.watchdog), cancels: &cancels };
            let channel = &mut worker.process.channel;
            let ended = attend(channel, attempt.program, attempt.run, content, sink, &patience);
            let attempt_us = microseconds(started.elapsed());
            match ended {
                Ok(finished) => {
                    let id = worker.process.id();
                    pool.keep_warm(worker, attempt.program);
                    return Ok(Ran { finished, prepare_us, attempt_us, warm, worker: id });
                }
                // It was killed while it was idle: nothing of this run is lost. There are only so many warm ones.
                Err(Stop::Silent) if warm => {}
                Err(stop) => {
                    let fault =
                        stop.into_channel_error().map_or_else(|fault| fault, |error| pool.lose(worker.process, &error));
                    return Err(fault.into());
                }
            }
        }
    }

    /// How workers are confined on this machine.
    pub fn layers(&self) -> &Layers {
        &self.pool.layers
    }

    /// What the workers are doing.
    pub fn status(&self) -> PoolStatus {
        let state = self.pool.lock();
        PoolStatus { warm: state.warm.len(), blank: state.blank.len(), ..state.status.clone() }
    }

    /// Kills every worker, and waits until all attempts have ended, as [`Fault::Cancelled`].
    pub fn shutdown(&self) {
        self.pool.stop.cancel();
        let mut state = self.pool.lock();
        self.pool.changed.notify_all();
        while state.status.running > 0 {
            state = self.pool.changed.wait(state).expect(UNPOISONED);
        }
        let idle = (std::mem::take(&mut state.warm), std::mem::take(&mut state.blank));
        drop(state);
        drop(idle);
        let keeper = self.keeper.lock().expect(UNPOISONED).take();
        if let Some(keeper) = keeper {
            keeper.join().expect("the keeper does not panic");
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shutdown();
    }
}

const UNPOISONED: &str = "nothing panics while it holds this lock";

/// The right to run, given back when dropped.
struct Turn<'a>(&'a Pool);

impl<'a> Turn<'a> {
    fn wait(pool: &'a Pool, cancels: &[&Cancel]) -> Result<Self, RunError> {
        let limits = &pool.config.limits;
        let mut state = pool.lock();
        if state.status.running >= limits.running && state.status.waiting >= limits.waiting {
            return Err(RunError::Busy { waiting: limits.waiting });
        }
        state.status.waiting += 1;
        while state.status.running >= limits.running && !is_cancelled(cancels) {
            state = pool.changed.wait_timeout(state, CANCEL_POLL).expect(UNPOISONED).0;
        }
        state.status.waiting -= 1;
        if is_cancelled(cancels) {
            return Err(Fault::Cancelled.into());
        }
        state.status.running += 1;
        Ok(Self(pool))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().status.running -= 1;
        self.0.changed.notify_all();
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }

    fn keep_warm(&self, mut worker: Loaded, program: &Program) {
        let limits = &self.config.limits;
        let mut surplus = Vec::new();
        let mut state = self.lock();
        worker.runs += 1;
        if worker.runs == self.runs_before_successor() && state.rewarm.len() < limits.warm {
            state.rewarm.push_back(program.clone());
        }
        if worker.runs < limits.runs_per_worker {
            state.warm.push_back(worker);
        } else {
            state.status.retired += 1;
            surplus.push(worker);
        }
        while state.warm.len() > limits.warm {
            surplus.extend(state.warm.pop_front());
        }
        drop(state);
        self.changed.notify_all();
        // Killed without the lock held.
        drop(surplus);
    }

    /// After how many runs a worker's successor is made ready, so that its last runs cover the time that this takes.
    fn runs_before_successor(&self) -> u32 {
        let limit = self.config.limits.runs_per_worker;
        limit.saturating_sub((limit / 10).max(1)).max(1)
    }

    /// Puts a worker where the next run finds it, and retires those that it succeeds.
    fn succeed(&self, worker: Loaded) {
        let before = self.runs_before_successor();
        let mut state = self.lock();
        let (old, kept) =
            state.warm.drain(..).partition(|warm: &Loaded| warm.program == worker.program && warm.runs >= before);
        state.warm = kept;
        state.warm.push_back(worker);
        let old: VecDeque<Loaded> = old;
        state.status.retired += old.len() as u64;
        drop(state);
        drop(old);
    }

    /// The fault that the loss of a worker is.
    fn lose(&self, mut process: Process, error: &ChannelError) -> Fault {
        match error {
            ChannelError::Cancelled => return Fault::Cancelled,
            ChannelError::Deadline => {
                self.lock().status.lost += 1;
                return Fault::Watchdog { limit_ms: milliseconds(self.config.limits.watchdog) };
            }
            _ => {}
        }
        let death = process.death(error);
        self.lock().status.lost += 1;
        if death.out_of_memory {
            Fault::HostMemory { reason: death.reason }
        } else {
            Fault::WorkerDied { reason: death.reason }
        }
    }

    /// The keeper's life: starts processes ahead of need, so that no run waits for one.
    fn keep_ready(&self) {
        let mut state = self.lock();
        while !self.stop.is_cancelled() {
            let task = match state.rewarm.pop_front() {
                Some(program) => Some(Task::Rewarm(Box::new(program))),
                None if state.blank.len() < self.config.limits.blank => Some(Task::Spawn),
                None => None,
            };
            let Some(task) = task else {
                state = self.changed.wait(state).expect(UNPOISONED);
                continue;
            };
            drop(state);
            let done = self.perform(task);
            state = self.lock();
            if let Err(error) = done
                && !self.stop.is_cancelled()
            {
                warn!("no worker can be made ready: {error}");
                state = self.changed.wait_timeout(state, SPAWN_PAUSE).expect(UNPOISONED).0;
            }
        }
    }

    fn perform(&self, task: Task) -> Result<(), RunError> {
        match task {
            Task::Spawn => {
                let process = self.spawn(&[&self.stop]).map_err(cannot_start)?;
                self.lock().blank.push(process);
            }
            Task::Rewarm(program) => {
                let id = program.id();
                if let Some(code) = self.cached(id) {
                    let worker = self.load(&program, id, &code, &[&self.stop])?;
                    self.succeed(worker);
                }
            }
        }
        Ok(())
    }
}

/// What the keeper does next.
enum Task {
    Spawn,
    Rewarm(Box<Program>),
}

fn is_cancelled(cancels: &[&Cancel]) -> bool {
    cancels.iter().any(|cancel| cancel.is_cancelled())
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
