use std::io;
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits as Counts};
use libp2p::gossipsub::{self, MessageAuthenticity, MessageId, ValidationMode};
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{allow_block_list, identify, kad, mdns, memory_connection_limits, ping};
use poai_objects::codec::{RAW, cid_of};

use crate::streams::{StreamOpener, Streams};
use crate::{DhtMode, NetConfig, NetError, bitswap, offers, run};

/// Every protocol of a peer. Limits come first, so that they refuse before anybody else is asked.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    connection_limits: connection_limits::Behaviour,
    memory_limits: memory_connection_limits::Behaviour,
    pub(crate) blocked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) kad: kad::Behaviour<MemoryStore>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) gossip: gossipsub::Behaviour,
    streams: Streams,
}

/// What this program calls itself towards other peers.
const AGENT: &str = concat!("poai/", env!("CARGO_PKG_VERSION"));
/// The family of protocols, for identify.
const FAMILY: &str = "ipfs/0.1.0";

impl Behaviour {
    pub(crate) fn new(config: &NetConfig) -> Result<(Self, StreamOpener), NetError> {
        let start = |reason: String| NetError::Start { reason };
        let peer = config.identity.peer();
        let limits = &config.limits.connections;
        let counts = Counts::default()
            .with_max_established_incoming(Some(limits.incoming))
            .with_max_established_outgoing(Some(limits.outgoing))
            .with_max_pending_incoming(Some(limits.pending))
            .with_max_pending_outgoing(Some(limits.pending))
            .with_max_established_per_peer(Some(limits.per_peer));
        let identify = identify::Config::new(FAMILY.to_owned(), config.identity.keypair().public())
            .with_agent_version(AGENT.to_owned())
            .with_push_listen_addr_updates(true);
        let mdns = match config.mdns {
            true => Some(
                mdns::tokio::Behaviour::new(mdns::Config::default(), peer)
                    .map_err(|error: io::Error| start(error.to_string()))?,
            ),
            false => None,
        };
        let protocols = [bitswap::PROTOCOL, run::PROTOCOL, offers::PROTOCOL];
        let (streams, opener) = Streams::new(&protocols, limits.streams, limits.commands);
        let behaviour = Self {
            connection_limits: connection_limits::Behaviour::new(counts),
            memory_limits: memory_connection_limits::Behaviour::with_max_percentage(limits.memory_share),
            blocked: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            kad: kad(config),
            mdns: mdns.into(),
            gossip: gossip(config)?,
            streams,
        };
        Ok((behaviour, opener))
    }
}

/// Roots that this peer says it provides, and records that it keeps for others.
pub(super) const DHT_KEYS: usize = 65_536;

/// How often roots are announced anew, for peers that joined since.
const DHT_ROUND: Duration = Duration::from_secs(1_800);

fn kad(config: &NetConfig) -> kad::Behaviour<MemoryStore> {
    let peer = config.identity.peer();
    let store =
        MemoryStoreConfig { max_provided_keys: DHT_KEYS, max_records: DHT_KEYS, ..MemoryStoreConfig::default() };
    let store = MemoryStore::with_config(peer, store);
    let mut settings = kad::Config::new(config.dht_protocol.clone());
    settings.set_provider_publication_interval(Some(DHT_ROUND));
    let mut kad = kad::Behaviour::with_config(peer, store, settings);
    // Set, not guessed: a peer in a private network never learns that it can be reached from outside.
    kad.set_mode(Some(match config.dht {
        DhtMode::Server => kad::Mode::Server,
        DhtMode::Client => kad::Mode::Client,
    }));
    kad
}

fn gossip(config: &NetConfig) -> Result<gossipsub::Behaviour, NetError> {
    let start = |reason: String| NetError::Start { reason };
    let gossip = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        // Nothing is passed on before it was checked here.
        .validate_messages()
        // Room for gossip's own fields beside the offer.
        .max_transmit_size(config.limits.offers.offer_bytes + 4_096)
        .message_id_fn(|message: &gossipsub::Message| MessageId::new(&cid_of(RAW, &message.data).hash().digest()[..20]))
        .build()
        .map_err(|error| start(error.to_string()))?;
    let authenticity = MessageAuthenticity::Signed(config.identity.keypair().clone());
    let mut behaviour = gossipsub::Behaviour::new(authenticity, gossip).map_err(|reason| start(reason.to_owned()))?;
    behaviour.subscribe(&gossipsub::IdentTopic::new(offers::TOPIC)).map_err(|error| start(error.to_string()))?;
    Ok(behaviour)
}
