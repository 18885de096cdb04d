use std::pin::Pin;
use std::task::{Context, Poll};

use cid::Cid;
use futures::io::{ReadHalf, WriteHalf};
use futures::stream::{BoxStream, Stream, StreamExt, unfold};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::PeerId;
use libp2p::swarm::Stream as Substream;
use poai_objects::EngineName;
use tokio::sync::mpsc;

use super::message::{Ask, FromHost, FromRequester, Hello, RunEvent, VERSION, decode};
use super::{PROTOCOL, frame_limit, send, within};
use crate::net::Shared;
use crate::{NetError, RunLimits, frame};

/// A host's answers to an ask, the last of which is final. Dropping it before that cancels the run.
///
/// Also a [`futures::Stream`]. After an error there is nothing more.
pub struct RunStream {
    host: PeerId,
    events: mpsc::Receiver<Result<RunEvent, NetError>>,
}

impl RunStream {
    /// Who was asked.
    pub fn host(&self) -> PeerId {
        self.host
    }

    /// The next answer; none after the last one.
    pub async fn next(&mut self) -> Option<Result<RunEvent, NetError>> {
        self.events.recv().await
    }
}

impl Stream for RunStream {
    type Item = Result<RunEvent, NetError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx)
    }
}

/// Asks a connected host.
pub(crate) async fn ask(shared: &Shared, host: PeerId, ask: Ask) -> Result<RunStream, NetError> {
    let limits = shared.limits.run.clone();
    let engine = ask.run()?.engine;
    let (reader, writer) = within(limits.handshake, host, begin(shared, host, engine, FromRequester::Ask(ask))).await?;
    let (sender, events) = mpsc::channel(limits.events);
    tokio::spawn(listen(answers(reader, host, limits.clone()), writer, sender, limits));
    Ok(RunStream { host, events })
}

/// Tells a connected host that all below a receipt's envelope is here.
pub(crate) async fn fetched(shared: &Shared, host: PeerId, envelope: Cid) -> Result<(), NetError> {
    within(shared.limits.run.handshake, host, async {
        let message = FromRequester::Fetched(envelope);
        let (mut reader, mut writer) = begin(shared, host, EngineName::CURRENT, message).await?;
        // The host closes once it has heard it.
        let word = frame::read(&mut reader, frame_limit(&shared.limits.run)).await?;
        writer.close().await?;
        if word.is_none() { Ok(()) } else { Err(out_of_turn("the host answered what was no question")) }
    })
    .await
}

/// Opens a stream, and says hello and a first message; the host's hello must fit.
async fn begin(
    shared: &Shared,
    host: PeerId,
    engine: EngineName,
    message: FromRequester,
) -> Result<(ReadHalf<Substream>, WriteHalf<Substream>), NetError> {
    let limits = &shared.limits.run;
    let (mut stream, _) = shared.streams.open(host, &[PROTOCOL]).await?;
    send(&mut stream, &FromRequester::Hello(Hello { version: VERSION, engine }), limits).await?;
    send(&mut stream, &message, limits).await?;
    let (mut reader, writer) = stream.split();
    let FromHost::Hello(theirs) = read(&mut reader, host, limits).await? else {
        return Err(out_of_turn("the host answered before it said hello"));
    };
    if theirs.version != VERSION {
        return Err(NetError::VersionMismatch { peer: host, theirs: theirs.version, ours: VERSION });
    }
    if theirs.engine != engine {
        return Err(NetError::EngineMismatch { peer: host, theirs: theirs.engine, ours: engine });
    }
    Ok((reader, writer))
}

fn out_of_turn(reason: &str) -> NetError {
    NetError::Malformed { protocol: super::NAME, reason: reason.to_owned() }
}

async fn read(reader: &mut ReadHalf<Substream>, host: PeerId, limits: &RunLimits) -> Result<FromHost, NetError> {
    let bytes = frame::read(reader, frame_limit(limits)).await?.ok_or(NetError::Disconnected { peer: host })?;
    decode(&bytes)
}

/// The host's answers, up to the last one or an error. May be dropped between any two.
fn answers(
    reader: ReadHalf<Substream>,
    host: PeerId,
    limits: RunLimits,
) -> BoxStream<'static, Result<RunEvent, NetError>> {
    let next = move |reader: Option<ReadHalf<Substream>>| {
        let limits = limits.clone();
        async move {
            let mut reader = reader?;
            loop {
                let answer = within(limits.silence, host, read(&mut reader, host, &limits)).await;
                return match answer {
                    Ok(FromHost::Alive) => continue,
                    Ok(FromHost::Event(event)) if event.is_final() => Some((Ok(event), None)),
                    Ok(FromHost::Event(event)) => Some((Ok(event), Some(reader))),
                    Ok(FromHost::Hello(_)) => Some((Err(out_of_turn("the host said hello twice")), None)),
                    // A stream that breaks is a host that went away.
                    Err(NetError::Io(_)) => Some((Err(NetError::Disconnected { peer: host }), None)),
                    Err(error) => Some((Err(error), None)),
                };
            }
        }
    };
    unfold(Some(reader), next).boxed()
}

/// Passes answers on until they end, or until nobody wants them: then the host is told.
async fn listen(
    mut answers: BoxStream<'static, Result<RunEvent, NetError>>,
    mut writer: WriteHalf<Substream>,
    events: mpsc::Sender<Result<RunEvent, NetError>>,
    limits: RunLimits,
) {
    loop {
        tokio::select! {
            () = events.closed() => break,
            answer = answers.next() => match answer {
                Some(answer) => {
                    // Nobody wants it any more: the next turn of the loop says so to the host.
                    let _ = events.send(answer).await;
                }
                None => {
                    // The host has said its last word, and may be gone.
                    let _ = writer.close().await;
                    return;
                }
            },
        }
    }
    // A host that does not hear it finds the stream closed.
    let _ = send(&mut writer, &FromRequester::Cancel, &limits).await;
    let _ = writer.close().await;
}
