//! The service behind every command, in a daemon or in a command's own process.
//!
//! [`Node::handle`] is the one way in for commands, [`hosting`] the one for peers. Workers and network
//! start when they are first needed. A node prints nothing: what happens are events, what comes of it
//! is an answer.

mod archive; // export, import
mod collection; // pin, unpin, gc
mod delegation; // keys and who acts for whom
mod doctor; // what this machine enforces
mod execute; // one execution here, to its claim
mod executor; // what stands between guests and store
mod fetch; // content that is not here yet
mod gateway; // blocks over HTTP
mod history; // ps, logs, wait, cancel
mod hosting; // runs of others
mod hosts; // whom to ask for one run
mod inspect; // show, ls
mod kubo; // an IPFS node of the operator's
mod machine; // processor and memory
mod models; // models that are here, or are to be
mod network; // this node as a peer
mod offer; // what this host offers
mod prepare; // from a request to a run
mod publish; // from a draft to a package
mod pull; // content as files
mod quarantine; // runs that break hosts
mod remote; // runs on other hosts
mod replay; // verify, here or elsewhere
mod resolve; // names
mod run; // one attempt from request to answer
mod sampling; // replays that compute a sample of a claim's effects
mod statements; // receipts and verdicts: signing, keeping, finding
mod status; // how it does
mod verdicts; // replays by other hosts

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use poai_sandbox::worker::{Workers, WorkersConfig};
use poai_sandbox::{Kernels, LocalKey, Numerics};
use poai_store::{Durability, Store, StoreLimits};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::accelerator::{self, Chosen, choose};
use crate::attempts::Attempts;
use crate::claim_cache::TrustPolicy;
use crate::config::Config;
use crate::control::{Answer, Request, StopAnswer};
use crate::errors::{Failure, Kind};
use crate::events::Events;
use crate::gateway::Gateway;
use crate::home::{Home, HomeLock};
use crate::keys::Keys;
use crate::policy::Policy;
use crate::records::Records;
use crate::scheduler::{Scheduler, SchedulerLimits};
use crate::whole_files::WholeFiles;

pub(crate) use executor::{Execute, Executor, Honest};
use kubo::KuboSide;
use network::Network;
use offer::Speed;

/// How long attempts have to end once the node closes.
const GRACE: Duration = Duration::from_secs(5);
/// Memory beyond the guest's own that a worker may use, bytes.
const WORKER_OVERHEAD_BYTES: u64 = 2 << 30;

/// One home's node.
pub(crate) struct Node {
    home: Home,
    config: Config,
    keys: Keys,
    store: Store,
    records: Records,
    trust: TrustPolicy,
    policy: Policy,
    scheduler: Scheduler,
    attempts: Attempts,
    speed: Speed,
    executor: Box<dyn Executor>,
    accelerator: OnceCell<Option<Chosen>>,
    workers: OnceCell<Arc<Workers>>,
    whole_files: Arc<WholeFiles>,
    network: OnceCell<Network>,
    gateway: OnceLock<Gateway>,
    kubo: Option<KuboSide>,
    /// Set once this node is a daemon.
    hosting: OnceLock<()>,
    /// Dropped last: nobody else opens the home before everything above is closed.
    _lock: HomeLock,
}

impl Node {
    /// Opens a home that this process owns.
    pub(crate) async fn open(
        home: Home,
        lock: HomeLock,
        config: Config,
        executor: Box<dyn Executor>,
    ) -> Result<Self, Failure> {
        tokio::task::spawn_blocking(move || Self::open_here(home, lock, config, executor)).await.map_err(broken_off)?
    }

    fn open_here(home: Home, lock: HomeLock, config: Config, executor: Box<dyn Executor>) -> Result<Self, Failure> {
        let keys = Keys::open(&home)?;
        let mut limits = StoreLimits { durability: Durability::OnRequest, ..StoreLimits::default() };
        limits.quota_bytes = if config.store.quota_bytes == 0 { u64::MAX } else { config.store.quota_bytes };
        let store = Store::open(home.store(), limits)?;
        let records = Records::open(&home.records())?;
        let trust = TrustPolicy::parse(&config.cache)?;
        let policy = Policy::parse(&config.host.accept)?;
        let scheduler = Scheduler::new(scheduler_limits(&config));
        let attempts = Attempts::new(home.logs());
        let whole_files = Arc::new(WholeFiles::new(home.root().to_owned(), config.cache.mapped_bytes));
        let kubo = KuboSide::new(&config.store)?;
        Ok(Self {
            home,
            config,
            keys,
            store,
            records,
            trust,
            policy,
            scheduler,
            attempts,
            speed: Speed::default(),
            executor,
            accelerator: OnceCell::new(),
            workers: OnceCell::new(),
            whole_files,
            network: OnceCell::new(),
            gateway: OnceLock::new(),
            kubo,
            hosting: OnceLock::new(),
            _lock: lock,
        })
    }

    /// Does what a command asks. Whoever drops the future or cancels takes it back.
    pub(crate) async fn handle(
        self: &Arc<Self>,
        request: Request,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        // An attempt writes down how it ended; all else can be left where it is.
        let ends_by_itself = matches!(request, Request::Run(_) | Request::Wait { .. } | Request::Cancel { .. });
        let work = self.answer(request, events, cancel);
        if ends_by_itself {
            return work.await;
        }
        tokio::select! {
            answer = work => answer,
            () = cancel.cancelled() => Err(interrupted()),
        }
    }

    async fn answer(
        self: &Arc<Self>,
        request: Request,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        match request {
            Request::Status => self.status().await,
            Request::Publish(draft) => self.publish(draft, events, cancel).await,
            Request::Run(request) => self.run(*request, events, cancel).await,
            Request::Processes { all } => self.processes(all),
            Request::Logs { attempt, follow } => self.logs(&attempt, follow, events, cancel).await,
            Request::Wait { attempt, timeout } => self.wait(&attempt, timeout, events, cancel).await,
            Request::Cancel { attempt } => self.cancel(&attempt).await,
            Request::Verify { target, on, per_million, peers } => {
                self.verify(target, on, per_million, &peers, events, cancel).await
            }
            Request::Show { name, peers } => self.show(&name, &peers, events, cancel).await,
            Request::List { name: None, pins, .. } => self.list_home(pins),
            Request::List { name: Some(name), peers, .. } => self.list_folder(&name, &peers, events, cancel).await,
            Request::Pull { name, output, peers } => self.pull(&name, output, &peers, events, cancel).await,
            Request::Models => self.list_models().await,
            Request::PullModels { target, peers } => self.pull_models(target, peers, events, cancel).await,
            Request::Pin { name } => self.pin(&name).await,
            Request::Unpin { name } => self.unpin(&name).await,
            Request::CollectGarbage { check } => self.collect_garbage(check).await,
            Request::Export { names, output } => self.export(&names, output, events, cancel).await,
            Request::Import { paths } => self.import(paths, events).await,
            Request::Describe { name } => self.describe(&name),
            Request::Key => Ok(self.key()),
            Request::Delegate { host, days, output } => self.delegate(&host, days, &output),
            Request::Doctor => self.doctor().await,
            Request::Stop => Ok(Answer::Stopped(StopAnswer { stopped: std::process::id() })),
        }
    }

    /// Takes back what is under way, and ends workers and network.
    pub(crate) async fn close(&self) {
        self.attempts.cancel_all();
        let idle = async {
            while !self.attempts.is_idle() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(GRACE, idle).await.is_err() {
            tracing::warn!("some runs did not end in time; they are recorded as lost");
        }
        if let Err(failure) = self.records.flush() {
            tracing::warn!(%failure, "the latest attempts are not written down");
        }
        if let Some(gateway) = self.gateway.get() {
            gateway.close().await;
        }
        if let Some(network) = self.network.get() {
            network.close().await;
        }
        if let Some(workers) = self.workers.get().cloned()
            && let Err(error) = tokio::task::spawn_blocking(move || workers.shutdown()).await
        {
            tracing::warn!(%error, "the workers did not end well");
        }
    }

    /// The workers, started when they are first needed.
    async fn workers(&self) -> Result<Arc<Workers>, Failure> {
        let start = || async {
            let config = self.workers_config(self.accelerator().await?)?;
            let started = tokio::task::spawn_blocking(move || Workers::start(config)).await.map_err(broken_off)?;
            started.map(Arc::new).map_err(|error| {
                Failure::new(Kind::HostFault, crate::errors::chain(&error))
                    .hint("`poai doctor` tells what this machine lacks")
            })
        };
        self.workers.get_or_try_init(start).await.cloned()
    }

    /// The device that computes models beside the processor, if one does; looked for when it is first asked for.
    pub(crate) async fn accelerator(&self) -> Result<Option<&Chosen>, Failure> {
        let numerics = &self.config.numerics;
        let find = || async { choose(&numerics.device, numerics.device_from, &self.home.devices()).await };
        Ok(self.accelerator.get_or_try_init(find).await?.as_ref())
    }

    /// The same, once it was looked for.
    fn computing(&self) -> Option<&Chosen> {
        self.accelerator.get().and_then(Option::as_ref)
    }

    fn workers_config(&self, accelerator: Option<&Chosen>) -> Result<WorkersConfig, Failure> {
        let executable = std::env::current_exe().map_err(|error| {
            Failure::new(Kind::HostFault, format!("this program does not know where it lies: {error}"))
        })?;
        let arguments = crate::cli::worker::arguments(self.config.host.optimise, self.numerics(), accelerator);
        let mut config =
            WorkersConfig::new(executable, arguments, self.home.compiled(), LocalKey::from_bytes(self.keys.local));
        if accelerator.is_some() {
            config.environment = accelerator::environment();
        }
        let limits = self.scheduler.limits();
        config.limits.running = limits.slots;
        config.limits.worker_memory_bytes = limits.run_memory_bytes.saturating_add(WORKER_OVERHEAD_BYTES);
        config.limits.watchdog = Duration::from_secs(self.config.host.run_timeout_s);
        config.limits.code_cache.quota_bytes = self.config.cache.compiled_bytes;
        Ok(config)
    }

    /// How workers compute models: kernels by their own name, the same for all.
    fn numerics(&self) -> Numerics {
        let shared_out = NonZeroUsize::new(processors() / self.scheduler.limits().slots.max(1));
        let chosen = NonZeroUsize::new(self.config.numerics.threads);
        let asked = self.config.numerics.kernels().expect("checked when the configuration was read");
        let kernels = if asked == Kernels::Auto { Kernels::available()[0] } else { asked };
        Numerics { kernels, threads: chosen.or(shared_out).unwrap_or(NonZeroUsize::MIN) }
    }

    /// Runs something that waits for the disk on a thread that may wait.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let node = self.clone();
        tokio::task::spawn_blocking(move || work(&node)).await.map_err(broken_off)?
    }
}

fn broken_off(error: tokio::task::JoinError) -> Failure {
    Failure::new(Kind::Bug, format!("work of this node broke off: {error}"))
}

/// A command that was taken back.
fn interrupted() -> Failure {
    Failure::new(Kind::Interrupted, "interrupted")
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn scheduler_limits(config: &Config) -> SchedulerLimits {
    let memory_bytes = match config.host.memory_bytes {
        0 => machine::memory_bytes(),
        chosen => chosen,
    };
    SchedulerLimits {
        slots: if config.host.slots == 0 { processors() } else { config.host.slots },
        queue: config.host.queue,
        runs_per_peer: config.host.runs_per_peer,
        memory_bytes,
        run_memory_bytes: config.host.run_memory_bytes,
    }
}
