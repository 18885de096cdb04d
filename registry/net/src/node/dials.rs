use std::collections::HashMap;
use std::io;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, Swarm, TransportError};
use tokio::sync::oneshot;

use super::behaviour::Behaviour;
use crate::NetError;

/// Dials under way, and who waits for them.
#[derive(Default)]
pub(crate) struct Dials {
    by_connection: HashMap<ConnectionId, Dial>,
}

struct Dial {
    target: String,
    peer: Option<PeerId>,
    waiting: Vec<Reply>,
}

enum Reply {
    Peer(oneshot::Sender<Result<PeerId, NetError>>),
    Unit(oneshot::Sender<Result<(), NetError>>),
}

impl Reply {
    /// Whoever waited may have stopped.
    fn send(self, result: Result<PeerId, NetError>) {
        match self {
            Self::Peer(reply) => drop(reply.send(result)),
            Self::Unit(reply) => drop(reply.send(result.map(|_| ()))),
        }
    }
}

impl Dials {
    /// Dials an address, unless its peer is connected already.
    pub(crate) fn dial(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        address: Multiaddr,
        reply: oneshot::Sender<Result<PeerId, NetError>>,
    ) {
        let peer = peer_in(&address);
        match peer.filter(|peer| swarm.is_connected(peer)) {
            Some(peer) => Reply::Peer(reply).send(Ok(peer)),
            None => self.begin(swarm, options(peer, &address), address.to_string(), Some(Reply::Peer(reply))),
        }
    }

    /// Dials a peer at the addresses known for it, unless it is connected already.
    pub(crate) fn connect(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        reply: oneshot::Sender<Result<(), NetError>>,
    ) {
        if swarm.is_connected(&peer) {
            return Reply::Unit(reply).send(Ok(peer));
        }
        match self.by_connection.values_mut().find(|dial| dial.peer == Some(peer)) {
            Some(dial) => dial.waiting.push(Reply::Unit(reply)),
            None => self.begin(swarm, DialOpts::peer_id(peer).build(), peer.to_string(), Some(Reply::Unit(reply))),
        }
    }

    /// The same, with nobody waiting.
    pub(crate) fn try_connect(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId) {
        if !self.is_under_way(&peer) {
            self.begin(swarm, DialOpts::peer_id(peer).build(), peer.to_string(), None);
        }
    }

    /// Dials an address whose peer is to be connected always.
    pub(crate) fn keep(&mut self, swarm: &mut Swarm<Behaviour>, address: &Multiaddr) {
        let target = address.to_string();
        let peer = peer_in(address);
        let connected = match peer {
            Some(peer) => swarm.is_connected(&peer),
            None => false,
        };
        if !connected && !self.by_connection.values().any(|dial| dial.target == target) {
            self.begin(swarm, options(peer, address), target, None);
        }
    }

    pub(crate) fn succeeded(&mut self, connection: ConnectionId, peer: PeerId) {
        // A peer that dialled us meanwhile is connected as well.
        let done: Vec<ConnectionId> = self
            .by_connection
            .iter()
            .filter(|(id, dial)| **id == connection || dial.peer == Some(peer))
            .map(|(id, _)| *id)
            .collect();
        for dial in done.iter().filter_map(|id| self.by_connection.remove(id)) {
            dial.waiting.into_iter().for_each(|reply| reply.send(Ok(peer)));
        }
    }

    pub(crate) fn failed(&mut self, connection: ConnectionId, error: &DialError) {
        let Some(dial) = self.by_connection.remove(&connection) else { return };
        let (reason, hung_up) = (reason(error), hung_up(error));
        for reply in dial.waiting {
            reply.send(Err(NetError::Dial { target: dial.target.clone(), reason: reason.clone(), hung_up }));
        }
    }

    fn is_under_way(&self, peer: &PeerId) -> bool {
        self.by_connection.values().any(|dial| dial.peer.as_ref() == Some(peer))
    }

    fn begin(&mut self, swarm: &mut Swarm<Behaviour>, options: DialOpts, target: String, waiting: Option<Reply>) {
        let (connection, peer) = (options.connection_id(), options.get_peer_id());
        let dial = Dial { target, peer, waiting: waiting.into_iter().collect() };
        self.by_connection.insert(connection, dial);
        if let Err(error) = swarm.dial(options) {
            self.failed(connection, &error);
        }
    }
}

fn peer_in(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

fn options(peer: Option<PeerId>, address: &Multiaddr) -> DialOpts {
    match peer {
        Some(peer) => DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(vec![address.clone()]).build(),
        None => DialOpts::unknown_peer_id().address(address.clone()).build(),
    }
}

/// Why a dial failed, in words for people.
pub(crate) fn reason(error: &DialError) -> String {
    match error {
        DialError::NoAddresses => "no address is known for it".to_owned(),
        DialError::LocalPeerId { .. } => "it is this peer itself".to_owned(),
        DialError::WrongPeerId { obtained, .. } => format!("somebody else is there: {obtained}"),
        DialError::Aborted => "the dial was given up".to_owned(),
        DialError::DialPeerConditionFalse(_) => "it is being dialled, or connected, already".to_owned(),
        DialError::Denied { cause } => format!("this peer's own limits refuse it: {cause}"),
        DialError::Transport(tried) => {
            let tries = tried.iter().map(|(address, error)| format!("{address}: {}", transport_reason(error)));
            tries.collect::<Vec<_>>().join("; ")
        }
    }
}

fn transport_reason(error: &TransportError<io::Error>) -> String {
    match error {
        TransportError::MultiaddrNotSupported(_) => "no transport of this program reaches such an address".to_owned(),
        TransportError::Other(error) => innermost(error).to_string(),
    }
}

/// Whether an address had somebody who closed the connection before it stood.
fn hung_up(error: &DialError) -> bool {
    let DialError::Transport(tried) = error else { return false };
    tried.iter().any(|(_, error)| match error {
        TransportError::MultiaddrNotSupported(_) => false,
        TransportError::Other(error) => is_hang_up(innermost(error)),
    })
}

/// Transports wrap an I/O error in a way that shows its words and hides its type, so its words are known here too.
fn is_hang_up(cause: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let kinds = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
    if let Some(cause) = cause.downcast_ref::<io::Error>()
        && kinds.contains(&cause.kind())
    {
        return true;
    }
    let words = cause.to_string().to_lowercase();
    kinds.iter().any(|kind| words.contains(&kind.to_string()))
}

/// The innermost cause: the layers above it only say that something below failed.
fn innermost(error: &io::Error) -> &(dyn std::error::Error + 'static) {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}
