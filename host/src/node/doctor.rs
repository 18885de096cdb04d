use std::sync::Arc;

use poai_sandbox::Kernels;

use super::Node;
use crate::control::{Answer, CheckState, CheckWords, DoctorAnswer};
use crate::errors::Failure;

/// Free bytes of the disk below which runs are likely to fail.
const LITTLE_DISK_BYTES: u64 = 1 << 30;

impl Node {
    /// Looks at what this machine offers and enforces. Nothing that is absent goes unsaid.
    pub(super) async fn doctor(self: &Arc<Self>) -> Result<Answer, Failure> {
        let mut checks = self.sandbox_checks().await;
        checks.push(self.numerics_check());
        checks.push(self.device_check().await);
        checks.push(self.disk_check());
        checks.push(CheckWords {
            name: "keys".into(),
            state: CheckState::Good,
            about: format!("account {}, host {}", self.keys.account.public(), self.keys.host.public()),
        });
        checks.push(self.policy_check());
        if let Some((answers, about)) = self.kubo_words().await? {
            let state = if answers { CheckState::Good } else { CheckState::Weak };
            checks.push(CheckWords { name: "kubo".into(), state, about });
        }
        Ok(Answer::Doctor(DoctorAnswer { checks }))
    }

    async fn sandbox_checks(self: &Arc<Self>) -> Vec<CheckWords> {
        let workers = match self.workers().await {
            Ok(workers) => workers,
            Err(failure) => {
                return vec![CheckWords { name: "workers".into(), state: CheckState::Bad, about: failure.message }];
            }
        };
        let layer = |(layer, state): (poai_sandbox::Layer, &poai_sandbox::LayerState)| CheckWords {
            name: format!("sandbox: {layer}"),
            state: if state.is_enforced() { CheckState::Good } else { CheckState::Weak },
            about: state.to_string(),
        };
        workers.layers().iter().map(layer).collect()
    }

    fn numerics_check(&self) -> CheckWords {
        let (numerics, available) = (self.numerics(), Kernels::available());
        let fastest = numerics.kernels == available[0];
        let names: Vec<_> = available.iter().map(Kernels::to_string).collect();
        CheckWords {
            name: "numerics".into(),
            state: if fastest { CheckState::Good } else { CheckState::Weak },
            about: format!(
                "models by {} on {} threads a run; this machine has {}",
                numerics.kernels,
                numerics.threads,
                names.join(", ")
            ),
        }
    }

    async fn device_check(&self) -> CheckWords {
        let (state, about) = match self.accelerator().await {
            Ok(None) => (CheckState::Good, "the processor computes models alone".to_owned()),
            Ok(Some(chosen)) => {
                (CheckState::Good, format!("{} computes models too: it passed its proof", chosen.name()))
            }
            Err(failure) => (CheckState::Bad, failure.message),
        };
        CheckWords { name: "device".into(), state, about }
    }

    fn disk_check(&self) -> CheckWords {
        let usage = self.store.usage();
        let (state, free) = match rustix::fs::statvfs(self.home.root()) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                (
                    if free < LITTLE_DISK_BYTES { CheckState::Weak } else { CheckState::Good },
                    format!("{} MiB free", free >> 20),
                )
            }
            Err(error) => (CheckState::Bad, format!("the disk's free space is not known: {error}")),
        };
        let about = format!("{free}; the store holds {} blocks, {} MiB", usage.blocks, usage.bytes >> 20);
        CheckWords { name: "disk".into(), state, about }
    }

    fn policy_check(&self) -> CheckWords {
        let (state, about) = if self.policy.is_closed() {
            (CheckState::Good, "takes nobody's runs")
        } else if self.policy.is_open() {
            (CheckState::Weak, "takes anybody's runs of any program")
        } else {
            (CheckState::Good, "takes what its operator named")
        };
        CheckWords { name: "policy".into(), state, about: about.into() }
    }
}
