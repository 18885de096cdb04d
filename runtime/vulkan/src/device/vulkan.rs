use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{mem, thread};

use vulkano::Version;
use vulkano::buffer::{Buffer, BufferCreateInfo, BufferUsage, Subbuffer};
use vulkano::command_buffer::allocator::StandardCommandBufferAllocator;
use vulkano::command_buffer::{AutoCommandBufferBuilder, CommandBufferUsage, PrimaryCommandBufferAbstract};
use vulkano::descriptor_set::allocator::StandardDescriptorSetAllocator;
use vulkano::descriptor_set::layout::{
    DescriptorSetLayout, DescriptorSetLayoutBinding, DescriptorSetLayoutCreateInfo, DescriptorType,
};
use vulkano::descriptor_set::{DescriptorSet, WriteDescriptorSet};
use vulkano::device::{Device, Queue, QueueFlags};
use vulkano::memory::allocator::{AllocationCreateInfo, MemoryTypeFilter, StandardMemoryAllocator};
use vulkano::pipeline::cache::PipelineCache;
use vulkano::pipeline::compute::ComputePipelineCreateInfo;
use vulkano::pipeline::layout::PipelineLayoutCreateInfo;
use vulkano::pipeline::{ComputePipeline, PipelineLayout, PipelineShaderStageCreateInfo};
use vulkano::shader::ShaderStages;
use vulkano::sync::GpuFuture;

use super::command::{Command, Pending};
use super::memory::{Pool, Words, lock};
use super::{Candidate, Compute, Description, DeviceError, Kind, Pipelines, logical, unchecked};
use crate::spirv::Shader;

/// How long one call waits for a device.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The longest pause between two questions whether a device is done.
const POLL: Duration = Duration::from_millis(2);

/// Commands of one submission, and the work of those that wait for it: a second or so of software, which comes to some
/// millions of fused steps in one, and a millisecond or so of a GPU.
const COMMANDS: usize = 64;
const WORK_OF_SOFTWARE: u64 = 1 << 22;
const WORK: u64 = 1 << 30;
/// Words that are sent without waiting for them: more would fill the host's memory.
const SENT: usize = 1 << 18;

/// A device over vulkano. It serves one caller at a time, and nothing after it was lost or given up.
pub struct VulkanDevice {
    description: Description,
    device: Arc<Device>,
    queue: Arc<Queue>,
    memory: Arc<StandardMemoryAllocator>,
    commands: Arc<StandardCommandBufferAllocator>,
    sets: Arc<StandardDescriptorSetAllocator>,
    pool: Arc<Pool>,
    /// Of memory that the host writes.
    shown: Arc<Pool>,
    /// What the device is to do next, in this order.
    pending: Mutex<Pending>,
    patience: Duration,
    lost: AtomicBool,
    /// What the driver has made of shaders, if that is to be remembered.
    pipelines: Option<Arc<PipelineCache>>,
}

/// A shader, compiled for a device.
pub struct Kernel {
    pipeline: Arc<ComputePipeline>,
    set: Arc<DescriptorSetLayout>,
}

impl VulkanDevice {
    /// Opens a device, whose calls wait no longer than [`PATIENCE`].
    ///
    /// # Errors
    /// [`DeviceError::Unsuitable`] without Vulkan 1.2 or a queue for compute; a driver that does not start.
    pub fn open(candidate: &Candidate) -> Result<Self, DeviceError> {
        let physical = &candidate.physical;
        if physical.api_version() < Version::V1_2 {
            return Err(DeviceError::Unsuitable(format!("it has Vulkan {}, not 1.2", physical.api_version())));
        }
        let family = (0..)
            .zip(physical.queue_family_properties())
            .find(|(_, family)| family.queue_flags.intersects(QueueFlags::COMPUTE))
            .map(|(index, _)| index)
            .ok_or_else(|| DeviceError::Unsuitable("it has no queue for compute".to_owned()))?;
        let (device, queue) = logical::open(physical, family, candidate.description().features.fused)?;
        Ok(Self {
            description: candidate.description().clone(),
            queue,
            memory: Arc::new(StandardMemoryAllocator::new_default(Arc::clone(&device))),
            commands: Arc::new(StandardCommandBufferAllocator::new(Arc::clone(&device), Default::default())),
            sets: Arc::new(StandardDescriptorSetAllocator::new(Arc::clone(&device), Default::default())),
            device,
            pool: Arc::default(),
            shown: Arc::new(Pool::of_the_host()),
            pending: Mutex::default(),
            patience: PATIENCE,
            lost: AtomicBool::new(false),
            pipelines: None,
        })
    }

    /// The same device, whose calls wait no longer than this.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same device, which remembers what its driver makes of shaders, and begins with what it made before.
    ///
    /// # Errors
    /// A device that is lost or out of memory.
    pub fn remembering(self, before: Option<Pipelines>) -> Result<Self, DeviceError> {
        let properties = self.device.physical_device().properties();
        let its_own =
            |before: Pipelines| before.of(properties.vendor_id, properties.device_id, &properties.pipeline_cache_uuid);
        let before = before.and_then(its_own);
        let pipelines = unchecked::pipelines(&self.device, before.unwrap_or_default())?;
        Ok(Self { pipelines: Some(pipelines), ..self })
    }

    /// What the driver has made of shaders so far; none if the device does not remember, or it is too much.
    ///
    /// # Errors
    /// A device that is lost or out of memory.
    pub fn pipelines(&self) -> Result<Option<Pipelines>, DeviceError> {
        let words = self.pipelines.as_ref().map(|pipelines| pipelines.get_data()).transpose()?;
        Ok(words.and_then(Pipelines::new))
    }

    fn allocate(
        &self,
        words: usize,
        usage: BufferUsage,
        place: MemoryTypeFilter,
    ) -> Result<Subbuffer<[u32]>, DeviceError> {
        let create = BufferCreateInfo { usage, ..BufferCreateInfo::default() };
        let allocation = AllocationCreateInfo { memory_type_filter: place, ..AllocationCreateInfo::default() };
        Ok(Buffer::new_slice(Arc::clone(&self.memory) as _, create, allocation, length_of(words))?)
    }

    /// Memory for so many words, whatever is in it: the caller writes all of it.
    fn reserve(&self, words: usize) -> Result<Words, DeviceError> {
        let usage = BufferUsage::STORAGE_BUFFER | BufferUsage::TRANSFER_SRC | BufferUsage::TRANSFER_DST;
        self.reserve_in(&self.pool, words, usage, MemoryTypeFilter::PREFER_DEVICE)
    }

    fn reserve_in(
        &self,
        pool: &Arc<Pool>,
        words: usize,
        usage: BufferUsage,
        place: MemoryTypeFilter,
    ) -> Result<Words, DeviceError> {
        let limit = self.largest_buffer();
        if words > limit {
            return Err(DeviceError::TooLarge { words, limit });
        }
        let whole = match pool.take(length_of(words)) {
            Some(memory) => memory,
            None => self.allocate(words, usage, place).or_else(|error| {
                // What is kept, or waits, may be what lacks.
                self.submit(&mut lock(&self.pending))?;
                self.pool.clear();
                if error == DeviceError::OutOfMemory { self.allocate(words, usage, place) } else { Err(error) }
            })?,
        };
        let memory = whole.clone().slice(0..length_of(words));
        Ok(Words { memory, words, whole, pool: Arc::clone(pool) })
    }

    /// Has the device do this after what is pending, with that much work, at the latest when something is read.
    fn enqueue(&self, command: Command, work: u64) -> Result<(), DeviceError> {
        let mut pending = lock(&self.pending);
        pending.commands.push(command);
        pending.work = pending.work.saturating_add(work);
        let enough = if self.description.kind == Kind::Processor { WORK_OF_SOFTWARE } else { WORK };
        if pending.commands.len() < COMMANDS && pending.work < enough { Ok(()) } else { self.submit(&mut pending) }
    }

    /// The same, and waits for its end.
    fn finish(&self, command: Command) -> Result<(), DeviceError> {
        let mut pending = lock(&self.pending);
        pending.commands.push(command);
        self.submit(&mut pending)
    }

    /// Submits what is pending and waits for its end. Where several were submitted and failed, the device has, as nobody
    /// else would be told.
    fn submit(&self, pending: &mut Pending) -> Result<(), DeviceError> {
        let Pending { commands, .. } = mem::take(pending);
        if commands.is_empty() {
            return Ok(());
        }
        let several = commands.len() > 1;
        let done = self.done(commands);
        match done {
            Ok(()) => self.shown.recycle(),
            Err(_) if several => self.lost.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        done
    }

    fn done(&self, pending: Vec<Command>) -> Result<(), DeviceError> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(DeviceError::Lost);
        }
        let family = self.queue.queue_family_index();
        let usage = CommandBufferUsage::OneTimeSubmit;
        let mut commands = AutoCommandBufferBuilder::primary(Arc::clone(&self.commands) as _, family, usage)?;
        pending.into_iter().try_for_each(|command| command.record(&mut commands))?;
        let submitted = commands.build()?.execute(Arc::clone(&self.queue))?.then_signal_fence_and_flush()?;

        // `wait` with a time-out panics when it passes, and dropping a future waits for ever: so the fence is asked,
        // and the future of a device that is given up is never dropped.
        let begun = Instant::now();
        let mut pause = Duration::from_micros(10);
        let outcome = loop {
            match submitted.is_signaled() {
                Ok(true) => break Ok(()),
                Ok(false) if begun.elapsed() < self.patience => {}
                Ok(false) => break Err(DeviceError::TimedOut { after: self.patience }),
                Err(error) => break Err(error.into()),
            }
            thread::sleep(pause);
            pause = (pause * 2).min(POLL);
        };
        match outcome {
            Ok(()) => Ok(submitted.wait(None)?),
            Err(error) => {
                self.lost.store(true, Ordering::Relaxed);
                mem::forget(submitted);
                Err(error)
            }
        }
    }
}

impl VulkanDevice {
    /// A dispatch that can be recorded whatever else is.
    fn dispatch(&self, kernel: &Kernel, buffers: &[&Words], groups: [u32; 3]) -> Result<Command, DeviceError> {
        let most = self.device.physical_device().properties().max_compute_work_group_count;
        if groups.iter().zip(most).any(|(&count, most)| count > most) {
            return Err(DeviceError::Refused(format!("{groups:?} workgroups, of at most {most:?}")));
        }
        let bound = kernel.set.bindings().len();
        if buffers.len() != bound {
            return Err(DeviceError::Refused(format!("{} buffers for {bound} bindings", buffers.len())));
        }
        let writes =
            (0..).zip(buffers).map(|(binding, buffer)| WriteDescriptorSet::buffer(binding, buffer.memory.clone()));
        let set = DescriptorSet::new(Arc::clone(&self.sets) as _, Arc::clone(&kernel.set), writes, [])?;
        Ok(Command::Dispatch { pipeline: Arc::clone(&kernel.pipeline), set, groups })
    }
}

impl Compute for VulkanDevice {
    type Buffer = Words;
    type Kernel = Kernel;

    fn description(&self) -> &Description {
        &self.description
    }

    fn largest_buffer(&self) -> usize {
        let range = self.device.physical_device().properties().max_storage_buffer_range;
        usize::try_from(range / 4).unwrap_or(usize::MAX)
    }

    fn most_bindings(&self) -> u32 {
        let properties = self.device.physical_device().properties();
        properties.max_per_stage_descriptor_storage_buffers.min(properties.max_descriptor_set_storage_buffers)
    }

    fn buffer(&self, words: usize) -> Result<Words, DeviceError> {
        let buffer = self.reserve(words)?;
        self.enqueue(Command::Fill(buffer.memory.clone()), 0)?;
        Ok(buffer)
    }

    fn filled(&self, words: &[u32]) -> Result<Words, DeviceError> {
        if words.is_empty() {
            return self.buffer(0);
        }
        let buffer = self.reserve(words.len())?;
        self.write(&buffer, words)?;
        Ok(buffer)
    }

    fn shown(&self, words: &[u32]) -> Result<Words, DeviceError> {
        let place = MemoryTypeFilter::PREFER_DEVICE | MemoryTypeFilter::HOST_SEQUENTIAL_WRITE;
        let shown = self.reserve_in(&self.shown, words.len(), BufferUsage::STORAGE_BUFFER, place)?;
        if !words.is_empty() {
            // A dispatch that was given up may hold it still.
            let mut memory = shown.memory.write().map_err(|_| DeviceError::Lost)?;
            memory.copy_from_slice(words);
        }
        Ok(shown)
    }

    fn unwritten(&self, words: usize) -> Result<Words, DeviceError> {
        self.reserve(words)
    }

    fn copied(&self, buffer: &Words) -> Result<Words, DeviceError> {
        let copy = self.reserve(buffer.words)?;
        self.enqueue(Command::Copy { from: buffer.memory.clone(), to: copy.memory.clone() }, 0)?;
        Ok(copy)
    }

    fn write(&self, buffer: &Words, words: &[u32]) -> Result<(), DeviceError> {
        if words.len() > buffer.words {
            return Err(DeviceError::TooLarge { words: words.len(), limit: buffer.words });
        }
        if words.is_empty() {
            return Ok(());
        }
        let place = MemoryTypeFilter::PREFER_HOST | MemoryTypeFilter::HOST_SEQUENTIAL_WRITE;
        let staging = self.allocate(words.len(), BufferUsage::TRANSFER_SRC, place)?;
        staging.write().expect("nobody else has the staging buffer").copy_from_slice(words);
        let copy = Command::Copy { from: staging, to: buffer.memory.clone() };
        if words.len() > SENT { self.finish(copy) } else { self.enqueue(copy, 0) }
    }

    fn read(&self, buffer: &Words) -> Result<Vec<u32>, DeviceError> {
        let place = MemoryTypeFilter::PREFER_HOST | MemoryTypeFilter::HOST_RANDOM_ACCESS;
        let staging = self.allocate(buffer.words, BufferUsage::TRANSFER_DST, place)?;
        self.finish(Command::Copy { from: buffer.memory.clone(), to: staging.clone() })?;
        let words = staging.read().expect("the device is done with the staging buffer");
        Ok(words[..buffer.words].to_vec())
    }

    fn kernel(&self, shader: &Shader) -> Result<Kernel, DeviceError> {
        if !self.description.features.every_control().include(shader.controls()) {
            return Err(DeviceError::Refused("a shader that asks for what the device does not declare".to_owned()));
        }
        let module = unchecked::module(&self.device, shader)?;
        let entry =
            module.entry_point(shader.entry()).ok_or_else(|| DeviceError::Refused("the entry point".to_owned()))?;
        let storage = DescriptorSetLayoutBinding {
            stages: ShaderStages::COMPUTE,
            ..DescriptorSetLayoutBinding::descriptor_type(DescriptorType::StorageBuffer)
        };
        let bindings = (0..shader.bindings()).map(|binding| (binding, storage.clone())).collect();
        let create = DescriptorSetLayoutCreateInfo { bindings, ..DescriptorSetLayoutCreateInfo::default() };
        let set = DescriptorSetLayout::new(Arc::clone(&self.device), create)?;
        let create =
            PipelineLayoutCreateInfo { set_layouts: vec![Arc::clone(&set)], ..PipelineLayoutCreateInfo::default() };
        let layout = PipelineLayout::new(Arc::clone(&self.device), create)?;
        let create = ComputePipelineCreateInfo::stage_layout(PipelineShaderStageCreateInfo::new(entry), layout);
        Ok(Kernel { pipeline: ComputePipeline::new(Arc::clone(&self.device), self.pipelines.clone(), create)?, set })
    }

    fn run(&self, kernel: &Kernel, buffers: &[&Words], groups: [u32; 3]) -> Result<(), DeviceError> {
        self.finish(self.dispatch(kernel, buffers, groups)?)
    }

    fn run_later(&self, kernel: &Kernel, buffers: &[&Words], groups: [u32; 3], work: u64) -> Result<(), DeviceError> {
        self.enqueue(self.dispatch(kernel, buffers, groups)?, work)
    }
}

/// The length of a buffer of so many words: Vulkan has none of nothing.
fn length_of(words: usize) -> u64 {
    u64::try_from(words.max(1)).expect("a length fits 64 bits")
}
