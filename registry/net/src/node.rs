use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use libp2p::{Multiaddr, PeerId};
use poai_objects::{Offer, Signed};
use tokio::sync::oneshot;

use crate::{Blocks, Net, NetConfig, NetError, PeerInfo};

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

pub(crate) async fn start(config: NetConfig, blocks: Arc<dyn Blocks>) -> Result<Net, NetError> {
    let _ = (config, blocks);
    Err(NetError::ShutDown)
}
