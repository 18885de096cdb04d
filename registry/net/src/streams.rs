//! Streams of poai's own protocols, handed whole to the tasks that speak them.
//!
//! libp2p negotiates; this behaviour only counts. Streams that a peer opens beyond
//! [`ConnectionLimits::streams`](crate::ConnectionLimits::streams) are reset, and none is ever lost
//! in a queue.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound, StreamUpgradeError,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::NetError;

/// A stream that a peer opened. It counts towards the connection's limit until it is dropped.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) peer: PeerId,
    pub(crate) protocol: StreamProtocol,
    pub(crate) stream: Stream,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Opens streams from any task.
#[derive(Clone)]
pub(crate) struct StreamOpener(mpsc::Sender<Open>);

struct Open {
    peer: PeerId,
    protocols: Protocols,
    reply: Reply,
}

pub(crate) type Reply = oneshot::Sender<Result<(Stream, StreamProtocol), Refusal>>;

/// Why no stream was opened.
#[derive(Debug)]
pub(crate) enum Refusal {
    NotConnected,
    Unsupported,
    Broken,
}

impl StreamOpener {
    /// Opens a stream to a connected peer, of the first of these protocols that it speaks.
    pub(crate) async fn open(
        &self,
        peer: PeerId,
        protocols: &[StreamProtocol],
    ) -> Result<(Stream, StreamProtocol), NetError> {
        let (reply, answer) = oneshot::channel();
        let open = Open { peer, protocols: Protocols(protocols.into()), reply };
        self.0.send(open).await.map_err(|_| NetError::ShutDown)?;
        match answer.await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(Refusal::Unsupported)) => Err(NetError::Unsupported { peer, protocol: protocols[0].to_string() }),
            // The connection, with the request in its hands, may end at any time.
            Ok(Err(Refusal::NotConnected | Refusal::Broken)) | Err(_) => Err(NetError::Disconnected { peer }),
        }
    }
}

/// See the module's documentation.
pub(crate) struct Streams {
    protocols: Protocols,
    streams_per_connection: usize,
    requests: mpsc::Receiver<Open>,
    connected: HashMap<PeerId, HashSet<ConnectionId>>,
    incoming: VecDeque<Incoming>,
}

impl Streams {
    /// Accepts streams of these protocols; opens those that are asked for through the opener.
    pub(crate) fn new(
        protocols: &[StreamProtocol],
        streams_per_connection: usize,
        requests: usize,
    ) -> (Self, StreamOpener) {
        let (sender, receiver) = mpsc::channel(requests);
        let streams = Self {
            protocols: Protocols(protocols.into()),
            streams_per_connection,
            requests: receiver,
            connected: HashMap::new(),
            incoming: VecDeque::new(),
        };
        (streams, StreamOpener(sender))
    }

    fn handler(&self) -> StreamHandler {
        StreamHandler {
            protocols: self.protocols.clone(),
            slots: Arc::new(Semaphore::new(self.streams_per_connection)),
            accepted: VecDeque::new(),
            wanted: VecDeque::new(),
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = StreamHandler;
    type ToSwarm = Incoming;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(connection) => {
                self.connected.entry(connection.peer_id).or_default().insert(connection.connection_id);
            }
            FromSwarm::ConnectionClosed(connection) => {
                if let Some(connections) = self.connected.get_mut(&connection.peer_id) {
                    connections.remove(&connection.connection_id);
                    if connections.is_empty() {
                        self.connected.remove(&connection.peer_id);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        let Accepted { stream, protocol, permit } = event;
        self.incoming.push_back(Incoming { peer, protocol, stream, permit });
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(incoming) = self.incoming.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(incoming));
        }
        while let Poll::Ready(Some(Open { peer, protocols, reply })) = self.requests.poll_recv(cx) {
            if self.connected.contains_key(&peer) {
                let event = Wanted { protocols, reply };
                return Poll::Ready(ToSwarm::NotifyHandler { peer_id: peer, handler: NotifyHandler::Any, event });
            }
            // Whoever asked may have stopped waiting.
            let _ = reply.send(Err(Refusal::NotConnected));
        }
        Poll::Pending
    }
}

/// One connection's part.
pub(crate) struct StreamHandler {
    protocols: Protocols,
    slots: Arc<Semaphore>,
    accepted: VecDeque<Accepted>,
    wanted: VecDeque<Wanted>,
}

/// A negotiated stream on its way to the behaviour.
#[derive(Debug)]
pub(crate) struct Accepted {
    stream: Stream,
    protocol: StreamProtocol,
    permit: OwnedSemaphorePermit,
}

/// A stream that somebody waits for.
#[derive(Debug)]
pub(crate) struct Wanted {
    protocols: Protocols,
    reply: Reply,
}

impl ConnectionHandler for StreamHandler {
    type FromBehaviour = Wanted;
    type ToBehaviour = Accepted;
    type InboundProtocol = Protocols;
    type OutboundProtocol = Protocols;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Protocols> {
        SubstreamProtocol::new(self.protocols.clone(), ())
    }

    fn on_behaviour_event(&mut self, wanted: Wanted) {
        self.wanted.push_back(wanted);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Protocols, Reply, Accepted>> {
        if let Some(accepted) = self.accepted.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(accepted));
        }
        if let Some(Wanted { protocols, reply }) = self.wanted.pop_front() {
            let protocol = SubstreamProtocol::new(protocols, reply);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Protocols, Protocols, (), Reply>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol), ..
            }) => {
                // Without a slot the stream is dropped, which resets it.
                if let Ok(permit) = self.slots.clone().try_acquire_owned() {
                    self.accepted.push_back(Accepted { stream, protocol, permit });
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: opened, info: reply }) => {
                let _ = reply.send(Ok(opened));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: reply, error }) => {
                let _ = reply.send(Err(match error {
                    StreamUpgradeError::NegotiationFailed => Refusal::Unsupported,
                    StreamUpgradeError::Timeout | StreamUpgradeError::Io(_) => Refusal::Broken,
                    StreamUpgradeError::Apply(never) => match never {},
                }));
            }
            _ => {}
        }
    }
}

/// An upgrade that negotiates one of some protocols and leaves the stream as it is.
#[derive(Clone, Debug)]
pub(crate) struct Protocols(Arc<[StreamProtocol]>);

impl UpgradeInfo for Protocols {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        Vec::from(&*self.0).into_iter()
    }
}

impl InboundUpgrade<Stream> for Protocols {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

impl OutboundUpgrade<Stream> for Protocols {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}
