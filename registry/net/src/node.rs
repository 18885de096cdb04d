//! The task that owns the swarm: every connection, every listener, every timer of theirs.

mod behaviour;
mod dials;
mod queries;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cid::Cid;
use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{self, MessageAcceptance};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identify, mdns, noise, tcp, yamux};
use poai_objects::{Offer, Signed};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use behaviour::{Behaviour, BehaviourEvent};
use dials::Dials;
use queries::Queries;

use crate::bitswap::{self, Exchange};
use crate::net::Shared;
use crate::offers::{self, OfferBook, OfferFlaw};
use crate::run::{self, RunInbox};
use crate::streams::{Incoming, StreamOpener};
use crate::{Blocks, ConnectionLimits, Misdeed, Net, NetConfig, NetError, NetEvent, PeerInfo};

/// What a handle asks of the task.
pub(crate) enum Command {
    Addresses { reply: oneshot::Sender<Vec<Multiaddr>> },
    Peers { reply: oneshot::Sender<Vec<PeerInfo>> },
    Dial { address: Multiaddr, reply: oneshot::Sender<Result<PeerId, NetError>> },
    Connect { peer: PeerId, reply: oneshot::Sender<Result<(), NetError>> },
    Disconnect { peer: PeerId, reply: oneshot::Sender<()> },
    Provide { root: Cid, reply: oneshot::Sender<Result<(), NetError>> },
    StopProviding { root: Cid, reply: oneshot::Sender<()> },
    Providers { root: Cid, wait: Duration, reply: oneshot::Sender<Vec<PeerId>> },
    PublishOffer { offer: Box<Signed<Offer>>, reply: oneshot::Sender<Result<(), NetError>> },
    ShutDown { reply: oneshot::Sender<()> },
}

/// Yamux streams of one connection. The JavaScript implementation cuts peers off whose window is
/// larger than this many streams make it.
const YAMUX_STREAMS: usize = 4_093;
/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(500);
/// How long listeners may take to stand.
const STANDING: Duration = Duration::from_secs(30);
/// How long connections may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Starts the task and waits until every listener stands.
pub(crate) async fn start(config: NetConfig, blocks: Arc<dyn Blocks>) -> Result<Net, NetError> {
    let (swarm, opener) = build_swarm(&config)?;
    let limits = &config.limits;
    let (command_sender, commands) = mpsc::channel(limits.connections.commands);
    let (misdeed_sender, misdeeds) = mpsc::channel(limits.connections.commands);
    let (events, _) = broadcast::channel(limits.connections.events);
    let (exchange, exchange_tasks) =
        Exchange::start(limits.bitswap.clone(), blocks.clone(), opener.clone(), misdeed_sender.clone());
    let peer = config.identity.peer();
    let shared = Shared {
        peer,
        limits: limits.clone(),
        blocks,
        commands: command_sender,
        events: events.clone(),
        exchange: exchange.clone(),
        offers: OfferBook::new(peer, limits.offers.clone()),
        runs: RunInbox::new(config.engine, limits.run.clone(), misdeed_sender, events.clone()),
        streams: opener.clone(),
    };
    let mut node = Node {
        swarm,
        limits: limits.connections.clone(),
        dht_protocol: config.dht_protocol,
        peers: HashMap::new(),
        kept: config.peers,
        dials: Dials::default(),
        queries: Queries::default(),
        blocked: Vec::new(),
        redial_at: Instant::now(),
        events,
        exchange,
        offers: shared.offers.clone(),
        runs: shared.runs.clone(),
        opener,
        tasks: exchange_tasks,
    };
    node.listen(&config.listen).await?;
    tokio::spawn(node.work(commands, misdeeds));
    Ok(Net(Arc::new(shared)))
}

fn build_swarm(config: &NetConfig) -> Result<(Swarm<Behaviour>, StreamOpener), NetError> {
    let start = |reason: String| NetError::Start { reason };
    let (behaviour, opener) = Behaviour::new(config)?;
    let limits = &config.limits.connections;
    let yamux = || {
        let mut yamux = yamux::Config::default();
        yamux.set_max_num_streams(YAMUX_STREAMS);
        yamux
    };
    let swarm = libp2p::SwarmBuilder::with_existing_identity(config.identity.keypair().clone())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux)
        .map_err(|error| start(error.to_string()))?
        .with_quic()
        .with_dns()
        .map_err(|error| start(format!("the system's name resolution: {error}")))?
        .with_behaviour(|_| behaviour)
        .expect("the behaviour is made already")
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(limits.idle))
        .with_connection_timeout(limits.dial)
        .build();
    Ok((swarm, opener))
}

struct Node {
    swarm: Swarm<Behaviour>,
    limits: ConnectionLimits,
    dht_protocol: StreamProtocol,
    peers: HashMap<PeerId, Connection>,
    /// Addresses that are dialled again whenever their peer is gone.
    kept: Vec<Multiaddr>,
    dials: Dials,
    queries: Queries,
    /// Peers that are cut off, and until when.
    blocked: Vec<(Instant, PeerId)>,
    redial_at: Instant,
    events: broadcast::Sender<NetEvent>,
    exchange: Exchange,
    offers: OfferBook,
    runs: RunInbox,
    opener: StreamOpener,
    /// Everything that ends with the network.
    tasks: JoinSet<()>,
}

/// A connected peer.
struct Connection {
    address: Multiaddr,
    agent: String,
}

impl Node {
    /// Listens on every address, and waits until it does.
    async fn listen(&mut self, addresses: &[Multiaddr]) -> Result<(), NetError> {
        let mut waiting: HashMap<ListenerId, Multiaddr> = HashMap::new();
        for address in addresses {
            let refused = |reason: String| NetError::Listen { address: address.clone(), reason };
            refuse_taken_port(address).map_err(|error| refused(error.to_string()))?;
            let id = self.swarm.listen_on(address.clone()).map_err(|error| refused(error.to_string()))?;
            waiting.insert(id, address.clone());
        }
        let deadline = tokio::time::Instant::now() + STANDING;
        while !waiting.is_empty() {
            let Ok(event) = tokio::time::timeout_at(deadline, self.swarm.select_next_some()).await else {
                let address = waiting.into_values().next().expect("it is not empty");
                return Err(NetError::Listen { address, reason: "it has no interface".to_owned() });
            };
            match &event {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    waiting.remove(listener_id);
                }
                SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. } => {
                    if let Some(address) = waiting.remove(listener_id) {
                        return Err(NetError::Listen { address, reason: error.to_string() });
                    }
                }
                _ => {}
            }
            self.see(event).await;
        }
        Ok(())
    }

    async fn work(mut self, mut commands: mpsc::Receiver<Command>, mut misdeeds: mpsc::Receiver<(PeerId, Misdeed)>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reply = loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::ShutDown { reply }) => break Some(reply),
                    Some(command) => self.obey(command),
                    None => break None,
                },
                Some((peer, misdeed)) = misdeeds.recv() => self.cut_off(peer, misdeed),
                event = self.swarm.select_next_some() => self.see(event).await,
                _ = ticks.tick() => self.tick(),
            }
        };
        self.close().await;
        if let Some(reply) = reply {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(());
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Addresses { reply } => drop(reply.send(self.addresses())),
            Command::Peers { reply } => drop(reply.send(self.peer_infos())),
            Command::Dial { address, reply } => self.dials.dial(&mut self.swarm, address, reply),
            Command::Connect { peer, reply } => self.dials.connect(&mut self.swarm, peer, reply),
            Command::Disconnect { peer, reply } => {
                // An error means that it was not connected, which is what was wanted.
                let _ = self.swarm.disconnect_peer_id(peer);
                let _ = reply.send(());
            }
            Command::Provide { root, reply } => self.queries.provide(&mut self.swarm.behaviour_mut().kad, &root, reply),
            Command::StopProviding { root, reply } => {
                self.swarm.behaviour_mut().kad.stop_providing(&queries::key_of(&root));
                let _ = reply.send(());
            }
            Command::Providers { root, wait, reply } => {
                self.queries.find(&mut self.swarm.behaviour_mut().kad, &root, Instant::now() + wait, reply);
            }
            Command::PublishOffer { offer, reply } => drop(reply.send(self.publish(*offer))),
            Command::ShutDown { .. } => unreachable!("the loop takes it"),
        }
    }

    fn publish(&mut self, offer: Signed<Offer>) -> Result<(), NetError> {
        let bytes = self.offers.take_own(offer)?;
        let topic = gossipsub::IdentTopic::new(offers::TOPIC);
        match self.swarm.behaviour_mut().gossip.publish(topic, bytes) {
            // Whoever connects is told of it.
            Ok(_) | Err(gossipsub::PublishError::NoPeersSubscribedToTopic) => Ok(()),
            Err(error) => Err(NetError::OfferRefused { reason: error.to_string() }),
        }
    }

    async fn see(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.see_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, num_established, .. } => {
                if num_established.get() == 1 {
                    let address = endpoint.get_remote_address().clone();
                    self.peer_came(peer_id, address).await;
                }
                // Last: whoever waits for the peer may count on the exchange knowing it.
                self.dials.succeeded(connection_id, peer_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.peers.remove(&peer_id);
                self.exchange.peer_went(peer_id).await;
                self.tell(NetEvent::Disconnected { peer: peer_id });
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                let reason = dials::reason(&error);
                self.dials.failed(connection_id, &error);
                self.tell(NetEvent::DialFailed { peer: peer_id, reason });
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                let address = self.whole(address);
                self.tell(NetEvent::Listening { address });
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                let address = self.whole(address);
                self.tell(NetEvent::NoLongerListening { address });
            }
            _ => {}
        }
    }

    async fn peer_came(&mut self, peer: PeerId, address: Multiaddr) {
        self.peers.insert(peer, Connection { address: address.clone(), agent: String::new() });
        self.exchange.peer_came(peer).await;
        self.tell(NetEvent::Connected { peer, address });
        let (offers, opener, events) = (self.offers.clone(), self.opener.clone(), self.events.clone());
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(async move {
            match offers.ask(&opener, peer).await {
                Ok(hosts) => hosts.into_iter().for_each(|peer| drop(events.send(NetEvent::OfferSeen { peer }))),
                // Other implementations have no offers.
                Err(error) => tracing::debug!(%peer, %error, "no offers from a peer"),
            }
        });
    }

    fn see_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Streams(incoming) => self.accept(incoming),
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => self.identified(peer_id, info),
            BehaviourEvent::Kad(event) => self.queries.see(event),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => self.discovered(found),
            BehaviourEvent::Gossip(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                let acceptance = self.gossiped(propagation_source, &message);
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
            }
            _ => {}
        }
    }

    fn accept(&mut self, incoming: Incoming) {
        while self.tasks.try_join_next().is_some() {}
        if incoming.protocol == bitswap::PROTOCOL {
            self.exchange.accept(incoming);
        } else if incoming.protocol == run::PROTOCOL {
            let runs = self.runs.clone();
            self.tasks.spawn(async move { runs.serve(incoming).await });
        } else {
            let offers = self.offers.clone();
            self.tasks.spawn(async move {
                if let Err(error) = offers.tell(incoming.stream).await {
                    tracing::debug!(peer = %incoming.peer, %error, "a peer was not told the offers");
                }
            });
        }
    }

    fn identified(&mut self, peer: PeerId, info: identify::Info) {
        let Some(connection) = self.peers.get_mut(&peer) else { return };
        connection.agent = info.agent_version.chars().filter(|letter| !letter.is_control()).take(128).collect();
        if !info.protocols.contains(&self.dht_protocol) {
            return;
        }
        // Another machine's loopback addresses lead nowhere, or to the wrong peer.
        let local = is_loopback(&connection.address);
        for address in info.listen_addrs.into_iter().filter(|address| local || !is_loopback(address)).take(ADDRESSES) {
            self.swarm.behaviour_mut().kad.add_address(&peer, address);
        }
    }

    fn discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        for (peer, address) in found {
            self.swarm.add_peer_address(peer, address.clone());
            self.tell(NetEvent::Discovered { peer, address });
            if !self.swarm.is_connected(&peer) {
                self.dials.try_connect(&mut self.swarm, peer);
            }
        }
    }

    fn gossiped(&mut self, source: PeerId, message: &gossipsub::Message) -> MessageAcceptance {
        match self.offers.take_bytes(&message.data, message.source) {
            Ok(peer) => {
                self.tell(NetEvent::OfferSeen { peer });
                MessageAcceptance::Accept
            }
            Err(OfferFlaw::Stale(reason)) => {
                tracing::debug!(%source, reason, "an offer is passed on no further");
                MessageAcceptance::Ignore
            }
            Err(OfferFlaw::Forged(reason)) => {
                // Honest peers check before they pass on.
                self.cut_off(source, Misdeed::BrokenMessage { reason: format!("an offer is false: {reason}") });
                MessageAcceptance::Reject
            }
        }
    }

    fn cut_off(&mut self, peer: PeerId, misdeed: Misdeed) {
        tracing::warn!(%peer, %misdeed, "a peer is cut off");
        // Blocking closes its connections too.
        if self.swarm.behaviour_mut().blocked.block_peer(peer) {
            self.blocked.push((Instant::now() + self.limits.cut_off, peer));
            self.tell(NetEvent::CutOff { peer, misdeed });
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let swarm = &mut self.swarm;
        self.blocked.retain(|(until, peer)| {
            let over = *until <= now;
            if over {
                swarm.behaviour_mut().blocked.unblock_peer(*peer);
            }
            !over
        });
        self.queries.tick(&mut swarm.behaviour_mut().kad, now);
        if self.redial_at <= now {
            self.redial_at = now + self.limits.redial;
            self.kept.iter().for_each(|address| self.dials.keep(&mut self.swarm, address));
        }
    }

    async fn close(mut self) {
        self.runs.close();
        self.tasks.shutdown().await;
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // An error means that it went first.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closing = async {
            while self.swarm.connected_peers().next().is_some() {
                // A peer that wants to keep us dials again at once.
                if let SwarmEvent::ConnectionEstablished { peer_id, .. } = self.swarm.select_next_some().await {
                    let _ = self.swarm.disconnect_peer_id(peer_id);
                }
            }
        };
        // A peer that does not answer does not keep us.
        let _ = tokio::time::timeout(CLOSING, closing).await;
    }

    fn addresses(&self) -> Vec<Multiaddr> {
        let mut addresses: Vec<Multiaddr> = self
            .swarm
            .external_addresses()
            .chain(self.swarm.listeners())
            .cloned()
            .map(|address| self.whole(address))
            .collect();
        let mut seen = HashSet::new();
        addresses.retain(|address| seen.insert(address.clone()));
        addresses
    }

    /// The address with this peer's id at its end.
    fn whole(&self, address: Multiaddr) -> Multiaddr {
        let peer = *self.swarm.local_peer_id();
        address.clone().with_p2p(peer).unwrap_or(address)
    }

    fn peer_infos(&self) -> Vec<PeerInfo> {
        let info = |(peer, connection): (&PeerId, &Connection)| {
            let (received_bytes, sent_bytes) = self.exchange.traffic(peer);
            let Connection { address, agent } = connection;
            PeerInfo { peer: *peer, address: address.clone(), agent: agent.clone(), received_bytes, sent_bytes }
        };
        let mut infos: Vec<PeerInfo> = self.peers.iter().map(info).collect();
        infos.sort_by_key(|info| info.peer);
        infos
    }

    fn tell(&self, event: NetEvent) {
        // Nobody may be watching.
        let _ = self.events.send(event);
    }
}

/// Fails if another program listens on a TCP port. The transport shares ports to get through routers,
/// so that two peers of one machine would take each other's connections without a word.
fn refuse_taken_port(address: &Multiaddr) -> std::io::Result<()> {
    use libp2p::multiaddr::Protocol;
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// Addresses of one peer that the hash table takes.
const ADDRESSES: usize = 16;

fn is_loopback(address: &Multiaddr) -> bool {
    use libp2p::multiaddr::Protocol;
    address.iter().any(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}
