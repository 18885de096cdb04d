use std::sync::Arc;

use cid::Cid;
use poai_compute::{Kernel, Limits};
use poai_objects::codec::{RAW, cid_of};
use wasmtime::component::Resource;

use super::super::Guest;
use super::super::memory::Reserved;
use super::super::meter::cost;
use super::errors::Failure;
use super::prepared::Prepared;
use super::wit::{self, Binding, Error};

/// Bytes of the run's memory limit that a kernel counts for, whatever is in it…
const KERNEL_BYTES: u64 = 16_384;
/// …and for each of its instructions.
const INSTRUCTION_BYTES: u64 = 32;

/// A kernel that a guest has compiled.
pub struct ComputeKernel {
    pub(super) kernel: Arc<Prepared>,
    /// The CID (raw, sha2-256) of its source.
    pub(super) source: Cid,
    pub(super) entry_point: String,
    _reserved: Reserved,
}

impl Guest {
    fn create_kernel(&mut self, source: &str, entry_point: String) -> Result<Resource<ComputeKernel>, Failure> {
        self.meter.charge_bytes((source.len() as u64).saturating_add(entry_point.len() as u64))?;
        if source.len().max(entry_point.len()) > Limits::SOURCE_BYTES {
            let reason = format!("a source of {} bytes, and {} are allowed", source.len(), Limits::SOURCE_BYTES);
            return Err(Failure::refused(Error::TooLarge, reason));
        }
        self.meter.charge(cost::KERNEL_BYTE.saturating_mul(source.len() as u64))?;
        let kernel = Kernel::parse(source, &entry_point)?;
        let instructions = kernel.instructions() as u64;
        self.meter.charge(cost::KERNEL_INSTRUCTION.saturating_mul(instructions))?;
        let bytes = KERNEL_BYTES + INSTRUCTION_BYTES * instructions;
        let reserved = Reserved::of(&self.memory, bytes)
            .ok_or_else(|| Failure::refused(Error::TooLarge, format!("the run has no room for {bytes} bytes")))?;
        let source = cid_of(RAW, source.as_bytes());
        let kernel =
            ComputeKernel { kernel: Arc::new(Prepared::new(kernel)), source, entry_point, _reserved: reserved };
        Ok(self.handles.push(kernel)?)
    }
}

impl wit::HostKernel for Guest {
    fn create(
        &mut self,
        source: String,
        entry_point: String,
    ) -> wasmtime::Result<Result<Resource<ComputeKernel>, Error>> {
        let created = self.create_kernel(&source, entry_point);
        self.compute_answer(created)
    }

    fn dispatch(
        &mut self,
        kernel: Resource<ComputeKernel>,
        bindings: Vec<Binding>,
        (x, y, z): (u32, u32, u32),
    ) -> wasmtime::Result<Result<(), Error>> {
        let dispatched = self.dispatch_kernel(&kernel, &bindings, [x, y, z]);
        self.compute_answer(dispatched)
    }

    fn drop(&mut self, kernel: Resource<ComputeKernel>) -> wasmtime::Result<()> {
        Ok(self.handles.drop(kernel)?)
    }
}
