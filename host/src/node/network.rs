use std::sync::Arc;
use std::time::{Duration, Instant};

use cid::Cid;
use poai_net::{Identity, Multiaddr, Net, NetConfig, NetError, PeerId};
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::errors::{Failure, Kind};

/// The pause before an address is dialled again; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long an address is dialled again at which nobody answers.
const UNANSWERED: Duration = Duration::from_secs(1);

/// This node as a peer.
pub(super) struct Network {
    pub(super) net: Net,
    /// How long to look for a peer before giving up.
    patience: Duration,
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

    /// Connects to an address; tries again if it does not work at once, and as long as the patience lasts if
    /// somebody is there and hangs up, as a host under a flood does.
    pub(super) async fn dial(&self, address: Multiaddr) -> Result<PeerId, Failure> {
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.net.dial(address.clone()).await {
                Ok(peer) => return Ok(peer),
                Err(error) => error,
            };
            let hung_up = matches!(error, NetError::Dial { hung_up: true, .. });
            if begun.elapsed() > if hung_up { self.patience } else { UNANSWERED } {
                return Err(error.into());
            }
            tracing::debug!(%address, %error, "dialled in vain; once more");
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
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
                let patience = Duration::from_secs(chosen.patience_s);
                config.limits.bitswap.patience = patience;
                config.limits.run.silence = Duration::from_secs(chosen.silence_s);
                let net = Net::start(config, Arc::new(self.store.clone())).await?;
                Ok(Network { net, patience, stop: CancellationToken::new() })
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
