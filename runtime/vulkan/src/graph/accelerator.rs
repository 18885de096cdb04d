use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use poai_numerics::{Axis, Pooling, Range, Reduction, Source, Step, Unary, Window, float_environment};

use super::Shaders;
use crate::device::{Compute, DeviceError};
use crate::kernels::{
    self, Blocks, Integers, Patches, Place, Pools, Program, Quantised, Read, Reduced, Row, Rows, Target, Terms, Tiling,
};
use crate::proof::Verdict;

/// What it takes to exponentiate, normalise or round a number, in fused steps.
const OF_A_NUMBER: u64 = 32;

/// Why a device does not compute graphs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceleratorError {
    /// It did not pass its proof.
    #[error("the device has not passed its proof, and serves nothing")]
    Unproven,
    /// It failed, or its driver.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// An open device that has passed its proof, with all kernels compiled: no shader is compiled later.
pub struct Accelerator<D: Compute> {
    pub(super) device: D,
    product: D::Kernel,
    convolution: D::Kernel,
    thin_product: D::Kernel,
    thin_convolution: D::Kernel,
    program: D::Kernel,
    rows: D::Kernel,
    reduce: D::Kernel,
    pools: D::Kernel,
    rounded: D::Kernel,
    blocks: D::Kernel,
    integers: D::Kernel,
    quantised: D::Kernel,
    /// Of products that are not thin.
    tiles: Tiling,
    pub(super) least: u64,
    /// How often kernels ran.
    runs: AtomicU64,
    /// Why a result could not be brought.
    pub(super) failure: OnceLock<DeviceError>,
}

impl<D: Compute> Accelerator<D> {
    /// Compiles the kernels, with the fused step that the proof has found exact, and runs each once, because drivers may
    /// compile late. Nodes of fewer than `least` fused steps stay on the processor: moving their operands would take
    /// longer.
    ///
    /// # Errors
    /// [`AcceleratorError::Unproven`] for the verdict on a device that serves nothing; a failing device.
    pub fn new(device: D, verdict: &Verdict, least: u64) -> Result<Self, AcceleratorError> {
        let shaders = Shaders::new(device.description(), verdict)?;
        Self::of(device, &shaders, least)
    }

    /// As [`Accelerator::new`], of shaders that were made for this device.
    ///
    /// # Errors
    /// A failing device.
    pub fn of(device: D, shaders: &Shaders, least: u64) -> Result<Self, AcceleratorError> {
        let accelerator = Self {
            product: device.kernel(&shaders.product)?,
            convolution: device.kernel(&shaders.convolution)?,
            thin_product: device.kernel(&shaders.thin_product)?,
            thin_convolution: device.kernel(&shaders.thin_convolution)?,
            program: device.kernel(&shaders.program)?,
            rows: device.kernel(&shaders.rows)?,
            reduce: device.kernel(&shaders.reduce)?,
            pools: device.kernel(&shaders.pools)?,
            rounded: device.kernel(&shaders.rounded)?,
            blocks: device.kernel(&shaders.blocks)?,
            integers: device.kernel(&shaders.integers)?,
            quantised: device.kernel(&shaders.quantised)?,
            tiles: Tiling::of(device.description().kind),
            device,
            least,
            runs: AtomicU64::new(0),
            failure: OnceLock::new(),
        };
        accelerator.warm()?;
        Ok(accelerator)
    }

    /// Runs each kernel on next to nothing.
    fn warm(&self) -> Result<(), DeviceError> {
        let one = self.upload(&[1.0])?;
        let patches = Patches { window: [[1; 4], [1; 4], [0, 0, 1, 1]], channels: 1, results: 1 };
        // Of few rows, of many, and of many products.
        for (rows, products) in [(1, 1), (5, 1), (5, 16)] {
            let starts = vec![[0; 2]; products];
            for patches in [None, Some(patches)] {
                let terms = Terms { patches, starts: &starts, ..Terms::one([rows, 1, 1]) };
                self.multiply(&terms, &one, &one, &self.device.buffer(5 * 16)?)?;
            }
        }
        let identity = Program::new(&[Step::Unary(Unary::Identity, Source::Operand(0))]).expect("it is short");
        let read = Read::whole(Place::Left, 1);
        self.operate(&identity, 1, &[read], [&one; 2])?;
        self.normalise(&Rows { row: Row::Softmax, count: 1, length: 1 }, &one, 1)?;
        self.reduce(&Reduced::new(Reduction::Sum, [1; 3]).expect("devices take one number"), &one)?;
        let window = Window { images: 1, channels: 1, height: Axis::POINT, width: Axis::POINT };
        self.pool(&Pools::new(Pooling::Max, &window, [1; 2], true).expect("devices take one pixel"), &one)?;
        self.multiply_blocks(&Blocks::one(), &self.device.buffer(2)?, &one, [1, 1], None)?;
        let two = self.device.buffer(2)?;
        let sums = self.multiply_integers(&Integers::ONE.words(1, false, &[0], None), [&one, &two], 1, ([1; 3], 1))?;
        let last = self.quantise(Quantised::Sums(&[1.0]), &sums, 1, (0, Range::Unsigned))?;
        let ran = self.device.read(&last);
        float_environment::reset();
        ran.map(drop)
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.device.description().name
    }

    /// How often it has computed a part of a model since it was opened; a few times more, as each kernel is tried.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Whether an operand of so many numbers fits into a buffer, also where several share one.
    pub(super) fn holds(&self, numbers: usize) -> bool {
        numbers <= self.device.largest_buffer() / 4
    }

    /// Numbers in the device's memory.
    pub(super) fn upload(&self, numbers: &[f32]) -> Result<D::Buffer, DeviceError> {
        self.device.filled(bytemuck::cast_slice(numbers))
    }

    /// Bytes in the device's memory, in whole words.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<D::Buffer, DeviceError> {
        match bytemuck::try_cast_slice(bytes) {
            Ok(words) => self.device.filled(words),
            Err(_) => {
                let mut words = vec![0u32; bytes.len().div_ceil(4)];
                bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
                self.device.filled(&words)
            }
        }
    }

    /// Has the device run a kernel, which takes about so many fused steps.
    fn run(&self, kernel: &D::Kernel, buffers: &[&D::Buffer], groups: [u32; 3], work: u64) -> Result<(), DeviceError> {
        let done = self.device.run_later(kernel, buffers, groups, work);
        self.runs.fetch_add(1, Ordering::Relaxed);
        // A driver may have changed how this thread calculates.
        float_environment::reset();
        done
    }

    /// Runs a kernel over operands and what it is told: a result of so many words, all of which it writes.
    fn compute(
        &self,
        kernel: &D::Kernel,
        operands: &[&D::Buffer],
        terms: &[u32],
        words: usize,
        (groups, work): ([u32; 3], u64),
    ) -> Result<D::Buffer, DeviceError> {
        let terms = self.device.shown(terms)?;
        let result = self.device.unwritten(words)?;
        let buffers: Vec<_> = operands.iter().copied().chain([&terms, &result]).collect();
        self.run(kernel, &buffers, groups, work)?;
        Ok(result)
    }

    /// Computes products into a buffer, which holds the residual before if there is one.
    pub(super) fn multiply(
        &self,
        terms: &Terms<'_>,
        left: &D::Buffer,
        right: &D::Buffer,
        result: &D::Buffer,
    ) -> Result<(), DeviceError> {
        let too_large = || DeviceError::Refused("products of too many tiles".to_owned());
        let (kernel, groups) = match (terms.thin_groups(self.tiles), terms.patches.is_some()) {
            (Some(groups), false) => (&self.thin_product, groups),
            (Some(groups), true) => (&self.thin_convolution, groups),
            (None, false) => (&self.product, terms.groups().ok_or_else(too_large)?),
            (None, true) => (&self.convolution, terms.groups().ok_or_else(too_large)?),
        };
        let words = self.device.shown(&terms.words())?;
        self.run(kernel, &[left, right, &words, result], groups, terms.work())
    }

    /// Rounds rows, so many, and multiplies them by blocks, which lie in a buffer: so many results.
    pub(super) fn multiply_blocks(
        &self,
        blocks: &Blocks,
        weights: &D::Buffer,
        data: &D::Buffer,
        [rows, results]: [u32; 2],
        bias: Option<&[f32]>,
    ) -> Result<D::Buffer, DeviceError> {
        let too_large = || DeviceError::Refused("a product of too many blocks".to_owned());
        let (words, groups) = (blocks.rounded(rows).ok_or_else(too_large)?, blocks.groups(rows).ok_or_else(too_large)?);
        let rounding = (blocks.rounding_groups(rows), u64::from(words) * OF_A_NUMBER);
        let rounded = self.compute(&self.rounded, &[data], &blocks.rounding(rows), words as usize, rounding)?;
        let (terms, operands) = (blocks.terms(rows, bias), [&rounded, weights]);
        self.compute(&self.blocks, &operands, &terms, results as usize, (groups, blocks.work(rows)))
    }

    /// Multiplies rows of bytes by weights, which lie in buffers: so many results, by so many workgroups and steps.
    pub(super) fn multiply_integers(
        &self,
        terms: &[u32],
        operands: [&D::Buffer; 2],
        results: u32,
        how: ([u32; 3], u64),
    ) -> Result<D::Buffer, DeviceError> {
        self.compute(&self.integers, &operands, terms, results as usize, how)
    }

    /// Makes so many numbers bytes, four to a word, around a zero point.
    pub(super) fn quantise(
        &self,
        quantised: Quantised<'_>,
        data: &D::Buffer,
        numbers: u32,
        (zero, range): (i32, Range),
    ) -> Result<D::Buffer, DeviceError> {
        let how = (Quantised::groups(numbers), u64::from(numbers) * OF_A_NUMBER);
        let terms = quantised.words(numbers, zero, range);
        self.compute(&self.quantised, &[data], &terms, numbers.div_ceil(4) as usize, how)
    }

    /// Does a program for each of `count` elements, whose operands lie in these buffers or in the program.
    pub(super) fn operate(
        &self,
        program: &Program,
        count: u32,
        reads: &[Read],
        [left, right]: [&D::Buffer; 2],
    ) -> Result<D::Buffer, DeviceError> {
        let how = (kernels::groups(count.div_ceil(64)), program.work(count));
        self.compute(&self.program, &[left, right], &program.words(count, reads), count as usize, how)
    }

    /// Moves `count` elements of a buffer to places of another.
    pub(super) fn place(
        &self,
        from: &D::Buffer,
        count: u32,
        to: &D::Buffer,
        target: Target,
    ) -> Result<(), DeviceError> {
        let terms = Program::copy().words_to(count, &[Read::whole(Place::Left, count)], target);
        let terms = self.device.shown(&terms)?;
        self.run(&self.program, &[from, from, &terms, to], kernels::groups(count.div_ceil(64)), count.into())
    }

    /// Reduces elements to one number each.
    pub(super) fn reduce(&self, reduced: &Reduced, data: &D::Buffer) -> Result<D::Buffer, DeviceError> {
        let how = (reduced.groups(), reduced.work());
        self.compute(&self.reduce, &[data], &reduced.words(), reduced.results() as usize, how)
    }

    /// Pools images.
    pub(super) fn pool(&self, pools: &Pools, data: &D::Buffer) -> Result<D::Buffer, DeviceError> {
        self.compute(&self.pools, &[data], pools.words(), pools.results() as usize, (pools.groups(), pools.work()))
    }

    /// Softmax or norm of rows of so many elements in all.
    pub(super) fn normalise(
        &self,
        rows: &Rows<'_>,
        data: &D::Buffer,
        elements: usize,
    ) -> Result<D::Buffer, DeviceError> {
        let work = (elements as u64).saturating_mul(OF_A_NUMBER);
        self.compute(&self.rows, &[data], &rows.words(), elements, (rows.groups(), work))
    }

    /// The words of a buffer; zeros if the device does not bring them, which has then failed for good.
    pub(super) fn fetch(&self, buffer: &D::Buffer, words: usize) -> Vec<u32> {
        let read = self.device.read(buffer);
        float_environment::reset();
        read.unwrap_or_else(|error| {
            self.failure.get_or_init(|| error);
            vec![0; words]
        })
    }
}
