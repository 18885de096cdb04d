use libp2p::PeerId;
use libp2p::identity;
use poai_objects::{Offer, PublicKey, Signed};

/// The peer whose key this is.
pub fn peer_of(key: &PublicKey) -> PeerId {
    let key = identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).expect("a PublicKey is a point on the curve");
    identity::PublicKey::from(key).to_peer_id()
}

pub(crate) struct OfferBook {}

impl OfferBook {
    pub(crate) fn current(&self) -> Vec<Signed<Offer>> {
        Vec::new()
    }
}
