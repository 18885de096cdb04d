use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use poai_objects::{EngineName, Fuel, Offer, Price, Signed};

use super::Node;
use super::network::Network;
use crate::clock;
use crate::config::HostConfig;
use crate::errors::Failure;

/// How long an offer holds, seconds.
const HOLDS_S: u64 = 300;
/// How often it is made again.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// How much metered work this machine does in a second on one slot: a decaying average of its own runs.
#[derive(Debug, Default)]
pub(super) struct Speed {
    fuel_per_s: AtomicU64,
}

impl Speed {
    /// Takes one run into account. Runs that are too short to measure tell nothing.
    pub(super) fn measured(&self, fuel: Fuel, guest_us: u64) {
        const SHORTEST_US: u64 = 10_000;
        if guest_us < SHORTEST_US {
            return;
        }
        let now = u64::try_from(u128::from(fuel.0) * 1_000_000 / u128::from(guest_us)).unwrap_or(u64::MAX);
        let average = |old: u64| if old == 0 { now } else { old - old / 8 + now / 8 };
        // A run that ends at the same moment may be lost to the average.
        self.fuel_per_s.store(average(self.fuel_per_s.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    pub(super) fn fuel_per_s(&self) -> u64 {
        self.fuel_per_s.load(Ordering::Relaxed)
    }
}

impl Node {
    /// Tells everybody what this host offers now.
    pub(super) async fn publish_offer(self: &Arc<Self>, network: &Network) -> Result<(), Failure> {
        let addresses = network.net.addresses().await?;
        let limits = self.scheduler.limits();
        let (running, waiting) = self.scheduler.load();
        let device = self.computing();
        let offer = Offer {
            engine: EngineName::CURRENT,
            addresses: addresses.iter().take(Offer::MAX_ADDRESSES).map(ToString::to_string).collect(),
            devices: device.map(|chosen| chosen.name().to_owned()).into_iter().collect(),
            fuel_per_s: self.speed.fuel_per_s(),
            price: price(&self.config.host, device.is_some()),
            free_slots: u32::try_from(limits.slots.saturating_sub(running + waiting)).unwrap_or(u32::MAX),
            memory_bytes: limits.run_memory_bytes,
            open: self.policy.is_open(),
            sequence: clock::now_ms(),
            expires_s: clock::now_s() + HOLDS_S,
        };
        network.net.publish_offer(Signed::sign(offer, &self.keys.host)?).await?;
        Ok(())
    }
}

/// What a host asks: more where a device computes, however much of a run that turns out to be.
fn price(config: &HostConfig, has_device: bool) -> Price {
    let besides = if has_device { config.device_price } else { 0 };
    Price(config.price.saturating_add(besides))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_follows_runs_that_can_be_measured() {
        let speed = Speed::default();
        speed.measured(Fuel(1_000), 10);
        assert_eq!(speed.fuel_per_s(), 0);
        speed.measured(Fuel(8_000_000), 1_000_000);
        assert_eq!(speed.fuel_per_s(), 8_000_000);
        speed.measured(Fuel(16_000_000), 1_000_000);
        assert_eq!(speed.fuel_per_s(), 9_000_000);
    }
}
