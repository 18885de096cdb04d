//! Axes, images and windows that become one number each.

use std::sync::Arc;

use poai_graph::op::image::{GlobalPool, Layout, Pool};
use poai_graph::op::reduction::reduce::{Extent, Reduce};
use poai_graph::{KernelError, Tensor};

use super::Accelerator;
use super::node::words;
use super::resident::{Resident, resident};
use super::staying::There;
use crate::device::Compute;
use crate::kernels::{Pools, Reduced};

impl There for Reduce {
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let Some(data) = inputs.first().copied().flatten() else { return Ok(None) };
        reduced(accelerator, data, || Ok(self.extent(inputs)?))
    }
}

impl There for GlobalPool {
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let Some(data) = inputs.first().copied().flatten() else { return Ok(None) };
        reduced(accelerator, data, || Ok(self.extent(data.shape())?))
    }
}

/// What a tensor that lies on the device is reduced to.
fn reduced<D: Compute>(
    accelerator: &Arc<Accelerator<D>>,
    data: &Tensor,
    extent: impl FnOnce() -> Result<Option<Extent>, KernelError>,
) -> Result<Option<Vec<Tensor>>, KernelError> {
    let Some(there) = resident(accelerator, data) else { return Ok(None) };
    let Some(Extent { reduction, sizes, shape }) = extent()? else { return Ok(None) };
    let Some(reduced) = words(sizes).and_then(|sizes| Reduced::new(reduction, sizes)) else { return Ok(None) };
    let result = accelerator.reduce(&reduced, there.buffer())?;
    Ok(Some(vec![Resident::tensor(accelerator, &shape, result)]))
}

impl There for Pool {
    fn compute<D: Compute>(
        &self,
        accelerator: &Arc<Accelerator<D>>,
        inputs: &[Option<&Tensor>],
    ) -> Result<Option<Vec<Tensor>>, KernelError> {
        let Some(data) = inputs.first().copied().flatten() else { return Ok(None) };
        let Some(there) = resident(accelerator, data) else { return Ok(None) };
        let Some(flat) = self.flat(data.shape())? else { return Ok(None) };
        let pools = Pools::new(flat.pooling, &flat.window, flat.places, self.layout == Layout::ChannelsFirst);
        let Some(pools) = pools.filter(|pools| accelerator.holds(pools.results() as usize)) else { return Ok(None) };
        let result = accelerator.pool(&pools, there.buffer())?;
        Ok(Some(vec![Resident::tensor(accelerator, &flat.shape, result)]))
    }
}
