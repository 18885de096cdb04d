use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use cid::Cid;
use libp2p::PeerId;
use libp2p::kad::store::MemoryStore;
use libp2p::kad::{self, AddProviderError, AddProviderOk, GetProvidersOk, QueryId, QueryResult, RecordKey};
use tokio::sync::oneshot;

use crate::NetError;

/// Questions to the hash table under way, and who waits for them.
#[derive(Default)]
pub(crate) struct Queries {
    provides: HashMap<QueryId, oneshot::Sender<Result<(), NetError>>>,
    finds: HashMap<QueryId, Find>,
}

struct Find {
    found: BTreeSet<PeerId>,
    until: Instant,
    reply: oneshot::Sender<Vec<PeerId>>,
}

/// The table's key of a block: its CID's hash, as IPFS has it.
pub(crate) fn key_of(root: &Cid) -> RecordKey {
    RecordKey::from(root.hash().to_bytes())
}

impl Queries {
    pub(crate) fn provide(
        &mut self,
        kad: &mut kad::Behaviour<MemoryStore>,
        root: &Cid,
        reply: oneshot::Sender<Result<(), NetError>>,
    ) {
        match kad.start_providing(key_of(root)) {
            Ok(query) => drop(self.provides.insert(query, reply)),
            Err(_) => {
                let error = NetError::LimitReached { limit: "provided roots", allowed: super::behaviour::DHT_KEYS };
                // Whoever asked may have stopped waiting.
                let _ = reply.send(Err(error));
            }
        }
    }

    pub(crate) fn find(
        &mut self,
        kad: &mut kad::Behaviour<MemoryStore>,
        root: &Cid,
        until: Instant,
        reply: oneshot::Sender<Vec<PeerId>>,
    ) {
        let query = kad.get_providers(key_of(root));
        self.finds.insert(query, Find { found: BTreeSet::new(), until, reply });
    }

    pub(crate) fn see(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed { id, result, step, .. } = event else { return };
        match result {
            QueryResult::StartProviding(Ok(AddProviderOk { .. }) | Err(AddProviderError::Timeout { .. })) => {
                // Peers that were too slow to be told are told in the next round.
                if let Some(reply) = self.provides.remove(&id) {
                    let _ = reply.send(Ok(()));
                }
            }
            QueryResult::GetProviders(result) => {
                if let (Ok(GetProvidersOk::FoundProviders { providers, .. }), Some(find)) =
                    (result, self.finds.get_mut(&id))
                {
                    find.found.extend(providers);
                }
                if step.last {
                    self.finish(&id);
                }
            }
            _ => {}
        }
    }

    /// Answers those who have waited long enough.
    pub(crate) fn tick(&mut self, kad: &mut kad::Behaviour<MemoryStore>, now: Instant) {
        let over = |find: &Find| find.until <= now || find.reply.is_closed();
        let done: Vec<QueryId> = self.finds.iter().filter(|(_, find)| over(find)).map(|(id, _)| *id).collect();
        for id in done {
            if let Some(mut query) = kad.query_mut(&id) {
                query.finish();
            }
            self.finish(&id);
        }
    }

    fn finish(&mut self, id: &QueryId) {
        if let Some(Find { found, reply, .. }) = self.finds.remove(id) {
            let _ = reply.send(found.into_iter().collect());
        }
    }
}
