//! The story of the plain demo: a model is trained run by run, and a cheat is caught.

use std::time::Instant;

use futures::future::try_join_all;
use tokio_util::sync::CancellationToken;

use super::cheat::ALTERED;
use super::peers::{Conduct, Part, Peer};
use super::plan::{AUTHOR, AUTO, CHEAT, Given, HOSTS, LEAST_ACCURACY, NETWORK, PLAN, REPORT, Step, TASK, VERIFIER};
use super::report::{DemoReport, PeerRow, Reading, RunRow};
use super::scene::{Scene, Setting, play};
use crate::control::PublishAnswer;
use crate::errors::{Failure, Kind};

/// Tells the story of the trained network.
pub(crate) async fn tell(setting: Setting<'_>, cancel: &CancellationToken) -> Result<DemoReport, Failure> {
    play(setting, cancel, async |scene| Training { scene, dismissed: Vec::new(), runs: Vec::new() }.tell().await).await
}

struct Training<'a, 'b> {
    scene: &'a mut Scene<'b>,
    /// What is to be told of hosts that were caught, and stopped.
    dismissed: Vec<PeerRow>,
    runs: Vec<RunRow>,
}

impl Training<'_, '_> {
    async fn tell(mut self) -> Result<DemoReport, Failure> {
        let folder = self.scene.task(TASK);
        self.scene.build(&folder).await?;
        let begun = Instant::now();
        let author =
            Part { name: AUTHOR, conduct: Conduct::Honest, kernels: AUTO, device: None, accept: &[], peers: &[] };
        self.scene.enter(author).await?;
        let task = self.scene.publish(&folder).await?;
        self.gather(&task).await?;
        for step in &PLAN {
            self.perform(step, &task).await?;
        }
        let held_out = self.reading().await?;
        self.check(held_out)?;
        let mut peers = self.scene.rows().await?;
        peers.extend(self.dismissed);
        Ok(DemoReport {
            task,
            peers,
            runs: self.runs,
            held_out,
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            kept: self.scene.kept(),
            program: self.scene.program.shown(),
        })
    }

    /// Starts everybody else: hosts that take this program's runs, and the verifier, who takes nobody's.
    async fn gather(&mut self, task: &PublishAnswer) -> Result<(), Failure> {
        let peers = &*self.scene.peer(AUTHOR).addresses;
        let accept = &[format!("program:{}", task.program)];
        let verifier =
            Part { name: VERIFIER, conduct: Conduct::Honest, kernels: AUTO, device: None, accept: &[], peers };
        let hosts = HOSTS.map(|name| {
            let conduct = if name == CHEAT { Conduct::Cheating } else { Conduct::Honest };
            Part { name, conduct, accept, ..verifier }
        });
        let parts = hosts.into_iter().chain([verifier]);
        let start = |part| Peer::start(&self.scene.program, self.scene.setting.stage, part);
        let started = try_join_all(parts.map(start)).await?;
        self.scene.peers.extend(started);
        let names: Vec<&str> = self.scene.peers.iter().map(|peer| peer.name).collect();
        let names = names.join(", ");
        self.scene.say(format!("on this machine now, a process and a home each: {names}"));
        self.scene.say(format!("{CHEAT} is not honest: it changes one bit of the weights that its guests write"));
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
        let row = self.scene.row(self.scene.peer(host)).await?;
        self.dismissed.push(row);
        if let Some(at) = self.scene.peers.iter().position(|peer| peer.name == host) {
            self.scene.peers.remove(at).stop().await;
            self.scene.say(format!("  {host} is stopped"));
        }
        Ok(())
    }

    async fn execute(&mut self, step: &Step, host: &'static str, task: &PublishAnswer) -> Result<RunRow, Failure> {
        let place = if host == NETWORK { NETWORK.to_owned() } else { self.scene.peer(host).address()?.to_owned() };
        let arguments = step.arguments(&place, |given| self.find(given));
        let (host, run) = self.scene.run(step.name, &task.package, arguments).await?;
        self.scene.replay(step.name, host, run).await
    }

    /// What an input's flag is given: a path, or the CID of an earlier step's output that stands.
    fn find(&self, given: Given) -> String {
        match given {
            Given::File(file) => self.scene.task(TASK).join(file).display().to_string(),
            Given::Output { step, name } => {
                let row = self.runs.iter().rfind(|row| row.name == step).expect("steps refer to earlier ones");
                row.run.outputs.get(name).map(|output| output.cid.clone()).unwrap_or_default()
            }
        }
    }

    /// Fetches the last run's own report, and reads it.
    async fn reading(&mut self) -> Result<Reading, Failure> {
        let last = self.runs.last().expect("the plan has steps");
        let text = self.scene.output(&last.run, REPORT).await?;
        let reading: Reading = serde_json::from_slice(&text)
            .map_err(|error| Failure::new(Kind::Bug, format!("the output {REPORT}: {error}")))?;
        let Reading { images, correct, .. } = reading;
        self.scene.say(format!("the trained network reads {correct} of {images} held-out images rightly"));
        Ok(reading)
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
