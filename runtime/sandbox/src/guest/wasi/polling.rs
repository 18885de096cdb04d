//! `wasi:io/poll`: nothing ever waits for the outside, so only timers are not ready at once.

use wasmtime::component::Resource;

use super::super::Guest;
use super::super::bindings::wasi::io::poll::{Host, HostPollable};
use super::super::meter::cost;
use super::super::stop::Stop;

/// What a guest may wait for.
#[derive(Clone, Copy, Debug)]
pub enum Pollable {
    /// A stream: it has all that it will ever have.
    Ready,
    /// A timer: the monotonic clock's reading at which it is ready, nanoseconds.
    At(u64),
}

impl Pollable {
    fn is_ready(self, now_ns: u64) -> bool {
        match self {
            Self::Ready => true,
            Self::At(instant) => instant <= now_ns,
        }
    }
}

impl Host for Guest {
    fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        if pollables.is_empty() {
            return Err(Stop::Abi { rule: "a poll list has at least one pollable" }.into());
        }
        self.meter.charge(cost::ENTRY.saturating_mul(pollables.len() as u64))?;
        let polled =
            pollables.iter().map(|pollable| self.handles.get(pollable).copied()).collect::<Result<Vec<_>, _>>()?;
        if !polled.iter().any(|pollable| pollable.is_ready(self.meter.now_ns())) {
            let timers = polled
                .iter()
                .filter_map(|pollable| if let Pollable::At(instant) = pollable { Some(*instant) } else { None });
            self.meter.sleep_until(timers.min().unwrap_or(0));
        }
        let now_ns = self.meter.now_ns();
        let indexed = (0..).zip(polled);
        Ok(indexed.filter(|(_, pollable)| pollable.is_ready(now_ns)).map(|(index, _)| index).collect())
    }
}

impl HostPollable for Guest {
    fn ready(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<bool> {
        Ok(self.handles.get(&pollable)?.is_ready(self.meter.now_ns()))
    }

    fn block(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        if let Pollable::At(instant) = *self.handles.get(&pollable)? {
            self.meter.sleep_until(instant);
        }
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(pollable)?)
    }
}
