//! What becomes of a device's failures, and of work that is not worth moving.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use poai_graph::op::elementwise::{Arithmetic, Elementwise};
use poai_graph::op::image::{Convolution, Frame, Layout};
use poai_graph::op::movement::Movement;
use poai_graph::op::movement::permutation::Transpose;
use poai_graph::op::product::MatMul;
use poai_graph::op::reduction::Reduction;
use poai_graph::op::reduction::softmax::{Kind, Softmax};
use poai_graph::{Budget, Builder, DType, Fact, RunError, Session};
use poai_numerics::{Kernels, Unary};

use super::*;
use crate::device::{Description, Driver, Features, Kind as DeviceKind};
use crate::kernels::Step;
use crate::proof::Verdict;
use crate::spirv::Shader;

/// Runs of kernels that getting ready takes.
const WARMING: usize = 14;

/// A device that computes nothing, and fails once it has been told how.
struct Fake {
    description: Description,
    failure: Arc<Mutex<Option<DeviceError>>>,
    runs: Arc<AtomicUsize>,
    /// How often it was read from, and what comes of that.
    reads: Arc<AtomicUsize>,
    unread: Arc<Mutex<Option<DeviceError>>>,
}

impl Fake {
    fn new() -> Self {
        let driver = Driver { name: "none".into(), info: String::new(), version: 0, vulkan: "1.3.0".into() };
        let features = Features { nearest_even: false, special_values: false, integer_dot: false, fused: false };
        let (name, uuid) = ("fake".into(), "00".into());
        let description = Description { name, kind: DeviceKind::Other, uuid, driver, memory_bytes: 0, features };
        Self {
            description,
            failure: Arc::default(),
            runs: Arc::default(),
            reads: Arc::default(),
            unread: Arc::default(),
        }
    }

    fn answer<T>(&self, value: T) -> Result<T, DeviceError> {
        self.failure.lock().unwrap().clone().map_or(Ok(value), Err)
    }
}

impl Compute for Fake {
    type Buffer = usize;
    type Kernel = ();

    fn description(&self) -> &Description {
        &self.description
    }

    fn largest_buffer(&self) -> usize {
        1 << 20
    }

    fn most_bindings(&self) -> u32 {
        4
    }

    fn buffer(&self, words: usize) -> Result<usize, DeviceError> {
        self.answer(words)
    }

    fn filled(&self, words: &[u32]) -> Result<usize, DeviceError> {
        self.answer(words.len())
    }

    fn shown(&self, words: &[u32]) -> Result<usize, DeviceError> {
        self.answer(words.len())
    }

    fn unwritten(&self, words: usize) -> Result<usize, DeviceError> {
        self.answer(words)
    }

    fn copied(&self, buffer: &usize) -> Result<usize, DeviceError> {
        self.answer(*buffer)
    }

    fn write(&self, _: &usize, _: &[u32]) -> Result<(), DeviceError> {
        self.answer(())
    }

    fn read(&self, buffer: &usize) -> Result<Vec<u32>, DeviceError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.unread.lock().unwrap().clone().map_or(Ok(()), Err)?;
        self.answer(vec![0; *buffer])
    }

    fn kernel(&self, _: &Shader) -> Result<(), DeviceError> {
        self.answer(())
    }

    fn run(&self, (): &(), _: &[&usize], _: [u32; 3]) -> Result<(), DeviceError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.answer(())
    }
}

fn accelerator(fake: Fake, least: u64) -> Accelerator<Fake> {
    let verdict = Verdict { step: Some(Step::Emulated), failures: Vec::new(), undecorated: Vec::new() };
    Accelerator::new(fake, &verdict, least).unwrap()
}

/// A 2 × 3 matrix of ones by a constant of 3 × 2, on a device that is given products of `least` steps.
fn session(fake: Fake, least: u64) -> Session {
    let accelerator = accelerator(fake, least);
    let cpu = Cpu::new(Kernels::Auto, 1).unwrap();
    let mut builder = Builder::new();
    let x = builder.input("x", Fact::new(DType::F32, [2, 3]));
    let weights = builder.constant("weights", Tensor::new(&[3, 2], &[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let product = builder.node("product", Product::MatMul(MatMul::default()), &[x, weights]).unwrap();
    Session::new(builder.finish(&[("y", product)]), Arc::new(Vulkan::new(Arc::new(accelerator), cpu))).unwrap()
}

#[test]
fn a_convolution_is_given_to_the_device_if_its_weights_are_finite() {
    for (weight, runs) in [(2.0f32, WARMING + 1), (f32::INFINITY, WARMING)] {
        let fake = Fake::new();
        let counted = Arc::clone(&fake.runs);
        let mut builder = Builder::new();
        let x = builder.input("x", Fact::new(DType::F32, [1, 1, 2, 2]));
        let weights = builder.constant("weights", Tensor::new(&[1, 1, 1, 1], &[weight]));
        let convolution = Convolution {
            frame: Frame::default(),
            groups: 1,
            spread: None,
            activation: None,
            layout: Layout::ChannelsFirst,
        };
        let y = builder.node("convolution", Image::Convolution(convolution), &[x, weights]).unwrap();
        let vulkan = Vulkan::new(Arc::new(accelerator(fake, 0)), Cpu::new(Kernels::Auto, 1).unwrap());
        let session = Session::new(builder.finish(&[("y", y)]), Arc::new(vulkan)).unwrap();
        session.run(&[("x", Tensor::new(&[1, 1, 2, 2], &[1f32; 4]))], &mut Budget::UNBOUNDED.clone()).unwrap();
        assert_eq!(counted.load(Ordering::Relaxed), runs, "{weight}");
    }
}

fn compute(session: &Session) -> Result<Vec<Tensor>, RunError> {
    session.run(&[("x", Tensor::new(&[2, 3], &[1f32; 6]))], &mut Budget::UNBOUNDED.clone())
}

#[test]
fn what_a_device_reports_is_a_fault_of_the_host() {
    for failure in
        [DeviceError::Lost, DeviceError::OutOfMemory, DeviceError::TimedOut { after: crate::device::PATIENCE }]
    {
        let fake = Fake::new();
        let next = Arc::clone(&fake.failure);
        let session = session(fake, 12);
        assert!(compute(&session).is_ok());
        *next.lock().unwrap() = Some(failure.clone());
        assert_eq!(compute(&session), Err(RunError::Device(failure.to_string())));
    }
}

#[test]
fn a_product_that_is_too_small_stays_on_the_processor() {
    let expected = Tensor::new(&[2, 2], &[9f32, 12.0, 9.0, 12.0]);
    for (least, runs) in [(12, WARMING + 1), (13, WARMING)] {
        let fake = Fake::new();
        let counted = Arc::clone(&fake.runs);
        let found = compute(&session(fake, least)).unwrap();
        // The fake's own products are zeros.
        assert_eq!(counted.load(Ordering::Relaxed), runs);
        assert_eq!(found[0] == expected, runs == WARMING);
    }
}

/// The softmax of y + tanh y, for y = x · weights, turned, and by other weights: two products between which everything may
/// stay.
fn chain(fake: Fake) -> Session {
    let accelerator = accelerator(fake, 0);
    let cpu = Cpu::new(Kernels::Auto, 1).unwrap();
    let mut builder = Builder::new();
    let x = builder.input("x", Fact::new(DType::F32, [2, 3]));
    let weights = builder.constant("weights", Tensor::new(&[3, 3], &[1f32; 9]));
    let others = builder.constant("others", Tensor::new(&[2, 3], &[1f32; 6]));
    let product = Product::MatMul(MatMul::default());
    let first = builder.node("first", product.clone(), &[x, weights]).unwrap();
    let tanh = builder.node("tanh", Elementwise::Function(Unary::Tanh), &[first]).unwrap();
    let sum = builder.node("sum", Elementwise::Arithmetic(Arithmetic::Add), &[tanh, first]).unwrap();
    let softmax = Softmax { kind: Kind::Softmax, axis: 1, flattened: false };
    let shares = builder.node("shares", Reduction::Softmax(softmax), &[sum]).unwrap();
    let turned = builder.node("turned", Movement::Transpose(Transpose { order: None }), &[shares]).unwrap();
    let second = builder.node("second", product, &[turned, others]).unwrap();
    Session::new(builder.finish(&[("y", second)]), Arc::new(Vulkan::new(Arc::new(accelerator), cpu))).unwrap()
}

#[test]
fn results_stay_on_the_device_until_they_are_read() {
    let fake = Fake::new();
    let (reads, runs) = (Arc::clone(&fake.reads), Arc::clone(&fake.runs));
    let session = chain(fake);
    assert_eq!(compute(&session).unwrap()[0], Tensor::new(&[3, 3], &[0f32; 9]));
    // Two products, tanh and sum as one, softmax and transpose between them; the output alone is read, after one
    // of getting ready.
    assert_eq!((runs.load(Ordering::Relaxed), reads.load(Ordering::Relaxed)), (WARMING + 5, 1 + 1));
}

#[test]
fn a_device_that_loses_a_result_has_failed_for_good() {
    let fake = Fake::new();
    let unread = Arc::clone(&fake.unread);
    let session = chain(fake);
    *unread.lock().unwrap() = Some(DeviceError::OutOfMemory);
    assert_eq!(compute(&session), Err(RunError::Device(DeviceError::OutOfMemory.to_string())));
    *unread.lock().unwrap() = None;
    assert_eq!(compute(&session), Err(RunError::Device(DeviceError::OutOfMemory.to_string())));
}

#[test]
fn a_product_without_elements_is_the_processors() {
    let cpu = Cpu::new(Kernels::Auto, 1).unwrap();
    let vulkan = Arc::new(Vulkan::new(Arc::new(accelerator(Fake::new(), 0)), cpu));
    let mut builder = Builder::new();
    let left = builder.input("left", Fact::new(DType::F32, [1 << 40, 0]));
    let right = builder.input("right", Fact::new(DType::F32, [0, 0]));
    let product = builder.node("product", Product::MatMul(MatMul::default()), &[left, right]).unwrap();
    let session = Session::new(builder.finish(&[("y", product)]), vulkan).unwrap();
    let given = [("left", Tensor::new::<f32>(&[1 << 40, 0], &[])), ("right", Tensor::new::<f32>(&[0, 0], &[]))];
    let found = session.run(&given, &mut Budget::UNBOUNDED.clone()).unwrap();
    assert_eq!(found[0].shape(), [1 << 40, 0]);
}
