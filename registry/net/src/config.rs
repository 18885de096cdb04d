use std::fmt;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId, StreamProtocol, identity};
use poai_objects::{EngineName, SecretKey};

/// How this peer takes part.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// The host key, which is also the peer id.
    pub identity: Identity,
    /// The engine that this program runs: named in the run protocol's handshake.
    pub engine: EngineName,
    /// Where to listen; empty for a peer that only dials.
    pub listen: Vec<Multiaddr>,
    /// Peers to connect to at the start, and again after they go away.
    pub peers: Vec<Multiaddr>,
    /// Whether peers on the local network are looked for, and told of this one.
    pub mdns: bool,
    /// The part played in the hash table of who provides what.
    pub dht: DhtMode,
    /// The hash table's protocol. Peers of another protocol form another table: `/ipfs/kad/1.0.0` is
    /// the public IPFS one.
    pub dht_protocol: StreamProtocol,
    /// Every limit.
    pub limits: NetLimits,
}

impl NetConfig {
    /// A peer of this key that listens nowhere, knows nobody and has the default limits.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            engine: EngineName::CURRENT,
            listen: Vec::new(),
            peers: Vec::new(),
            mdns: false,
            dht: DhtMode::Server,
            dht_protocol: StreamProtocol::new("/poai/kad/1.0.0"),
            limits: NetLimits::default(),
        }
    }
}

/// A peer's part in the distributed hash table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhtMode {
    /// Keeps records for others.
    Server,
    /// Asks, and keeps nothing.
    Client,
}

/// The secret half of a peer's ed25519 key. Never shown.
#[derive(Clone)]
pub struct Identity(identity::Keypair);

impl Identity {
    /// The key of 32 secret bytes.
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        // `ed25519_from_bytes` takes the seed and zeroes it.
        Self(identity::Keypair::ed25519_from_bytes(&mut seed).expect("any 32 bytes are an ed25519 seed"))
    }

    /// The same key as an object's.
    pub fn from_key(key: &SecretKey) -> Self {
        Self::from_seed(key.to_seed())
    }

    /// The peer that has this key.
    pub fn peer(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(crate) fn keypair(&self) -> &identity::Keypair {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(of {})", self.peer())
    }
}

/// Every limit of the network, by part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetLimits {
    /// Connections and memory.
    pub connections: ConnectionLimits,
    /// The exchange of blocks.
    pub bitswap: BitswapLimits,
    /// Runs asked for and taken.
    pub run: RunLimits,
    /// Offers.
    pub offers: OfferLimits,
}

/// Limits of connections, whatever they carry.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionLimits {
    /// Connections that others opened.
    pub incoming: u32,
    /// Connections that this peer opened.
    pub outgoing: u32,
    /// Connections that are being set up, each way.
    pub pending: u32,
    /// Connections with one peer.
    pub per_peer: u32,
    /// Share of the machine's memory, from 0 to 1, above which this process takes no new connection.
    pub memory_share: f64,
    /// Streams of poai's own protocols that one connection may have open towards this peer.
    pub streams: usize,
    /// Setting up one connection.
    pub dial: Duration,
    /// How long a connection that carries nothing is kept.
    pub idle: Duration,
    /// How long a peer that broke a protocol is refused.
    pub cut_off: Duration,
    /// Pause before a peer of [`NetConfig::peers`] is dialled again.
    pub redial: Duration,
    /// Events that a slow watcher may be behind before it misses some.
    pub events: usize,
    /// Commands to the network's task that may wait.
    pub commands: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            incoming: 256,
            outgoing: 256,
            pending: 64,
            per_peer: 4,
            memory_share: 0.9,
            streams: 256,
            dial: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            cut_off: Duration::from_secs(300),
            redial: Duration::from_secs(5),
            events: 256,
            commands: 256,
        }
    }
}

/// Limits of bitswap.
#[derive(Clone, Debug, PartialEq)]
pub struct BitswapLimits {
    /// Bytes of one message; the protocol's own ceiling.
    pub message_bytes: usize,
    /// Bytes of one block; the protocol's own ceiling.
    pub block_bytes: usize,
    /// Bytes of blocks after which a message that we send is full.
    pub batch_bytes: usize,
    /// Entries of one message's wantlist, and presences in it.
    pub message_entries: usize,
    /// Blocks that one peer may have asked us for and not yet got; beyond it we read no more from it.
    pub wants_per_peer: usize,
    /// Blocks that one peer asked for and we lack, remembered in case they come.
    pub waiting_per_peer: usize,
    /// Messages of one peer that are read at the same time.
    pub readers_per_peer: usize,
    /// Blocks of one fetch that are under way or not yet stored: with [`Self::block_bytes`], its memory.
    pub window: usize,
    /// Blocks of one fetch that one peer is asked for at the same time.
    pub window_per_peer: usize,
    /// Peers that one fetch uses.
    pub peers_per_fetch: usize,
    /// Fetches under way.
    pub fetches: usize,
    /// Blocks of one fetch, in all.
    pub fetch_blocks: usize,
    /// A peer that owes a block and sends none for this long has stalled.
    pub stall: Duration,
    /// How long a block may be owed, with nothing coming, before a second peer is asked for it.
    pub hedge: Duration,
    /// Stalls after which a fetch asks a peer no more.
    pub stalls: u32,
    /// How long a fetch waits for somebody who has a block.
    pub patience: Duration,
    /// How long a stream to a peer is kept open for the next message.
    pub stream_idle: Duration,
    /// Writing one message.
    pub write: Duration,
    /// Reading one message, from its first byte.
    pub read: Duration,
}

impl Default for BitswapLimits {
    fn default() -> Self {
        Self {
            message_bytes: 4 << 20,
            block_bytes: 2 << 20,
            batch_bytes: 1 << 20,
            message_entries: 4_096,
            wants_per_peer: 1_024,
            waiting_per_peer: 4_096,
            readers_per_peer: 8,
            window: 48,
            window_per_peer: 32,
            peers_per_fetch: 16,
            fetches: 256,
            fetch_blocks: 1_000_000,
            stall: Duration::from_secs(10),
            hedge: Duration::from_secs(2),
            stalls: 2,
            patience: Duration::from_secs(30),
            stream_idle: Duration::from_secs(1),
            write: Duration::from_secs(60),
            read: Duration::from_secs(60),
        }
    }
}

/// Limits of the run protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLimits {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Runs that one peer may have asked us for at the same time.
    pub asks_per_peer: usize,
    /// Asks that nobody has looked at yet.
    pub asks_waiting: usize,
    /// Events of one run that may wait for their reader.
    pub events: usize,
    /// Log lines a second that are passed on; the others are counted and dropped.
    pub log_lines_per_s: u32,
    /// Characters of one log line, note or reason; longer ones are cut.
    pub text_chars: usize,
    /// From opening a stream to the host's word whether it takes the run.
    pub handshake: Duration,
    /// Writing one message.
    pub write: Duration,
    /// How often a host that has nothing to say shows that it lives.
    pub heartbeat: Duration,
    /// A host that says nothing for this long is gone.
    pub silence: Duration,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            message_bytes: 4 << 20,
            asks_per_peer: 16,
            asks_waiting: 64,
            events: 256,
            log_lines_per_s: 1_000,
            text_chars: 4_096,
            handshake: Duration::from_secs(30),
            write: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            silence: Duration::from_secs(45),
        }
    }
}

/// Limits of offers.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferLimits {
    /// Bytes of one offer with its envelope.
    pub offer_bytes: usize,
    /// Hosts whose offers are kept; the one that ends first gives way.
    pub table: usize,
    /// How far ahead an offer may expire.
    pub lifetime: Duration,
    /// Offers told to a peer that just connected.
    pub greeting: usize,
    /// Telling them.
    pub greeting_time: Duration,
}

impl Default for OfferLimits {
    fn default() -> Self {
        Self {
            offer_bytes: 16 << 10,
            table: 4_096,
            lifetime: Duration::from_secs(3_600),
            greeting: 256,
            greeting_time: Duration::from_secs(20),
        }
    }
}

#[cfg(test)]
mod tests;
