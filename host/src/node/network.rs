use std::sync::Arc;
use std::time::{Duration, Instant};

use cid::Cid;
use poai_net::{Identity, Multiaddr, Net, NetConfig, PeerId};
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::errors::{Failure, Kind};

/// Pauses before an address is dialled again.
const DIAL_PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];
/// How long dialling may take until it is not begun again: whoever is silent once stays so.
const DIAL_AGAIN_WITHIN: Duration = Duration::from_secs(5);

/// This node as a peer.
pub(super) struct Network {
    pub(super) net: Net,
    /// Ends the tasks that serve peers.
    pub(super) stop: CancellationToken,
}

impl Network {
    /// Connects to peers that a command names.
    pub(super) async fn dial_all(&self, peers: &[String]) -> Result<Vec<PeerId>, Failure> {
        let mut dialled = Vec::new();
        for peer in peers {
            dialled.push(self.dial(address(peer)?).await?);
        }
        Ok(dialled)
    }

    /// Connects to an address; tries again if it does not work at once, as with a host under a flood.
    pub(super) async fn dial(&self, address: Multiaddr) -> Result<PeerId, Failure> {
        let begun = Instant::now();
        for pause in DIAL_PAUSES {
            match self.net.dial(address.clone()).await {
                Ok(peer) => return Ok(peer),
                Err(error) if begun.elapsed() > DIAL_AGAIN_WITHIN => return Err(error.into()),
                Err(error) => tracing::debug!(%address, %error, "dialled in vain; once more"),
            }
            tokio::time::sleep(pause).await;
        }
        Ok(self.net.dial(address).await?)
    }

    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.net.shut_down().await;
    }
}

/// A multiaddr as somebody wrote it.
pub(super) fn address(text: &str) -> Result<Multiaddr, Failure> {
    text.parse().map_err(|error| {
        Failure::new(Kind::BadInput, format!("{text:?} is no multiaddr: {error}"))
            .hint("an address looks like /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…; a host prints its own when it starts")
    })
}

impl Node {
    /// This node as a peer, joined when it is first needed. Only a daemon listens: a command's own node
    /// serves its content over the connections that it opens.
    pub(super) async fn network(self: &Arc<Self>) -> Result<&Network, Failure> {
        self.network
            .get_or_try_init(|| async {
                let chosen = &self.config.network;
                let mut config = NetConfig::new(Identity::from_key(&self.keys.host));
                if self.is_daemon() {
                    config.listen = chosen.listen.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
                }
                config.peers = chosen.peers.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
                config.mdns = chosen.mdns;
                config.limits.bitswap.patience = Duration::from_secs(chosen.patience_s);
                config.limits.run.silence = Duration::from_secs(chosen.silence_s);
                let net = Net::start(config, Arc::new(self.store.clone())).await?;
                Ok(Network { net, stop: CancellationToken::new() })
            })
            .await
    }

    /// Tells peers that this home has some content, if it is a peer already.
    pub(super) async fn provide(&self, root: Cid) {
        if let Some(network) = self.network.get()
            && let Err(error) = network.net.provide(root).await
        {
            tracing::warn!(%root, %error, "the content is not announced");
        }
    }
}
