use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::cheat::ALTERED;
use super::peers::{Conduct, Peer};
use super::plan::{AUTHOR, CHEAT, Given, HOSTS, LEAST_ACCURACY, NETWORK, PLAN, REPORT, Step, VERIFIER};
use super::program::Program;
use super::report::{DemoReport, PeerRow, Reading, RunRow};
use super::stage::Stage;
use crate::control::{OutcomeKind, PublishAnswer, PullAnswer, RunAnswer, StatusAnswer, VerifyAnswer};
use crate::errors::{Failure, Kind};

/// How long the task's build may take: a first one fetches a target and crates.
const BUILD: Duration = Duration::from_secs(900);
/// How long any other command may take: seconds, but on a machine that does much else. That the whole story is
/// quick is measured by the bench, not enforced here.
const COMMAND: Duration = Duration::from_secs(600);

/// What the story needs to be told.
pub(crate) struct Setting<'a> {
    /// The folder of the task `digits`.
    pub(crate) task: &'a Path,
    pub(crate) stage: &'a Stage,
    /// Hears what is going on, a line at a time.
    pub(crate) say: &'a mut dyn FnMut(String),
}

/// Plays the story to its end. All processes have ended when this returns, also when it was cancelled or fails.
pub(crate) async fn tell(setting: Setting<'_>, cancel: &CancellationToken) -> Result<DemoReport, Failure> {
    let mut story =
        Story { program: Program::this()?, setting, peers: Vec::new(), dismissed: Vec::new(), runs: Vec::new() };
    let told = tokio::select! {
        told = story.tell() => told,
        () = cancel.cancelled() => Err(Failure::new(Kind::Interrupted, "the demo was interrupted")),
    };
    join_all(story.peers.drain(..).map(Peer::stop)).await;
    told
}

struct Story<'a> {
    program: Program,
    setting: Setting<'a>,
    peers: Vec<Peer>,
    /// What is to be told of hosts that were caught, and stopped.
    dismissed: Vec<PeerRow>,
    runs: Vec<RunRow>,
}

/// What `poai build` answers.
#[derive(Deserialize)]
struct Built {
    component: PathBuf,
    bytes: u64,
}

impl Story<'_> {
    async fn tell(&mut self) -> Result<DemoReport, Failure> {
        self.build().await?;
        let begun = Instant::now();
        let task = self.publish().await?;
        self.gather(&task).await?;
        for step in &PLAN {
            self.perform(step, &task).await?;
        }
        let held_out = self.reading().await?;
        self.check(held_out)?;
        Ok(DemoReport {
            task,
            peers: self.rows().await?,
            runs: std::mem::take(&mut self.runs),
            held_out,
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            kept: self.setting.stage.stays().map(|folder| folder.display().to_string()),
            program: self.program.shown(),
        })
    }

    fn say(&mut self, line: String) {
        (self.setting.say)(line);
    }

    async fn build(&mut self) -> Result<(), Failure> {
        self.say(format!("building {} (the first time takes longer)", self.setting.task.display()));
        let arguments = ["build".as_ref(), self.setting.task.as_os_str()];
        let built: Built = self.program.ask(&self.setting.stage.home(AUTHOR), &arguments, BUILD).await?;
        let file = built.component.file_name().unwrap_or_default().to_string_lossy();
        self.say(format!("built {file}, {} bytes of WebAssembly", built.bytes));
        Ok(())
    }

    async fn publish(&mut self) -> Result<PublishAnswer, Failure> {
        let author = Peer::start(&self.program, self.setting.stage, AUTHOR, Conduct::Honest, &[], &[]).await?;
        let home = author.home.clone();
        self.peers.push(author);
        let arguments = ["publish".as_ref(), self.setting.task.as_os_str()];
        let task: PublishAnswer = self.program.ask(&home, &arguments, COMMAND).await?;
        self.say(format!("{AUTHOR} publishes {} {}: {}", task.name, task.version, task.package));
        Ok(task)
    }

    /// Starts everybody else: hosts that take this program's runs, and the verifier, who takes nobody's.
    async fn gather(&mut self, task: &PublishAnswer) -> Result<(), Failure> {
        let known = &self.peers[0].addresses;
        let accept = [format!("program:{}", task.program)];
        let hosts = HOSTS.map(|name| {
            let conduct = if name == CHEAT { Conduct::Cheating } else { Conduct::Honest };
            Peer::start(&self.program, self.setting.stage, name, conduct, &accept, known)
        });
        let verifier = Peer::start(&self.program, self.setting.stage, VERIFIER, Conduct::Honest, &[], known);
        let (hosts, verifier) = tokio::try_join!(try_join_all(hosts), verifier)?;
        self.peers.extend(hosts);
        self.peers.push(verifier);
        let names: Vec<&str> = self.peers.iter().map(|peer| peer.name).collect();
        self.say(format!("on this machine now, a process and a home each: {}", names.join(", ")));
        self.say(format!("{CHEAT} is not honest: it changes one bit of the weights that its guests write"));
        Ok(())
    }

    /// Has a step executed by one host after the other until the verifier reaches the same claim.
    async fn perform(&mut self, step: &Step, task: &PublishAnswer) -> Result<(), Failure> {
        for host in step.hosts {
            let row = self.execute(step, host, task).await?;
            let stands = !row.differs();
            self.runs.push(row);
            if stands {
                return Ok(());
            }
            self.dismiss(host).await?;
        }
        Err(Failure::new(Kind::Bug, format!("{}: no host's result stands", step.name)))
    }

    /// Stops a host that was caught: nobody gives it any more runs.
    async fn dismiss(&mut self, host: &str) -> Result<(), Failure> {
        let row = self.row(self.peer(host)).await?;
        self.dismissed.push(row);
        if let Some(at) = self.peers.iter().position(|peer| peer.name == host) {
            self.peers.remove(at).stop().await;
            self.say(format!("  {host} is stopped"));
        }
        Ok(())
    }

    async fn execute(&mut self, step: &Step, host: &'static str, task: &PublishAnswer) -> Result<RunRow, Failure> {
        let place = if host == NETWORK { NETWORK.to_owned() } else { self.peer(host).address()?.to_owned() };
        let mut arguments = vec!["run".to_owned(), task.package.clone()];
        arguments.extend(step.arguments(&place, |given| self.find(given)));
        let run: RunAnswer = self.program.ask(&self.peer(AUTHOR).home, &arguments, COMMAND).await?;
        if run.outcome.kind != OutcomeKind::Ok {
            let why = run.outcome.message.or(run.outcome.trap).unwrap_or_default();
            return Err(Failure::new(Kind::Bug, format!("{} on {host} did not succeed: {why}", step.name)));
        }
        let host = self.host_of(&run)?;
        self.say(format!("{} on {host}: done, claim {}", step.name, run.claim));
        self.replay(step, host, run).await
    }

    /// Has the verifier fetch a receipt, and make the same run again.
    async fn replay(&mut self, step: &Step, host: &'static str, run: RunAnswer) -> Result<RunRow, Failure> {
        let known = self.peer(host).addresses.iter().chain(&self.peer(AUTHOR).addresses);
        let mut arguments = vec!["verify".to_owned(), run.receipt.clone()];
        arguments.extend(known.flat_map(|address| ["--peer".to_owned(), address.clone()]));
        let replay: VerifyAnswer = self.program.ask(&self.peer(VERIFIER).home, &arguments, COMMAND).await?;
        self.say(match &replay.first_difference {
            None => format!("  {VERIFIER} replays it: the same claim"),
            Some(field) => {
                format!("  {VERIFIER} replays it: ANOTHER claim, the first difference is in {field}: {host} is caught")
            }
        });
        Ok(RunRow { name: step.name.into(), host: host.into(), run, verifier: VERIFIER.into(), replay })
    }

    /// Who executed a run, by the name that it has in this story.
    fn host_of(&self, run: &RunAnswer) -> Result<&'static str, Failure> {
        let host = self.peers.iter().find(|peer| run.host.as_ref() == Some(&peer.id));
        host.map(|peer| peer.name).ok_or_else(|| Failure::new(Kind::Bug, "a run was executed by nobody of this story"))
    }

    fn peer(&self, name: &str) -> &Peer {
        self.peers.iter().find(|peer| peer.name == name).expect("the plan names peers of the story")
    }

    /// What an input's flag is given: a path, or the CID of an earlier step's output that stands.
    fn find(&self, given: Given) -> String {
        match given {
            Given::File(file) => self.setting.task.join(file).display().to_string(),
            Given::Output { step, name } => {
                let row = self.runs.iter().rfind(|row| row.name == step).expect("steps refer to earlier ones");
                row.run.outputs.get(name).map(|output| output.cid.clone()).unwrap_or_default()
            }
        }
    }

    /// Fetches the last run's own report, and reads it.
    async fn reading(&mut self) -> Result<Reading, Failure> {
        let missing = || Failure::new(Kind::Bug, format!("the last run wrote no output {REPORT}"));
        let last = self.runs.last().expect("the plan has steps");
        let cid = last.run.outputs.get(REPORT).ok_or_else(missing)?.cid.clone();
        let home = &self.peer(AUTHOR).home;
        let file = home.join(REPORT);
        let arguments = ["pull".as_ref(), cid.as_ref(), "--output".as_ref(), file.as_os_str()];
        let _: PullAnswer = self.program.ask(home, &arguments, COMMAND).await?;
        let text = std::fs::read_to_string(&file).map_err(|error| Failure::file("read", &file, &error))?;
        let reading: Reading = serde_json::from_str(&text)
            .map_err(|error| Failure::new(Kind::Bug, format!("the output {REPORT}: {error}")))?;
        self.say(format!(
            "the trained network reads {} of {} held-out images rightly",
            reading.correct, reading.images
        ));
        Ok(reading)
    }

    /// The peers, and how much each of them fetched from the others.
    async fn rows(&self) -> Result<Vec<PeerRow>, Failure> {
        let mut rows = try_join_all(self.peers.iter().map(|peer| self.row(peer))).await?;
        rows.extend(self.dismissed.iter().cloned());
        Ok(rows)
    }

    async fn row(&self, peer: &Peer) -> Result<PeerRow, Failure> {
        let status: StatusAnswer = self.program.ask(&peer.home, &["status"], COMMAND).await?;
        Ok(PeerRow {
            name: peer.name.into(),
            peer: peer.id.clone(),
            addresses: peer.addresses.clone(),
            home: peer.home.display().to_string(),
            received_bytes: status.peers.iter().map(|other| other.received_bytes).sum(),
        })
    }

    /// Whether the story came to the end that it must come to.
    fn check(&self, held_out: Reading) -> Result<(), Failure> {
        let altered = |row: &RunRow| row.host == CHEAT && row.run.outputs.contains_key(ALTERED);
        let wrong = self.runs.iter().find(|row| row.differs() != altered(row));
        if let Some(row) = wrong {
            let message = if row.differs() { "differs from its replay" } else { "was altered, and nobody noticed" };
            return Err(Failure::new(Kind::Bug, format!("{} on {} {message}", row.name, row.host)));
        }
        if held_out.accuracy < LEAST_ACCURACY {
            let message = format!("only {:.1} % of the held-out images were read rightly", held_out.accuracy * 100.0);
            return Err(Failure::new(Kind::Bug, message));
        }
        Ok(())
    }
}
