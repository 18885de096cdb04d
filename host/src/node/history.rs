use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Node, interrupted};
use crate::control::{Answer, AttemptName, AttemptWords, AttemptsAnswer, CancelAnswer, LogsAnswer};
use crate::errors::{Failure, Kind};
use crate::events::Events;
use crate::records::AttemptRecord;

/// Attempts that one listing shows.
const LISTED: usize = 1_000;
/// Attempts in which a run's CID is looked for, newest first.
const SEARCHED: usize = 10_000;
/// How long a cancelled attempt may take to end before the command returns anyway.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);

impl Node {
    /// Attempts under way, or all.
    pub(super) fn processes(&self, all: bool) -> Result<Answer, Failure> {
        let records = self.records.attempts(LISTED)?;
        // What is under way changes in memory first.
        let now =
            records.into_iter().map(|record| self.attempts.live(record.number).map_or(record, |live| live.record()));
        let shown = now.filter(|record| all || !record.state.has_ended());
        Ok(Answer::Attempts(AttemptsAnswer { attempts: shown.map(words).collect() }))
    }

    /// What a task said, and with `follow` what it goes on to say.
    pub(super) async fn logs(
        self: &Arc<Self>,
        name: &AttemptName,
        follow: bool,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let number = self.attempt_record(name)?.number;
        let live = self.attempts.live(number).filter(|_| follow);
        let told = events.clone();
        let lines = self.blocking(move |node| node.attempts.replay(number, &told)).await?;
        if let Some(live) = live {
            live.watch(events.clone());
            tokio::select! {
                () = live.ended() => {}
                () = cancel.cancelled() => return Err(interrupted()),
            }
        }
        let state = self.attempt_record(&AttemptName::Number(number))?.state.as_str().to_owned();
        Ok(Answer::LogsEnded(LogsAnswer { attempt: number, state, lines }))
    }

    /// Waits for an attempt's end, and answers as `run` does.
    pub(super) async fn wait(
        self: &Arc<Self>,
        name: &AttemptName,
        timeout: Option<Duration>,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Answer, Failure> {
        let number = self.attempt_record(name)?.number;
        if let Some(live) = self.attempts.live(number) {
            live.watch(events.clone());
            let patience = async {
                match timeout {
                    Some(timeout) => tokio::time::sleep(timeout).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = live.ended() => {}
                () = cancel.cancelled() => return Err(interrupted()),
                () = patience => {
                    let message = format!("attempt {number} still runs after {:?}", timeout.unwrap_or_default());
                    return Err(Failure::new(Kind::TimedOut, message).hint("it goes on; wait again, or `poai cancel` it"));
                }
            }
        }
        let record = self.attempt_record(&AttemptName::Number(number))?;
        if record.state == crate::records::AttemptState::Lost {
            let message = format!("attempt {number} was lost: the process that worked on it ended");
            return Err(Failure::new(Kind::HostFault, message).hint("run it again; nothing of it was kept"));
        }
        self.blocking(move |node| node.answer_of_record(&record)).await.map(|run| Answer::Ran(Box::new(run)))
    }

    /// Takes an attempt back, and waits until it has ended.
    pub(super) async fn cancel(self: &Arc<Self>, name: &AttemptName) -> Result<Answer, Failure> {
        let record = self.attempt_record(name)?;
        let live = self.attempts.live(record.number);
        if let Some(live) = &live {
            live.cancel.cancel();
            if tokio::time::timeout(CANCEL_PATIENCE, live.ended()).await.is_err() {
                tracing::warn!(attempt = record.number, "the attempt takes long to end");
            }
        }
        let state = self.attempt_record(&AttemptName::Number(record.number))?.state.as_str().to_owned();
        Ok(Answer::Cancelled(CancelAnswer { attempt: record.number, cancelled: live.is_some(), state }))
    }

    fn attempt_record(&self, name: &AttemptName) -> Result<AttemptRecord, Failure> {
        let found = match name {
            AttemptName::Number(number) => self.records.attempt(*number)?,
            AttemptName::Run(run) => self.records.attempts(SEARCHED)?.into_iter().find(|record| record.run == *run),
        };
        found.ok_or_else(|| {
            let what = match name {
                AttemptName::Number(number) => format!("attempt {number}"),
                AttemptName::Run(run) => format!("attempt at run {run}"),
            };
            Failure::new(Kind::NotFound, format!("this home knows no {what}"))
                .hint("`poai ps --all` lists what it knows")
        })
    }
}

fn words(record: AttemptRecord) -> AttemptWords {
    AttemptWords {
        attempt: record.number,
        run: record.run.to_string(),
        target: record.target,
        state: record.state.as_str().to_owned(),
        on: record.on,
        requester: record.requester,
        started_ms: record.started_ms,
        ended_ms: record.ended_ms,
        claim: record.claim.map(|claim| claim.to_string()),
        message: record.failure.map(|failure| failure.message),
    }
}
