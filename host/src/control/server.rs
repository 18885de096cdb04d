use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::frame::{self, FromClient, FromNode};
use super::{Answer, CONTROL_VERSION, Request};
use crate::errors::{Failure, Kind};
use crate::events::{Event, Events};
use crate::home::Home;
use crate::node::Node;

/// Commands that a daemon serves at once; others wait to be accepted.
const MAX_COMMANDS: usize = 256;
/// How long a command may take to say what it wants, which it does at once if it is given time to.
const HELLO: Duration = Duration::from_secs(30);
/// How long commands have to end once the daemon ends.
const GRACE: Duration = Duration::from_secs(10);

/// Serves commands until `stop`, then lets those under way come to their end.
pub(crate) async fn serve(
    node: Arc<Node>,
    home: &Home,
    listener: UnixListener,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let places = Arc::new(Semaphore::new(MAX_COMMANDS));
    let mut commands = JoinSet::new();
    loop {
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (node, stop) = (node.clone(), stop.clone());
                    commands.spawn(async move {
                        if let Err(failure) = serve_one(&node, stream, &stop).await {
                            tracing::debug!(%failure, "a command went away");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a command could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
        while commands.try_join_next().is_some() {}
    }
    drop(listener);
    remove_socket(home);
    let ended = tokio::time::timeout(GRACE, async { while commands.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!("some commands did not end in time");
    }
    Ok(())
}

/// Makes the socket, for this user alone. The home's lock is held, so an old socket is a dead daemon's.
pub(crate) fn listen(home: &Home) -> Result<UnixListener, Failure> {
    let path = home.socket();
    remove_socket(home);
    let failed = |error: &std::io::Error| Failure::file("listen on", path, error);
    // The socket is bound under another name and becomes reachable only with its final rights.
    let draft = path.with_extension("new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&error)),
        _ => {}
    }
    let listener = UnixListener::bind(&draft).map_err(|error| failed(&error))?;
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600)).map_err(|error| failed(&error))?;
    std::fs::rename(&draft, path).map_err(|error| failed(&error))?;
    Ok(listener)
}

fn remove_socket(home: &Home) {
    match std::fs::remove_file(home.socket()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the old control socket could not be removed");
        }
        _ => {}
    }
}

async fn serve_one(node: &Arc<Node>, mut stream: UnixStream, stop: &CancellationToken) -> Result<(), Failure> {
    let request =
        tokio::time::timeout(HELLO, greet(&mut stream)).await.map_err(|_| frame::broken("no request came"))??;
    let Some(request) = request else { return Ok(()) };
    let stops_daemon = matches!(request, Request::Stop);
    let outlives = request.outlives_its_asker();
    let (events, mut received) = Events::channel();
    let cancel = CancellationToken::new();
    let mut work = tokio::spawn({
        let (node, cancel) = (node.clone(), cancel.clone());
        async move { node.handle(request, &events, &cancel).await }
    });
    let (mut reader, mut writer) = stream.split();
    // A command that has gone away is written to no more; its work comes to its end all the same.
    let mut open = true;
    let pump = async {
        loop {
            tokio::select! {
                biased;
                Some(event) = received.recv() => open = open && tell(&mut writer, event).await,
                done = &mut work => {
                    while let Ok(event) = received.try_recv() {
                        open = open && tell(&mut writer, event).await;
                    }
                    break done;
                }
            }
        }
    };
    let done = tokio::select! {
        done = pump => done,
        () = watch(&mut reader, &cancel, outlives) => unreachable!("the watch never ends by itself"),
        () = stopped(stop, &cancel) => unreachable!("the watch never ends by itself"),
    };
    let end = match done {
        Ok(Ok(answer)) => FromNode::Done(answer),
        Ok(Err(failure)) => FromNode::Failed(failure),
        Err(panic) => FromNode::Failed(Failure::new(Kind::Bug, format!("the daemon's work broke off: {panic}"))),
    };
    if open {
        frame::write(&mut writer, &end).await.map_err(|error| frame::broken(&error.to_string()))?;
    }
    if stops_daemon && matches!(end, FromNode::Done(Answer::Stopped(_))) {
        stop.cancel();
    }
    Ok(())
}

/// Sends one event; false if the command has gone away.
async fn tell(writer: &mut (impl tokio::io::AsyncWrite + Unpin), event: Event) -> bool {
    frame::write(writer, &FromNode::Event(event)).await.is_ok()
}

/// Cancels the work when the command says so, or goes away.
async fn watch(reader: &mut (impl tokio::io::AsyncRead + Unpin), cancel: &CancellationToken, outlives: bool) {
    match frame::read::<FromClient>(reader).await {
        Ok(None) | Err(_) if outlives => {}
        _ => cancel.cancel(),
    }
    std::future::pending().await
}

/// Cancels the work when the daemon ends.
async fn stopped(stop: &CancellationToken, cancel: &CancellationToken) {
    stop.cancelled().await;
    cancel.cancel();
    std::future::pending().await
}

async fn greet(stream: &mut UnixStream) -> Result<Option<Request>, Failure> {
    let Some(FromClient::Hello { version }) = frame::read(stream).await? else { return Ok(None) };
    let hello = FromNode::Hello {
        version: CONTROL_VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
    };
    frame::write(stream, &hello).await.map_err(|error| frame::broken(&error.to_string()))?;
    if version != CONTROL_VERSION {
        return Ok(None);
    }
    match frame::read(stream).await? {
        Some(FromClient::Request(request)) => Ok(Some(*request)),
        _ => Ok(None),
    }
}
