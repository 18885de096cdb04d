//! Fuel and time, as the host sees them.

use poai_meter::{CostTable, HOST_INTERFACE, MAX_FUEL, MAX_STACK_UNITS};
use poai_objects::{Fuel, Limits};
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::Guest;
use super::stop::Stop;

/// What host calls cost beyond the meter's own charge for each call. Part of the engine.
pub(crate) mod cost {
    /// Finding what a path names, for each of its parts; making, renaming or removing it.
    pub(crate) const PATH_PART: u64 = 256;
    /// Opening a file or listing a folder.
    pub(crate) const OPEN: u64 = 4_096;
    /// One entry of a folder that is listed, one argument, one variable, one pollable.
    pub(crate) const ENTRY: u64 = 64;
    /// Loading a model, for each byte of its file.
    pub(crate) const MODEL_BYTE: u64 = 1;
    /// Loading a model, for each of its operators.
    pub(crate) const MODEL_NODE: u64 = 4_096;
    /// Reading a kernel, for each byte of its source.
    pub(crate) const KERNEL_BYTE: u64 = 512;
    /// Reading a kernel, for each instruction that it becomes.
    pub(crate) const KERNEL_INSTRUCTION: u64 = 64;
    /// Bytes of tensors and buffers that are hashed for the trace, for a unit of fuel.
    pub(crate) const HASHED_BYTES: u64 = 2;
}

/// The run's account: the guest counts, the host adds what its calls cost.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: i64,
    stack_units: i32,
    /// What the guest told last; negative once it ran out.
    left: i64,
    /// What host calls cost since the guest last took it over.
    owed: i64,
    /// How long the guest slept, nanoseconds. It took no real time.
    slept_ns: u64,
}

// Every valid run's limits are ones that the meter can count.
const _: () = assert!(Limits::MAX_FUEL.0 == MAX_FUEL.unsigned_abs());
const _: () = assert!(Limits::MAX_STACK_UNITS <= MAX_STACK_UNITS.unsigned_abs() as u64);

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        let limit = i64::try_from(limits.fuel.0).unwrap_or(i64::MAX).min(MAX_FUEL);
        let stack_units = i32::try_from(limits.stack_units).unwrap_or(i32::MAX).min(MAX_STACK_UNITS);
        Self { limit, stack_units, left: limit, owed: 0, slept_ns: 0 }
    }

    /// Takes fuel for what a host call is about to do: nothing is done that is not paid.
    pub(crate) fn charge(&mut self, fuel: u64) -> Result<(), Stop> {
        self.owed = self.owed.saturating_add_unsigned(fuel);
        if self.left.saturating_sub(self.owed) < 0 { Err(Stop::OutOfFuel) } else { Ok(()) }
    }

    /// Takes fuel for bytes lifted or lowered, as for a bulk copy.
    pub(crate) fn charge_bytes(&mut self, bytes: u64) -> Result<(), Stop> {
        self.charge(bytes / CostTable::VERSION_1.bulk_bytes())
    }

    /// The fuel left by what the guest told last; negative if it ran out.
    pub(crate) fn left(&self) -> i64 {
        self.left.saturating_sub(self.owed)
    }

    /// The fuel left by a count read from the guest itself.
    pub(crate) fn left_of(&self, count: i64) -> i64 {
        count.saturating_sub(self.owed)
    }

    /// The fuel spent when so much is left; the limit if the run is out of fuel.
    pub(crate) fn spent_when(&self, left: i64) -> Fuel {
        Fuel((self.limit - left.clamp(0, self.limit)).unsigned_abs())
    }

    /// The fuel spent by what the guest told last.
    pub(crate) fn spent(&self) -> Fuel {
        self.spent_when(self.left())
    }

    /// The monotonic clock, nanoseconds: a unit of fuel is one.
    pub(crate) fn now_ns(&self) -> u64 {
        self.spent().0.saturating_add(self.slept_ns)
    }

    /// Lets the clock jump. The past is reached already.
    pub(crate) fn sleep_until(&mut self, instant_ns: u64) {
        self.slept_ns = self.slept_ns.saturating_add(instant_ns.saturating_sub(self.now_ns()));
    }

    fn sync(&mut self, left: i64) -> Result<(), Stop> {
        self.left = left;
        if self.left() < 0 { Err(Stop::OutOfFuel) } else { Ok(()) }
    }

    fn take(&mut self) -> i64 {
        std::mem::take(&mut self.owed)
    }

    /// The four functions that an instrumented component asks for.
    pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        type Store<'a> = StoreContextMut<'a, Guest>;
        let mut host = linker.instance(HOST_INTERFACE)?;
        host.func_wrap("fuel-limit", |store: Store<'_>, ()| Ok((store.data().meter.limit,)))?;
        host.func_wrap("stack-limit", |store: Store<'_>, ()| Ok((store.data().meter.stack_units,)))?;
        host.func_wrap("sync", |mut store: Store<'_>, (left,): (i64,)| Ok(store.data_mut().meter.sync(left)?))?;
        host.func_wrap("take", |mut store: Store<'_>, ()| Ok((store.data_mut().meter.take(),)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(fuel: u64) -> Meter {
        Meter::new(&Limits { fuel: Fuel(fuel), ..Limits::default() })
    }

    #[test]
    fn what_the_host_charges_counts_before_the_guest_takes_it_over() {
        let mut meter = meter(1_000);
        meter.sync(900).unwrap();
        meter.charge(50).unwrap();
        assert_eq!((meter.left(), meter.spent_when(meter.left())), (850, Fuel(150)));
        assert_eq!((meter.take(), meter.take()), (50, 0));
    }

    #[test]
    fn the_last_unit_may_be_spent_but_not_one_more() {
        let mut meter = meter(100);
        meter.charge(100).unwrap();
        assert!(matches!(meter.charge(1), Err(Stop::OutOfFuel)));
        assert_eq!(meter.spent_when(meter.left()), Fuel(100));
        assert!(matches!(meter.charge(u64::MAX), Err(Stop::OutOfFuel)));
    }

    #[test]
    fn the_clock_is_fuel_and_sleep_and_never_goes_back() {
        let mut meter = meter(1_000);
        meter.sync(990).unwrap();
        meter.sleep_until(500);
        meter.sleep_until(20);
        assert_eq!(meter.now_ns(), 500);
        meter.sync(980).unwrap();
        assert_eq!(meter.now_ns(), 510);
        meter.sleep_until(u64::MAX);
        assert_eq!(meter.now_ns(), u64::MAX);
    }
}
