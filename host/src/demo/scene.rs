//! What every story is made of: peers, and the commands that they are given.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::peers::{Part, Peer};
use super::plan::{AUTHOR, VERIFIER};
use super::program::Program;
use super::report::{PeerRow, RunRow};
use super::stage::Stage;
use crate::control::{OutcomeKind, PublishAnswer, PullAnswer, RunAnswer, StatusAnswer, VerifyAnswer};
use crate::errors::{Failure, Kind};

/// How long a task's build may take: a first one fetches a target, crates, and models.
const BUILD: Duration = Duration::from_secs(900);
/// How long any other command may take: seconds, but on a machine that does much else. That the whole story is
/// quick is measured by the bench, not enforced here.
pub(super) const COMMAND: Duration = Duration::from_secs(600);

/// What a story needs to be told.
pub(crate) struct Setting<'a> {
    /// The folder of poai's own tasks.
    pub(crate) tasks: &'a Path,
    pub(crate) stage: &'a Stage,
    /// Hears what is going on, a line at a time.
    pub(crate) say: &'a mut dyn FnMut(String),
}

/// The peers of a story that is being told.
pub(super) struct Scene<'a> {
    pub(super) program: Program,
    pub(super) setting: Setting<'a>,
    pub(super) peers: Vec<Peer>,
}

/// What `poai build` answers.
#[derive(Deserialize)]
struct Built {
    component: PathBuf,
    bytes: u64,
}

/// Plays a story to its end. All processes have ended when this returns, also when it was cancelled or fails.
pub(super) async fn play<R>(
    setting: Setting<'_>,
    cancel: &CancellationToken,
    story: impl AsyncFnOnce(&mut Scene<'_>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let mut scene = Scene { program: Program::this()?, setting, peers: Vec::new() };
    let told = tokio::select! {
        told = story(&mut scene) => told,
        () = cancel.cancelled() => Err(Failure::new(Kind::Interrupted, "the demo was interrupted")),
    };
    join_all(scene.peers.drain(..).map(Peer::stop)).await;
    told
}

impl Scene<'_> {
    pub(super) fn say(&mut self, line: impl Into<String>) {
        (self.setting.say)(line.into());
    }

    /// The folder of a task.
    pub(super) fn task(&self, name: &str) -> PathBuf {
        self.setting.tasks.join(name)
    }

    /// Starts a peer and lets it join the others.
    pub(super) async fn enter(&mut self, part: Part<'_>) -> Result<(), Failure> {
        let peer = Peer::start(&self.program, self.setting.stage, part).await?;
        self.peers.push(peer);
        Ok(())
    }

    /// Has the author build a task.
    pub(super) async fn build(&mut self, task: &Path) -> Result<(), Failure> {
        self.say(format!("building {} (the first time takes longer)", task.display()));
        let arguments = ["build".as_ref(), task.as_os_str()];
        let built: Built = self.program.ask(&self.setting.stage.home(AUTHOR), &arguments, BUILD).await?;
        let file = built.component.file_name().unwrap_or_default().to_string_lossy();
        self.say(format!("built {file}, {} bytes of WebAssembly", built.bytes));
        Ok(())
    }

    /// Has the author publish a task.
    pub(super) async fn publish(&mut self, task: &Path) -> Result<PublishAnswer, Failure> {
        let arguments = ["publish".as_ref(), task.as_os_str()];
        let task: PublishAnswer = self.program.ask(&self.peer(AUTHOR).home, &arguments, COMMAND).await?;
        self.say(format!("{AUTHOR} publishes {} {}: {}", task.name, task.version, task.package));
        Ok(task)
    }

    /// Has the author ask for a run, which must succeed, and says who executed it.
    pub(super) async fn run(
        &mut self,
        step: &str,
        package: &str,
        arguments: Vec<String>,
    ) -> Result<(&'static str, RunAnswer), Failure> {
        let mut words = vec!["run".to_owned(), package.to_owned()];
        words.extend(arguments);
        let run: RunAnswer = self.program.ask(&self.peer(AUTHOR).home, &words, COMMAND).await?;
        let host = self.host_of(&run)?;
        if run.outcome.kind != OutcomeKind::Ok {
            let why = run.outcome.message.or(run.outcome.trap).unwrap_or_default();
            return Err(Failure::new(Kind::Bug, format!("{step} on {host} did not succeed: {why}")));
        }
        self.say(format!("{step} on {host}: done, claim {}", run.claim));
        Ok((host, run))
    }

    /// Has the verifier fetch a receipt, and make the same run again.
    pub(super) async fn replay(&mut self, step: &str, host: &str, run: RunAnswer) -> Result<RunRow, Failure> {
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
        Ok(RunRow { name: step.into(), host: host.into(), run, verifier: VERIFIER.into(), replay })
    }

    /// Has the author fetch an output of a run, and gives its bytes.
    pub(super) async fn output(&self, run: &RunAnswer, name: &str) -> Result<Vec<u8>, Failure> {
        let missing = || Failure::new(Kind::Bug, format!("a run wrote no output {name}"));
        let cid = &run.outputs.get(name).ok_or_else(missing)?.cid;
        let home = &self.peer(AUTHOR).home;
        let file = home.join(cid);
        let arguments = ["pull".as_ref(), cid.as_ref(), "--output".as_ref(), file.as_os_str()];
        let _: PullAnswer = self.program.ask(home, &arguments, COMMAND).await?;
        let bytes = std::fs::read(&file).map_err(|error| Failure::file("read", &file, &error))?;
        std::fs::remove_file(&file).map_err(|error| Failure::file("remove", &file, &error))?;
        Ok(bytes)
    }

    /// The peers, and how much each of them fetched from the others.
    pub(super) async fn rows(&self) -> Result<Vec<PeerRow>, Failure> {
        try_join_all(self.peers.iter().map(|peer| self.row(peer))).await
    }

    pub(super) async fn row(&self, peer: &Peer) -> Result<PeerRow, Failure> {
        let status: StatusAnswer = self.program.ask(&peer.home, &["status"], COMMAND).await?;
        Ok(PeerRow {
            name: peer.name.into(),
            peer: peer.id.clone(),
            addresses: peer.addresses.clone(),
            home: peer.home.display().to_string(),
            kernels: status.kernels,
            device: status.device,
            received_bytes: status.peers.iter().map(|other| other.received_bytes).sum(),
        })
    }

    pub(super) fn peer(&self, name: &str) -> &Peer {
        self.peers.iter().find(|peer| peer.name == name).expect("the plan names peers of the story")
    }

    /// Where the homes are, if they stay.
    pub(super) fn kept(&self) -> Option<String> {
        self.setting.stage.stays().map(|folder| folder.display().to_string())
    }

    /// Who executed a run, by the name that it has in this story.
    fn host_of(&self, run: &RunAnswer) -> Result<&'static str, Failure> {
        let host = self.peers.iter().find(|peer| run.host.as_ref() == Some(&peer.id));
        host.map(|peer| peer.name).ok_or_else(|| Failure::new(Kind::Bug, "a run was executed by nobody of this story"))
    }
}
