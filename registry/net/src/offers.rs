//! Offers of hosts: checked, kept one a host, spread by gossip, and told to whoever connects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::AsyncWriteExt;
use libp2p::swarm::Stream;
use libp2p::{PeerId, StreamProtocol, identity};
use poai_objects::codec::encode;
use poai_objects::{ObjectError, Offer, PublicKey, Signed};
use tokio::time::timeout;

use crate::frame::{self, FrameLimit};
use crate::streams::StreamOpener;
use crate::{NetError, OfferLimits, SignedBytes};

/// The gossip topic on which offers are spread, one [`SignedBytes`] a message.
pub(crate) const TOPIC: &str = "poai/offers/1";
/// The protocol by which a peer that just connected is told of them: frames of [`SignedBytes`].
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/poai/offers/1");

/// The peer whose key this is.
pub fn peer_of(key: &PublicKey) -> PeerId {
    let key =
        identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).expect("a PublicKey is a point on the curve");
    identity::PublicKey::from(key).to_peer_id()
}

/// The offers that this peer knows. Clones share them.
#[derive(Clone)]
pub(crate) struct OfferBook {
    this_peer: PeerId,
    limits: OfferLimits,
    table: Arc<Mutex<OfferTable>>,
}

/// Why an offer is not taken up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OfferFlaw {
    /// No honest peer sends it.
    Forged(String),
    /// It came too late, or again.
    Stale(String),
}

impl OfferBook {
    pub(crate) fn new(this_peer: PeerId, limits: OfferLimits) -> Self {
        let table = OfferTable { limits: limits.clone(), by_host: HashMap::new() };
        Self { this_peer, limits, table: Arc::new(Mutex::new(table)) }
    }

    /// The offers of others that hold now.
    pub(crate) fn current(&self) -> Vec<Signed<Offer>> {
        let mut offers = self.table().current(now_s());
        offers.retain(|offer| peer_of(offer.key()) != self.this_peer);
        offers
    }

    /// Checks an offer as it came and takes it up; gives its host. `host` is who must have signed it,
    /// if that is known.
    pub(crate) fn take_bytes(&self, bytes: &[u8], host: Option<PeerId>) -> Result<PeerId, OfferFlaw> {
        let offer = open(bytes, &self.limits).map_err(|error| OfferFlaw::Forged(error.to_string()))?;
        let signer = peer_of(offer.key());
        if host.is_some_and(|host| host != signer) {
            return Err(OfferFlaw::Forged(format!("it is signed by {signer}")));
        }
        self.table().take(offer, now_s())?;
        Ok(signer)
    }

    /// Takes up this peer's own offer; gives its bytes for the others.
    pub(crate) fn take_own(&self, offer: Signed<Offer>) -> Result<Vec<u8>, NetError> {
        let refused = |reason: String| NetError::OfferRefused { reason };
        let signer = peer_of(offer.key());
        if signer != self.this_peer {
            return Err(refused(format!("it is signed by {signer}, which is not this peer")));
        }
        let bytes = encode(&SignedBytes::of(&offer));
        if bytes.len() > self.limits.offer_bytes {
            return Err(refused(format!("it is over the limit offer_bytes of {}", self.limits.offer_bytes)));
        }
        self.table().take(offer, now_s()).map_err(|flaw| match flaw {
            OfferFlaw::Forged(reason) | OfferFlaw::Stale(reason) => refused(reason),
        })?;
        Ok(bytes)
    }

    /// Tells a peer all that is known.
    pub(crate) async fn tell(&self, mut stream: Stream) -> Result<(), NetError> {
        let mut offers = self.table().current(now_s());
        offers.truncate(self.limits.greeting);
        for offer in offers {
            let bytes = encode(&SignedBytes::of(&offer));
            frame::write(&mut stream, &[bytes], self.limits.greeting_time).await?;
        }
        Ok(stream.close().await?)
    }

    /// Asks a peer for all that it knows; gives the hosts whose offers are new here.
    pub(crate) async fn ask(&self, opener: &StreamOpener, peer: PeerId) -> Result<Vec<PeerId>, NetError> {
        let (mut stream, _) = opener.open(peer, &[PROTOCOL]).await?;
        let limit = FrameLimit { name: "offer_bytes", bytes: self.limits.offer_bytes };
        let mut hosts = Vec::new();
        let reading = async {
            for _ in 0..self.limits.greeting {
                let Some(bytes) = frame::read(&mut stream, limit).await? else { break };
                match self.take_bytes(&bytes, None) {
                    Ok(host) => hosts.push(host),
                    Err(OfferFlaw::Stale(_)) => {}
                    Err(OfferFlaw::Forged(reason)) => return Err(NetError::OfferRefused { reason }),
                }
            }
            Ok(())
        };
        match timeout(self.limits.greeting_time, reading).await {
            Ok(read) => read?,
            Err(_) => return Err(NetError::Silent { peer, after: self.limits.greeting_time }),
        }
        Ok(hosts)
    }

    fn table(&self) -> std::sync::MutexGuard<'_, OfferTable> {
        self.table.lock().expect("no code panics while it holds the table")
    }
}

/// Decodes an offer with its signature: the only way in for what others send.
pub(crate) fn open(bytes: &[u8], limits: &OfferLimits) -> Result<Signed<Offer>, NetError> {
    if bytes.len() > limits.offer_bytes {
        let found = bytes.len() as u64;
        return Err(NetError::MessageTooLarge { limit: "offer_bytes", allowed: limits.offer_bytes, found });
    }
    let signed: SignedBytes = serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|error| NetError::Malformed { protocol: TOPIC, reason: error.to_string() })?;
    if encode(&signed) != bytes {
        let reason = "its bytes are not in canonical form".to_owned();
        return Err(NetError::Malformed { protocol: TOPIC, reason });
    }
    signed.open::<Offer>().map_err(|error: ObjectError| error.into())
}

/// One offer a host, the latest: pure, given the time.
struct OfferTable {
    limits: OfferLimits,
    by_host: HashMap<PublicKey, Signed<Offer>>,
}

impl OfferTable {
    fn current(&self, now_s: u64) -> Vec<Signed<Offer>> {
        let mut offers: Vec<_> =
            self.by_host.values().filter(|offer| offer.object().expires_s > now_s).cloned().collect();
        offers.sort_by_key(|offer| *offer.key());
        offers
    }

    fn take(&mut self, offer: Signed<Offer>, now_s: u64) -> Result<(), OfferFlaw> {
        let stale = |reason: String| Err(OfferFlaw::Stale(reason));
        let Offer { expires_s, sequence, .. } = *offer.object();
        if expires_s <= now_s {
            return stale("it has expired".to_owned());
        }
        let lifetime_s = self.limits.lifetime.as_secs();
        if expires_s - now_s > lifetime_s {
            return stale(format!("it expires later than the limit lifetime of {lifetime_s} s allows"));
        }
        if let Some(known) = self.by_host.get(offer.key())
            && known.object().sequence >= sequence
        {
            return stale(format!("its sequence {sequence} is not above {}", known.object().sequence));
        }
        self.by_host.insert(*offer.key(), offer);
        self.shorten(now_s);
        Ok(())
    }

    fn shorten(&mut self, now_s: u64) {
        if self.by_host.len() <= self.limits.table {
            return;
        }
        self.by_host.retain(|_, offer| offer.object().expires_s > now_s);
        while self.by_host.len() > self.limits.table {
            let first_to_end = self.by_host.iter().min_by_key(|(key, offer)| (offer.object().expires_s, **key));
            let Some(key) = first_to_end.map(|(key, _)| *key) else { return };
            self.by_host.remove(&key);
        }
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
