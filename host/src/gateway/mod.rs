//! A trustless gateway: this home's blocks over plain HTTP/1.1, for whoever checks them by their CIDs.
//!
//! [`Gateway`] listens; `connection` speaks with one client; `head` reads what it says, `wanted` understands it,
//! `answer` finds it in the store, `archive` streams a DAG. It serves what is here, and fetches nothing for
//! anybody. Requests have no bodies and answers are a block, an archive or a line of text, so there is only an
//! HTTP parser here, no framework, and every wait is this module's own. Formats and headers follow the IPFS
//! Trustless Gateway specification; docs/gateway.md says which parts are left out.

mod answer; // from what is wanted to a response
mod archive; // a DAG, piece by piece
mod connection; // one client
mod head; // the head of a request, as bytes
mod limits;
mod response; // statuses, headers, bodies
mod wanted; // which block or archive, from target and Accept

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use poai_store::Store;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub(crate) use limits::GatewayLimits;

/// How long answers under way have to end once the gateway closes.
const GRACE: Duration = Duration::from_secs(2);
/// Pause after a connection that could not be accepted, for instance because all descriptors are in use.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// A gateway that listens until it is closed.
#[derive(Debug)]
pub(crate) struct Gateway {
    address: SocketAddr,
    stop: CancellationToken,
    serving: Mutex<Option<JoinHandle<()>>>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    store: Store,
    limits: GatewayLimits,
    /// One place for each answer under way.
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Gateway {
    /// Listens on an address; port 0 means any free one.
    pub(crate) async fn start(address: SocketAddr, store: Store, limits: GatewayLimits) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let places = Arc::new(Semaphore::new(limits.answers));
        let shared = Arc::new(Shared { store, limits, places, stop: stop.clone() });
        let serving = tokio::spawn(accept(listener, shared));
        Ok(Self { address, stop, serving: Mutex::new(Some(serving)) })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts nobody any more, and lets answers under way come to their end for a moment.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving
            && let Err(error) = serving.await
        {
            tracing::warn!(%error, "the gateway did not end well");
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let seats = Arc::new(Semaphore::new(shared.limits.connections));
    let mut connections = JoinSet::new();
    loop {
        // Beyond the limit the system's queue holds whoever comes, until a connection ends.
        let seat = tokio::select! {
            () = shared.stop.cancelled() => break,
            seat = seats.clone().acquire_owned() => seat.expect("the semaphore is never closed"),
        };
        tokio::select! {
            () = shared.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let shared = shared.clone();
                    connections.spawn(async move {
                        if let Err(error) = connection::serve(stream, &shared).await {
                            tracing::debug!(%error, "a client of the gateway went away");
                        }
                        drop(seat);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the gateway could not accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    // Dropped when the time is over: what is still being sent breaks off, and its reader can tell.
    let ended = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::debug!("the gateway broke off answers that did not end in time");
    }
}
