//! What every error of wasmtime means. A guest can cause outcomes only; faults are raised by our own code.

use poai_meter::{FUEL_GLOBAL, STACK_GLOBAL};
use poai_objects::{Outcome, OutputName, Trap};
use wasmtime::{PoolConcurrencyLimitError, Store, Val, WasmCoreDump};

use super::exit_outcome;
use crate::Fault;
use crate::guest::Guest;
use crate::guest::stop::Stop;
use crate::guest_text::one_line;

/// How a run ended, before it is a claim.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// Negative: the run is out of fuel, whatever else it is.
    pub(super) fuel_left: i64,
    pub(super) outputs: Vec<OutputName>,
}

impl Ending {
    pub(super) fn new(outcome: Outcome, fuel_left: i64) -> Self {
        Self { outcome, fuel_left, outputs: Vec::new() }
    }
}

/// The ending that an error of instantiating or calling is.
pub(super) fn classify(error: &wasmtime::Error, store: &mut Store<Guest>) -> Result<Ending, Fault> {
    let counters = Counters::of(error, store);
    if let Some(Stop::Fault(fault)) = error.downcast_ref() {
        return Err(fault.clone());
    }
    let outcome = if counters.fuel_left < 0 {
        trapped(Trap::OutOfFuel)
    } else if counters.stack_left < 0 {
        trapped(Trap::Stack)
    } else if let Some(stop) = error.downcast_ref::<Stop>() {
        of_stop(stop)?
    } else if let Some(trap) = error.downcast_ref::<wasmtime::Trap>() {
        of_trap(*trap)?
    } else if let Some(fault) = of_host(error) {
        return Err(fault);
    } else if !counters.from_guest && store.data().limiter.refused_at_birth() {
        trapped(Trap::MemoryLimit)
    } else {
        // Lifting, lowering and handles: wasmtime has plain errors for what breaks the component model's rules.
        trapped(Trap::Abi)
    };
    Ok(Ending::new(outcome, counters.fuel_left))
}

/// Where the guest's counters stood.
struct Counters {
    fuel_left: i64,
    stack_left: i32,
    /// The error came out of running code.
    from_guest: bool,
}

impl Counters {
    fn of(error: &wasmtime::Error, store: &mut Store<Guest>) -> Self {
        let Some(dump) = error.downcast_ref::<WasmCoreDump>() else {
            return Self { fuel_left: store.data().meter.left(), stack_left: 0, from_guest: false };
        };
        let global = |store: &mut Store<Guest>, index: usize| dump.globals().get(index).map(|global| global.get(store));
        let (Some(Val::I64(fuel)), Some(Val::I32(stack))) = (global(store, FUEL_GLOBAL), global(store, STACK_GLOBAL))
        else {
            return Self { fuel_left: store.data().meter.left(), stack_left: 0, from_guest: true };
        };
        Self { fuel_left: store.data().meter.left_of(fuel), stack_left: stack, from_guest: true }
    }
}

/// The outcome of an error that our own host calls raise.
pub(super) fn of_stop(stop: &Stop) -> Result<Outcome, Fault> {
    match stop {
        Stop::OutOfFuel => Ok(trapped(Trap::OutOfFuel)),
        Stop::MemoryLimit => Ok(trapped(Trap::MemoryLimit)),
        Stop::OutputLimit => Ok(trapped(Trap::OutputLimit)),
        Stop::Abi { .. } => Ok(trapped(Trap::Abi)),
        Stop::Exit { status } => Ok(exit_outcome(*status)),
        Stop::Absent { .. } => Ok(Outcome::failed(&stop.to_string())),
        Stop::Fault(fault) => Err(fault.clone()),
    }
}

/// The outcome of each of wasmtime's traps. What the accepted features cannot cause is a bug.
fn of_trap(trap: wasmtime::Trap) -> Result<Outcome, Fault> {
    use wasmtime::Trap as T;
    Ok(trapped(match trap {
        T::UnreachableCodeReached => Trap::Unreachable,
        T::MemoryOutOfBounds | T::TableOutOfBounds => Trap::Bounds,
        T::IntegerDivisionByZero | T::IntegerOverflow => Trap::Division,
        T::BadConversionToInteger => Trap::Conversion,
        T::IndirectCallToNull | T::BadSignature => Trap::IndirectCall,
        T::CannotEnterComponent
        | T::CannotLeaveComponent
        | T::CannotBlockSyncTask
        | T::InvalidChar
        | T::InvalidDiscriminant
        | T::StringOutOfBounds
        | T::ListOutOfBounds
        | T::UnalignedPointer
        | T::DebugAssertStringEncodingFinished
        | T::DebugAssertEqualCodeUnits
        | T::DebugAssertPointerAligned
        | T::DebugAssertUpperBitsUnset => Trap::Abi,
        // The metered stack is far smaller.
        T::StackOverflow => return Err(Fault::NativeStack),
        other => return Err(Fault::Unknown { reason: format!("a trap that no accepted feature has: {other}") }),
    }))
}

/// This machine's own failures.
fn of_host(error: &wasmtime::Error) -> Option<Fault> {
    let host =
        error.is::<PoolConcurrencyLimitError>() || error.is::<std::io::Error>() || error.is::<wasmtime::OutOfMemory>();
    host.then(|| Fault::HostMemory { reason: one_line(&format!("{error:#}")) })
}

fn trapped(trap: Trap) -> Outcome {
    Outcome::Trapped { trap }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each trap comes to: an outcome, a fault, or impossible with the accepted features.
    #[test]
    fn every_trap_of_wasmtime_has_its_class() {
        let mut seen = 0;
        for trap in (0..=u8::MAX).filter_map(wasmtime::Trap::from_u8) {
            let class = match of_trap(trap) {
                Ok(Outcome::Trapped { trap }) => trap.to_string(),
                Ok(outcome) => panic!("{trap}: {outcome:?}"),
                Err(Fault::NativeStack) => "native-stack".into(),
                Err(_) => "unknown".into(),
            };
            let expected = CLASSES.get(seen).unwrap_or_else(|| panic!("wasmtime has a new trap: {trap:?}"));
            assert_eq!((format!("{trap:?}").as_str(), class.as_str()), *expected);
            seen += 1;
        }
        assert_eq!(seen, CLASSES.len());
    }

    /// In the order of wasmtime's own type.
    const CLASSES: &[(&str, &str)] = &[
        ("StackOverflow", "native-stack"),
        ("MemoryOutOfBounds", "bounds"),
        ("HeapMisaligned", "unknown"),
        ("TableOutOfBounds", "bounds"),
        ("IndirectCallToNull", "indirect-call"),
        ("BadSignature", "indirect-call"),
        ("IntegerOverflow", "division"),
        ("IntegerDivisionByZero", "division"),
        ("BadConversionToInteger", "conversion"),
        ("UnreachableCodeReached", "unreachable"),
        ("Interrupt", "unknown"),
        ("OutOfFuel", "unknown"),
        ("AtomicWaitNonSharedMemory", "unknown"),
        ("NullReference", "unknown"),
        ("ArrayOutOfBounds", "unknown"),
        ("AllocationTooLarge", "unknown"),
        ("CastFailure", "unknown"),
        ("CannotEnterComponent", "abi"),
        ("NoAsyncResult", "unknown"),
        ("UnhandledTag", "unknown"),
        ("ContinuationAlreadyConsumed", "unknown"),
        ("DisabledOpcode", "unknown"),
        ("AsyncDeadlock", "unknown"),
        ("CannotLeaveComponent", "abi"),
        ("CannotBlockSyncTask", "abi"),
        ("InvalidChar", "abi"),
        ("DebugAssertStringEncodingFinished", "abi"),
        ("DebugAssertEqualCodeUnits", "abi"),
        ("DebugAssertPointerAligned", "abi"),
        ("DebugAssertUpperBitsUnset", "abi"),
        ("StringOutOfBounds", "abi"),
        ("ListOutOfBounds", "abi"),
        ("InvalidDiscriminant", "abi"),
        ("UnalignedPointer", "abi"),
        ("TaskCancelNotCancelled", "unknown"),
        ("TaskCancelOrReturnTwice", "unknown"),
        ("SubtaskCancelAfterTerminal", "unknown"),
        ("TaskReturnInvalid", "unknown"),
        ("WaitableSetDropHasWaiters", "unknown"),
        ("SubtaskDropNotResolved", "unknown"),
        ("ThreadNewIndirectInvalidType", "unknown"),
        ("ThreadNewIndirectUninitialized", "unknown"),
        ("BackpressureOverflow", "unknown"),
        ("UnsupportedCallbackCode", "unknown"),
        ("CannotResumeThread", "unknown"),
        ("ConcurrentFutureStreamOp", "unknown"),
        ("ReferenceCountOverflow", "unknown"),
        ("StreamOpTooBig", "unknown"),
        ("WaitableSyncAndAsync", "unknown"),
        ("UncaughtException", "unknown"),
    ];
}
