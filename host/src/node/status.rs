use std::sync::Arc;

use poai_net::{Multiaddr, peer_of};
use poai_objects::EngineName;

use super::Node;
use crate::control::{Answer, OfferWords, PeerWords, StatusAnswer};
use crate::errors::Failure;

impl Node {
    /// How this node does.
    pub(super) async fn status(self: &Arc<Self>) -> Result<Answer, Failure> {
        let (mut addresses, mut peers, mut offers) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(network) = self.network.get() {
            addresses = network.net.addresses().await?.iter().map(Multiaddr::to_string).collect();
            peers = network.net.peers().await?;
            offers = network.net.offers();
        }
        let (usage, numerics) = (self.store.usage(), self.numerics());
        let (running, waiting) = self.scheduler.load();
        let peer_words = |peer: poai_net::PeerInfo| PeerWords {
            peer: peer.peer.to_string(),
            address: peer.address.to_string(),
            agent: peer.agent,
            received_bytes: peer.received_bytes,
            sent_bytes: peer.sent_bytes,
        };
        let offer_words = |signed: &poai_objects::Signed<poai_objects::Offer>| OfferWords {
            peer: peer_of(signed.key()).to_string(),
            engine: signed.object().engine.to_string(),
            free_slots: signed.object().free_slots,
            open: signed.object().open,
            devices: signed.object().devices.clone(),
            fuel_per_s: signed.object().fuel_per_s,
            price: signed.object().price.0,
        };
        Ok(Answer::Status(Box::new(StatusAnswer {
            home: self.home.root().display().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: EngineName::CURRENT.to_string(),
            daemon: self.is_daemon().then(std::process::id),
            peer: peer_of(&self.keys.host.public()).to_string(),
            addresses,
            gateway: self.gateway_url(),
            peers: peers.into_iter().map(peer_words).collect(),
            offers: offers.iter().map(offer_words).collect(),
            running: running as u64,
            waiting: waiting as u64,
            kernels: numerics.kernels.to_string(),
            threads: numerics.threads.get() as u64,
            device: self.computing().map(|chosen| chosen.name().to_owned()),
            store_blocks: usage.blocks,
            store_bytes: usage.bytes,
            kubo: self.kubo_words().await?.map(|(_, words)| words),
        })))
    }
}
