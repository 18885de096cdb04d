use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::PeerId;
use libp2p::swarm::Stream;
use poai_objects::EngineName;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::message::{Ask, Decline, DeclineReason, FromHost, FromRequester, Hello, RunEvent, VERSION, decode};
use super::responder::{Ending, Responder, Words};
use super::{frame_limit, send, within};
use crate::streams::Incoming;
use crate::{Misdeed, NetError, NetEvent, RunLimits, frame};

/// A run that a peer asks this host for.
pub struct IncomingRun {
    /// Who asks.
    pub peer: PeerId,
    /// For what. Its run decodes, and is for this host's engine.
    pub ask: Ask,
    /// Where the answers go.
    pub responder: Responder,
}

/// The asks of others, in the order in which they came. Dropped, it has all later asks declined.
pub struct IncomingRuns(mpsc::Receiver<IncomingRun>);

impl IncomingRuns {
    /// The next ask; none once the network is shut down.
    pub async fn next(&mut self) -> Option<IncomingRun> {
        self.0.recv().await
    }
}

/// Receives asks. Clones share one queue.
#[derive(Clone)]
pub(crate) struct RunInbox(Arc<Inbox>);

struct Inbox {
    engine: EngineName,
    limits: RunLimits,
    misdeeds: mpsc::Sender<(PeerId, Misdeed)>,
    events: broadcast::Sender<NetEvent>,
    queue: Mutex<Option<mpsc::Sender<IncomingRun>>>,
    asks: Mutex<HashMap<PeerId, usize>>,
}

/// One of a peer's asks, counted until it is dropped.
struct Slot {
    inbox: Arc<Inbox>,
    peer: PeerId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut asks = self.inbox.asks();
        if let Some(count) = asks.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                asks.remove(&self.peer);
            }
        }
    }
}

impl Inbox {
    fn asks(&self) -> MutexGuard<'_, HashMap<PeerId, usize>> {
        self.asks.lock().expect("no code panics while it holds the counts")
    }

    fn queue(&self) -> MutexGuard<'_, Option<mpsc::Sender<IncomingRun>>> {
        self.queue.lock().expect("no code panics while it holds the queue")
    }
}

impl RunInbox {
    pub(crate) fn new(
        engine: EngineName,
        limits: RunLimits,
        misdeeds: mpsc::Sender<(PeerId, Misdeed)>,
        events: broadcast::Sender<NetEvent>,
    ) -> Self {
        Self(Arc::new(Inbox { engine, limits, misdeeds, events, queue: Mutex::default(), asks: Mutex::default() }))
    }

    /// Gives the queue away, once.
    pub(crate) fn open(&self) -> Option<IncomingRuns> {
        let mut queue = self.0.queue();
        if queue.is_some() {
            return None;
        }
        let (sender, receiver) = mpsc::channel(self.0.limits.asks_waiting);
        *queue = Some(sender);
        Some(IncomingRuns(receiver))
    }

    /// Ends the queue: the network is shutting down.
    pub(crate) fn close(&self) {
        *self.0.queue() = None;
    }

    /// Holds the host's side of one stream, to its end.
    pub(crate) async fn serve(self, incoming: Incoming) {
        let peer = incoming.peer;
        match self.converse(incoming).await {
            Ok(()) => {}
            Err(error @ (NetError::Malformed { .. } | NetError::MessageTooLarge { .. })) => {
                // It fails only when the network is shutting down.
                let _ = self.0.misdeeds.send((peer, Misdeed::BrokenMessage { reason: error.to_string() })).await;
            }
            Err(error) => tracing::debug!(%peer, %error, "a run's stream broke"),
        }
    }

    async fn converse(&self, incoming: Incoming) -> Result<(), NetError> {
        let Incoming { peer, stream, permit: _permit, .. } = incoming;
        let limits = &self.0.limits;
        let (mut reader, mut writer) = stream.split();
        let slot = self.slot(peer);
        let admitted = within(limits.handshake, peer, async {
            let hello = self.greet(peer, &mut reader, &mut writer).await?;
            // An ask that is not looked at costs no memory.
            let slot = match slot {
                Ok(slot) if hello.version == VERSION => slot,
                refused => {
                    frame::skip(&mut reader, frame_limit(limits)).await?;
                    return Ok(refused.err().map(Err));
                }
            };
            let ask = match read(&mut reader, peer, limits).await? {
                FromRequester::Ask(ask) => ask,
                FromRequester::Fetched(envelope) => {
                    // Nobody may be watching: then what was fetched is kept for its time.
                    let _ = self.0.events.send(NetEvent::ReceiptFetched { peer, envelope });
                    return Ok(None);
                }
                FromRequester::Hello(_) | FromRequester::Cancel => {
                    return Err(malformed("an ask must follow the hello"));
                }
            };
            let (responder, words) = Responder::new(limits, ask.want_log);
            Ok(Some(self.admit(peer, ask, responder).map(|()| (slot, words))))
        });
        match admitted.await? {
            Some(Ok((_slot, words))) => self.relay(peer, reader, writer, words).await,
            Some(Err(decline)) => {
                send(&mut writer, &FromHost::Event(RunEvent::Declined(decline)), limits).await?;
                Ok(writer.close().await?)
            }
            // A requester of another version has learnt ours from the hello; one that has fetched wants no answer.
            None => Ok(writer.close().await?),
        }
    }

    async fn greet(
        &self,
        peer: PeerId,
        reader: &mut ReadHalf<Stream>,
        writer: &mut WriteHalf<Stream>,
    ) -> Result<Hello, NetError> {
        let FromRequester::Hello(theirs) = read(reader, peer, &self.0.limits).await? else {
            return Err(malformed("the first message must be a hello"));
        };
        let ours = Hello { version: VERSION, engine: self.0.engine };
        send(writer, &FromHost::Hello(ours), &self.0.limits).await?;
        Ok(theirs)
    }

    fn slot(&self, peer: PeerId) -> Result<Slot, Decline> {
        let allowed = self.0.limits.asks_per_peer;
        let mut asks = self.0.asks();
        let count = asks.entry(peer).or_default();
        if *count >= allowed {
            let text = format!("a peer may ask for {allowed} runs at a time (asks_per_peer)");
            return Err(Decline { reason: DeclineReason::Busy, text });
        }
        *count += 1;
        Ok(Slot { inbox: self.0.clone(), peer })
    }

    /// Checks an ask and puts it into the queue.
    fn admit(&self, peer: PeerId, ask: Ask, responder: Responder) -> Result<(), Decline> {
        let decline = |reason, text: String| Decline { reason, text };
        let malformed = |error: poai_objects::ObjectError| decline(DeclineReason::Malformed, error.to_string());
        let engine = ask.run().map_err(malformed)?.engine;
        ask.claim().map_err(malformed)?;
        if engine != self.0.engine {
            return Err(decline(DeclineReason::Engine, format!("this host speaks engine {}", self.0.engine)));
        }
        if ask.note.chars().count() > self.0.limits.text_chars {
            let text = format!("the note is over the limit text_chars of {}", self.0.limits.text_chars);
            return Err(decline(DeclineReason::Malformed, text));
        }
        let Some(queue) = self.0.queue().clone() else {
            return Err(decline(DeclineReason::Policy, "this peer takes no runs".to_owned()));
        };
        queue.try_send(IncomingRun { peer, ask, responder }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                decline(DeclineReason::Busy, format!("{} asks wait already (asks_waiting)", self.0.limits.asks_waiting))
            }
            mpsc::error::TrySendError::Closed(_) => {
                decline(DeclineReason::Policy, "this peer takes no more runs".to_owned())
            }
        })
    }

    /// Sends the host's words until the last one, or until the requester ends the run.
    async fn relay(
        &self,
        peer: PeerId,
        mut reader: ReadHalf<Stream>,
        mut writer: WriteHalf<Stream>,
        mut words: Words,
    ) -> Result<(), NetError> {
        let limits = &self.0.limits;
        let ending = read(&mut reader, peer, limits);
        tokio::pin!(ending);
        let mut heartbeat = interval(limits.heartbeat);
        // The first tick would come at once.
        heartbeat.reset();
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let events = tokio::select! {
                message = &mut ending => {
                    words.end(if matches!(message, Ok(FromRequester::Cancel)) { Ending::Cancelled } else { Ending::Disconnected });
                    return match message {
                        Ok(FromRequester::Cancel) => Ok(()),
                        Ok(FromRequester::Hello(_) | FromRequester::Ask(_) | FromRequester::Fetched(_)) => Err(malformed("only a cancel may follow the ask")),
                        Err(error) => Err(error),
                    };
                }
                events = words.next() => events,
                _ = heartbeat.tick() => {
                    send(&mut writer, &FromHost::Alive, limits).await.inspect_err(|_| words.end(Ending::Disconnected))?;
                    continue;
                }
            };
            for event in events {
                let last = event.is_final();
                send(&mut writer, &FromHost::Event(event), limits)
                    .await
                    .inspect_err(|_| words.end(Ending::Disconnected))?;
                if last {
                    return Ok(writer.close().await?);
                }
            }
        }
    }
}

fn malformed(reason: &str) -> NetError {
    NetError::Malformed { protocol: super::NAME, reason: reason.to_owned() }
}

async fn read(reader: &mut ReadHalf<Stream>, peer: PeerId, limits: &RunLimits) -> Result<FromRequester, NetError> {
    let bytes = frame::read(reader, frame_limit(limits)).await?.ok_or(NetError::Disconnected { peer })?;
    decode(&bytes)
}
