use std::sync::Arc;

use vulkano::buffer::Subbuffer;
use vulkano::command_buffer::{AutoCommandBufferBuilder, CopyBufferInfo, PrimaryAutoCommandBuffer};
use vulkano::descriptor_set::DescriptorSet;
use vulkano::pipeline::{ComputePipeline, Pipeline, PipelineBindPoint};

use super::{DeviceError, unchecked};

/// What waits to be submitted.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) commands: Vec<Command>,
    pub(super) work: u64,
}

/// What a device does; the memory that it needs for it is kept as long.
pub(super) enum Command {
    Fill(Subbuffer<[u32]>),
    Copy { from: Subbuffer<[u32]>, to: Subbuffer<[u32]> },
    Dispatch { pipeline: Arc<ComputePipeline>, set: Arc<DescriptorSet>, groups: [u32; 3] },
}

impl Command {
    pub(super) fn record(
        self,
        commands: &mut AutoCommandBufferBuilder<PrimaryAutoCommandBuffer>,
    ) -> Result<(), DeviceError> {
        match self {
            Self::Fill(memory) => {
                commands.fill_buffer(memory, 0)?;
            }
            Self::Copy { from, to } => {
                commands.copy_buffer(CopyBufferInfo::buffers(from, to))?;
            }
            Self::Dispatch { pipeline, set, groups } => {
                commands.bind_pipeline_compute(Arc::clone(&pipeline))?;
                let layout = Arc::clone(pipeline.layout());
                commands.bind_descriptor_sets(PipelineBindPoint::Compute, layout, 0, set)?;
                unchecked::dispatch(commands, groups)?;
            }
        }
        Ok(())
    }
}
