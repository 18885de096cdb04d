use std::sync::Arc;

use cid::Cid;
use poai_compute::{Binding as Bound, DispatchError, Limits, Offer};
use poai_objects::codec;
use wasmtime::component::Resource;

use super::super::Guest;
use super::super::memory::Reserved;
use super::super::meter::cost;
use super::super::stop::Stop;
use super::errors::Failure;
use super::kernels::ComputeKernel;
use super::manifest::{Answer, Arguments, DISPATCH, Entry, Results};
use super::prepared::Prepared;
use super::wit::{Access, Binding, Error};
use crate::Level;

/// What a dispatch cost in fuel, and how it ended.
pub(super) type Dispatched = (u64, Result<(), DispatchError>);

/// A buffer's words while a kernel has them.
enum Held {
    Read(Arc<Vec<u32>>),
    ReadWrite { words: Vec<u32>, stride: u32 },
}

impl Held {
    fn bound(&mut self) -> Bound<'_> {
        match self {
            Self::Read(words) => Bound::Read(words),
            Self::ReadWrite { words, stride } => Bound::ReadWrite { words, stride: *stride },
        }
    }
}

impl Guest {
    /// One effect of the run, whether the kernel ends well or not. Bindings that no dispatch begins with are none.
    pub(super) fn dispatch_kernel(
        &mut self,
        kernel: &Resource<ComputeKernel>,
        bindings: &[Binding],
        workgroups: [u32; 3],
    ) -> Result<(), Failure> {
        self.meter.charge(cost::ENTRY.saturating_mul(bindings.len() as u64))?;
        check(bindings)?;
        let ComputeKernel { kernel, source, entry_point, .. } = self.handles.get(kernel)?;
        let (kernel, source, entry_point) = (Arc::clone(kernel), *source, entry_point.clone());
        kernel.kernel.check(&self.offers(bindings)?, workgroups)?;
        let _while_it_runs = self.reserve_changed(bindings)?;
        let called_at = self.meter.spent();
        self.charge_buffer_digests(bindings)?;
        let bound = self.entries(bindings)?;
        let arguments = Arguments { kernel: source, entry_point: &entry_point, bindings: bound, workgroups };
        let arguments = codec::encode(&arguments);
        let call = self.effects.call(called_at, &arguments);
        let (fuel, done) = match self.recall_dispatch(&call, bindings)? {
            Some(recalled) => recalled,
            None => {
                self.make_ready(&kernel, &entry_point)?;
                self.run_kernel(&kernel, &entry_point, bindings, workgroups)?
            }
        };
        if done == Err(DispatchError::OutOfFuel) {
            // One more than there is: the run costs exactly its limit.
            self.meter.charge(fuel.saturating_add(1))?;
        }
        self.meter.charge(fuel)?;
        self.charge_buffer_digests(bindings)?;
        let done = done.map_err(Failure::from);
        let answer = match &done {
            Ok(()) => {
                self.hand_out(bindings)?;
                Answer::Written(self.written(bindings)?)
            }
            Err(Failure::Refused { error, .. }) => Answer::error(*error),
            Err(Failure::Stop(_)) => return done,
        };
        let results = codec::encode(&Results { fuel, answer });
        self.effects.record(&self.host, DISPATCH, &call, [arguments, results])?;
        done
    }

    /// Room for what all threads change at once: the executor has buffers of atomics twice while it runs.
    fn reserve_changed(&self, bindings: &[Binding]) -> Result<Reserved, Failure> {
        let mut bytes = 0_u64;
        for binding in bindings.iter().filter(|binding| words_of(binding.access) == Some(0)) {
            bytes = bytes.saturating_add(size_of_val(&self.handles.get(&binding.buffer)?.shared()[..]) as u64);
        }
        let no_room =
            || Failure::refused(Error::TooLarge, format!("the run has no room for {bytes} bytes of atomics twice"));
        Reserved::of(&self.memory, bytes).ok_or_else(no_room)
    }

    fn offers(&self, bindings: &[Binding]) -> Result<Vec<Offer>, Stop> {
        let offer = |binding: &Binding| {
            let words = self.handles.get(&binding.buffer)?.shared().len();
            Ok(Offer { words, stride: words_of(binding.access) })
        };
        bindings.iter().map(offer).collect()
    }

    fn entries(&mut self, bindings: &[Binding]) -> Result<Vec<Entry>, Stop> {
        let entry = |binding: &Binding| {
            let data = self.handles.get_mut(&binding.buffer)?.digest();
            Ok(Entry { data, stride: bytes_of(binding.access) })
        };
        bindings.iter().map(entry).collect()
    }

    /// Lends a kernel the buffers' words. Gives what it cost, and how it ended.
    fn run_kernel(
        &mut self,
        kernel: &Prepared,
        entry_point: &str,
        bindings: &[Binding],
        workgroups: [u32; 3],
    ) -> Result<Dispatched, Stop> {
        let (mut held, mut residents) = (Vec::with_capacity(bindings.len()), Vec::with_capacity(bindings.len()));
        for binding in bindings {
            let buffer = self.handles.get_mut(&binding.buffer)?;
            residents.push(buffer.resident());
            held.push(match words_of(binding.access) {
                None => Held::Read(buffer.shared()),
                Some(stride) => Held::ReadWrite { words: buffer.take(), stride },
            });
        }
        let before = self.meter.left().unsigned_abs();
        let mut budget = before;
        let mut bound: Vec<_> = held.iter_mut().map(Held::bound).collect();
        let (done, on_device) = kernel.dispatch(self.nn.threads(), &mut bound, &residents, workgroups, &mut budget)?;
        self.dispatches_on_device += u64::from(on_device);
        if kernel.is_on_device() && !on_device {
            let words = format!(
                "poai-compute: a dispatch of {entry_point} ran on the processor: it is too long, or too large, for the device"
            );
            self.words.log(&self.host, Level::Info, &words)?;
        }
        for (binding, held) in bindings.iter().zip(held) {
            if let Held::ReadWrite { words, .. } = held {
                self.handles.get_mut(&binding.buffer)?.put_back(words);
            }
        }
        Ok((before - budget, done))
    }

    fn hand_out(&mut self, bindings: &[Binding]) -> Result<(), Stop> {
        let written = bindings.iter().filter(|binding| is_written(binding));
        let bytes = written.map(|binding| Ok(self.handles.get(&binding.buffer)?.shared_bytes()));
        let bytes = bytes.collect::<Result<Vec<_>, Stop>>()?;
        self.effects.hand_out(&self.host, bytes)
    }

    /// The digests of the buffers that a kernel wrote.
    fn written(&mut self, bindings: &[Binding]) -> Result<Vec<Cid>, Stop> {
        let written = bindings.iter().filter(|binding| is_written(binding));
        written.map(|binding| Ok(self.handles.get_mut(&binding.buffer)?.digest())).collect()
    }

    /// Charges for hashing the buffers that have changed, before that is done.
    fn charge_buffer_digests(&mut self, bindings: &[Binding]) -> Result<(), Stop> {
        let mut fuel = 0_u64;
        for binding in bindings {
            fuel = fuel.saturating_add(self.handles.get(&binding.buffer)?.digest_fuel());
        }
        self.meter.charge(fuel)
    }
}

/// Whether the bindings are any that a kernel could have.
fn check(bindings: &[Binding]) -> Result<(), Failure> {
    if bindings.len() > Limits::BINDINGS {
        return Err(DispatchError::Bindings.into());
    }
    for (place, binding) in bindings.iter().enumerate() {
        if !bytes_of(binding.access).is_multiple_of(4) {
            return Err(Failure::refused(Error::Misaligned, "a stride is not a multiple of 4"));
        }
        let mut same = bindings[..place].iter().filter(|other| other.buffer.rep() == binding.buffer.rep());
        if same.any(|other| is_written(binding) || is_written(other)) {
            return Err(Failure::refused(Error::InvalidBindings, "a buffer is bound twice, and not only read"));
        }
    }
    Ok(())
}

pub(super) fn is_written(binding: &Binding) -> bool {
    words_of(binding.access).is_some()
}

/// Words of an invocation's slice, if the buffer is to be written; 0 of a buffer of atomics.
fn words_of(access: Access) -> Option<u32> {
    match access {
        Access::Read => None,
        Access::ReadWrite(bytes) => Some(bytes / 4),
    }
}

/// Bytes of an invocation's slice; 0 of a buffer that is only read, or of atomics.
fn bytes_of(access: Access) -> u32 {
    match access {
        Access::Read => 0,
        Access::ReadWrite(bytes) => bytes,
    }
}
