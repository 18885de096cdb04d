use std::path::Path;

use poai_objects::{Object, PublicKey};

use super::Node;
use crate::clock;
use crate::control::{Answer, DelegateAnswer, KeyAnswer};
use crate::errors::{Failure, Kind};
use crate::keys::delegation_bytes;

impl Node {
    /// This home's keys, without their secrets.
    pub(super) fn key(&self) -> Answer {
        let acts_for = self.keys.acts_for(clock::now_s());
        Answer::Key(KeyAnswer {
            account: self.keys.account.public().to_string(),
            host: self.keys.host.public().to_string(),
            peer: poai_net::peer_of(&self.keys.host.public()).to_string(),
            acts_for: acts_for.map(|(account, _)| account.to_string()),
            until_s: acts_for.map(|(_, until_s)| until_s),
        })
    }

    /// Signs that a host may act for this home's account, and writes that down for it.
    pub(super) fn delegate(&self, host: &str, days: u32, output: &Path) -> Result<Answer, Failure> {
        let host: PublicKey =
            host.parse().map_err(|error| Failure::new(Kind::BadInput, format!("{host:?}: {error}")))?;
        let now_s = clock::now_s();
        let until_s = now_s + u64::from(days) * 86_400;
        let delegation = self.keys.delegate(host, now_s, until_s)?;
        std::fs::write(output, delegation_bytes(&delegation))
            .map_err(|error| Failure::file("write", output, &error))?;
        Ok(Answer::Delegated(DelegateAnswer {
            delegation: delegation.object().id().to_string(),
            account: self.keys.account.public().to_string(),
            host: host.to_string(),
            until_s,
            output: output.display().to_string(),
        }))
    }
}
