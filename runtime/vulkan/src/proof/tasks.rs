use poai_compute::{Binding, Kernel, Resident};

use super::numbers::Numbers;
use crate::device::{Compute, DeviceError};
use crate::kernels::Step;
use crate::spirv::Shader;
use crate::task::{Dispatch, Memory, shader};

/// A kernel that tasks might bring.
struct Case {
    source: &'static str,
    /// Faults that must be seen: what is said, and what stands there instead.
    planted: &'static [(&'static str, &'static str)],
    /// Of the buffer that it writes, words and stride.
    written: (usize, u32),
}

/// All that tasks' kernels may say.
const CASES: [Case; 2] = [
    Case {
        source: include_str!("tasks.wgsl"),
        planted: &[
            ("31u - FirstLeadingBit(a)", "30u - FirstLeadingBit(a)"),
            ("task_apart = task_capped(task_apart + ", "task_apart = task_capped(task_apart + 1u + "),
            ("at >= end1", "at > end1"),
        ],
        written: (WORKGROUPS as usize * 64 + 1, 1),
    },
    Case {
        source: include_str!("atomics.wgsl"),
        planted: &[
            ("atomicAdd(&binding1", "atomicOr(&binding1"),
            ("atomicMax(&workgroup_words", "atomicMin(&workgroup_words"),
        ],
        written: (45, 0),
    },
];

/// Workgroups of 64.
const WORKGROUPS: u32 = 6;
/// More than it costs.
const BUDGET: u64 = 1 << 30;

/// Why a device does not run tasks' kernels as the executor does: words that differ, or the fuel.
pub(super) fn failure<D: Compute>(device: &D, step: Step) -> Result<Option<String>, DeviceError> {
    for case in &CASES {
        let kernel = Kernel::parse(case.source, "main").expect("our own kernels are valid");
        let source = shader::source(step, &kernel.lowered().expect("our own kernels are proven"));
        if let Some(difference) = difference(device, step, case, &kernel, &source)? {
            return Ok(Some(difference));
        }
        for (said, instead) in case.planted {
            if difference(device, step, case, &kernel, &source.replace(said, instead))?.is_none() {
                return Ok(Some("it does not see the fault that was planted".to_owned()));
            }
        }
    }
    Ok(None)
}

/// What is different on the device, by this text, from what the executor does.
fn difference<D: Compute>(
    device: &D,
    step: Step,
    case: &Case,
    kernel: &Kernel,
    source: &str,
) -> Result<Option<String>, DeviceError> {
    let controls = step.controls(device.description().features);
    let shader = Shader::of_task(source, controls).expect("our own shaders are valid");
    let compiled = match device.kernel(&shader) {
        Err(DeviceError::Refused(reason)) => return Ok(Some(format!("its shader is refused: {reason}"))),
        compiled => compiled?,
    };
    let given = given();
    let (words, stride) = case.written;
    let (mut found, mut expected) = (vec![0; words], vec![0; words]);
    let (mut left, mut expected_left) = (BUDGET, BUDGET);
    let mut bindings = [Binding::Read(&given), Binding::ReadWrite { words: &mut expected, stride }];
    let workgroups = [WORKGROUPS, 1, 1];
    kernel.dispatch(&mut bindings, workgroups, &mut expected_left).expect("our own kernels end well");
    let mut bindings = [Binding::Read(&given), Binding::ReadWrite { words: &mut found, stride }];
    let dispatch = Dispatch { device, compiled: &compiled, memory: &Memory::new(0) };
    let ended =
        dispatch.run(kernel, &mut bindings, &[Resident::default(), Resident::default()], workgroups, &mut left)?;
    if ended != Some(Ok(())) {
        return Ok(Some(format!("the kernel ends so: {ended:?}")));
    }
    if let Some(place) = (0..words).find(|&place| found[place] != expected[place]) {
        return Ok(Some(format!("word {place} is {:#x}, not {:#x}", found[place], expected[place])));
    }
    Ok((left != expected_left).then(|| format!("{left} units of fuel are left, not {expected_left}")))
}

/// A pair of words for each invocation: edges of integers and floats, each beside each, then any.
fn given() -> Vec<u32> {
    let edges = [
        0,
        1,
        2,
        31,
        255,
        0x1_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0xff01_02fe,
        0x3fc0_0000,
        0xc020_0000,
        0x4eff_ffff,
        0xcf00_0000,
        0x4f7f_ffff,
        0x7fc0_0000,
        0x0d7f_ffff,
        0x8d80_0000,
    ];
    let pairs = edges.iter().flat_map(|a| edges.iter().flat_map(move |b| [*a, *b]));
    let mut random = Numbers::new(9);
    pairs.chain(std::iter::repeat_with(move || random.word())).take(WORKGROUPS as usize * 128).collect()
}
