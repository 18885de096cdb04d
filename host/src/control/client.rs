use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::frame::{self, FromClient, FromNode};
use super::{Answer, CONTROL_VERSION, Request};
use crate::config::Config;
use crate::errors::{Failure, Kind};
use crate::events::{Event, Events};
use crate::home::Home;
use crate::node::{Honest, Node};

/// How long a command waits for another one that owns the home. Most are done in a second; on a busy machine the
/// last of many that were started together waits for all the others.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks again.
const PAUSE: Duration = Duration::from_millis(30);
/// How long a daemon may take to answer a hello: it does so between other work, on whatever the machine leaves it.
const HELLO: Duration = Duration::from_secs(30);

/// Whoever answers a command's request: a daemon, or a node in this process.
pub(crate) enum Endpoint {
    Daemon(Home),
    Here(Arc<Node>),
}

/// The daemon of this home, or else this process as the home's owner.
pub(crate) async fn connect(home: &Home, config: &Config) -> Result<Endpoint, Failure> {
    let begun = tokio::time::Instant::now();
    loop {
        if dial(home).await?.is_some() {
            return Ok(Endpoint::Daemon(home.clone()));
        }
        if let Some(lock) = home.lock()? {
            let node = Node::open(home.clone(), lock, config.clone(), Box::new(Honest)).await?;
            return Ok(Endpoint::Here(Arc::new(node)));
        }
        if begun.elapsed() > PATIENCE {
            let owner = home.owner().map_or_else(|| "another process".to_owned(), |owner| format!("process {owner}"));
            return Err(Failure::new(Kind::HomeBusy, format!("{} is in use by {owner}", home.root().display())));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The daemon's socket, greeted; `None` if nobody listens there.
async fn dial(home: &Home) -> Result<Option<UnixStream>, Failure> {
    let Ok(mut stream) = UnixStream::connect(home.socket()).await else { return Ok(None) };
    let greeting = async {
        if frame::write(&mut stream, &FromClient::Hello { version: CONTROL_VERSION }).await.is_err() {
            return Ok(None);
        }
        frame::read(&mut stream).await
    };
    let hello = tokio::time::timeout(HELLO, greeting)
        .await
        .map_err(|_| Failure::new(Kind::HomeBusy, "the daemon of this home does not answer"))??;
    match hello {
        Some(FromNode::Hello { version: CONTROL_VERSION, .. }) => Ok(Some(stream)),
        Some(FromNode::Hello { version, program, process }) => Err(Failure::new(
            Kind::OtherVersion,
            format!(
                "the daemon of this home (process {process}, poai {program}) speaks version {version} of the control protocol, and this program version {CONTROL_VERSION}"
            ),
        )),
        // It was ending just now.
        None => Ok(None),
        Some(_) => Err(frame::broken("the daemon did not say hello")),
    }
}

impl Endpoint {
    /// Whether a daemon answers.
    pub(crate) fn is_daemon(&self) -> bool {
        matches!(self, Endpoint::Daemon(_))
    }

    /// Asks, shows events as they come, and gives the answer. `cancel` takes the request back.
    pub(crate) async fn ask(
        &mut self,
        request: Request,
        cancel: &CancellationToken,
        mut show: impl FnMut(Event),
    ) -> Result<Answer, Failure> {
        match self {
            Endpoint::Here(node) => {
                let (events, mut received) = Events::channel();
                let work = async {
                    let end = node.handle(request, &events, cancel).await;
                    drop(events);
                    end
                };
                tokio::pin!(work);
                loop {
                    tokio::select! {
                        biased;
                        Some(event) = received.recv() => show(event),
                        end = &mut work => {
                            while let Ok(event) = received.try_recv() {
                                show(event);
                            }
                            return end;
                        }
                    }
                }
            }
            Endpoint::Daemon(home) => ask_daemon(home, request, cancel, show).await,
        }
    }

    /// Ends the node in this process; a daemon goes on.
    pub(crate) async fn close(self) {
        if let Endpoint::Here(node) = self {
            node.close().await;
        }
    }
}

/// Asks a home's daemon, and nobody else.
pub(crate) async fn ask_daemon_of(
    home: &Home,
    request: Request,
    cancel: &CancellationToken,
) -> Result<Answer, Failure> {
    ask_daemon(home, request, cancel, |_| {}).await
}

async fn ask_daemon(
    home: &Home,
    request: Request,
    cancel: &CancellationToken,
    mut show: impl FnMut(Event),
) -> Result<Answer, Failure> {
    let none = || Failure::new(Kind::NoDaemon, format!("no daemon runs in {}", home.root().display()));
    let mut stream = dial(home).await?.ok_or_else(none)?;
    let gone = || Failure::new(Kind::NoDaemon, "the daemon went away before it answered");
    let (mut reader, mut writer) = stream.split();
    // A path that is no UTF-8 has no place in a frame.
    let refused = |error: std::io::Error| Failure::new(Kind::BadInput, format!("the daemon cannot be asked: {error}"));
    frame::write(&mut writer, &FromClient::Request(Box::new(request))).await.map_err(refused)?;
    let mut cancelled = false;
    // A frame may be half read when the cancellation comes, so the reader is a task of its own.
    let (sender, mut frames) = tokio::sync::mpsc::channel(64);
    let read = async {
        loop {
            let frame = frame::read::<FromNode>(&mut reader).await;
            let last = !matches!(frame, Ok(Some(FromNode::Event(_))));
            if sender.send(frame).await.is_err() || last {
                break std::future::pending::<()>().await;
            }
        }
    };
    tokio::pin!(read);
    loop {
        tokio::select! {
            () = &mut read => {}
            () = cancel.cancelled(), if !cancelled => {
                cancelled = true;
                frame::write(&mut writer, &FromClient::Cancel).await.map_err(|_| gone())?;
            }
            Some(frame) = frames.recv() => match frame? {
                Some(FromNode::Event(event)) => show(event),
                Some(FromNode::Done(answer)) => return Ok(answer),
                Some(FromNode::Failed(failure)) => return Err(failure),
                Some(FromNode::Hello { .. }) => return Err(frame::broken("a second hello came")),
                None => return Err(gone()),
            },
        }
    }
}
