//! `wasi:clocks`: fuel is time, and so is sleep. The wall clock begins where the run says.

use wasmtime::component::Resource;

use super::super::Guest;
use super::super::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use super::Pollable;

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

impl monotonic_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.meter.now_ns())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.handles.push(Pollable::At(when))?)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<Pollable>> {
        let when = self.meter.now_ns().saturating_add(duration);
        Ok(self.handles.push(Pollable::At(when))?)
    }
}

impl wall_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let now_ns = self.run.clock_ns.saturating_add(self.meter.now_ns());
        let nanoseconds = u32::try_from(now_ns % SECOND_NS).expect("less than a second");
        Ok(wall_clock::Datetime { seconds: now_ns / SECOND_NS, nanoseconds })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}
