//! Kernels of `poai-numerics/1` in WGSL. One source serves every lowering of the fused step.

mod blocks; // weights in blocks of few bits
pub mod functions; // element-wise operations as functions of WGSL
mod integers; // products of bytes, and numbers that become bytes
mod pools; // windows that slide over images
mod product; // what a product is told
mod program; // sequences of element-wise operations, as data
mod reduce; // axes that become one number
mod rows; // softmax and norms

pub use blocks::Blocks;
pub use integers::{Integers, Quantised, Scales};
pub use pools::Pools;
pub use product::{Patches, Terms};
pub use program::{Place, Program, Read, Target};
pub use reduce::Reduced;
pub use rows::{Row, Rows};

use poai_numerics::Unary;
use serde::{Deserialize, Serialize};

use crate::device::{Features, Kind};
use crate::spirv::FloatControls;

/// How a device computes the fused step; all give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// `OpFmaKHR` of `VK_KHR_shader_fma`, whose specification promises one rounding; its WGSL is that of [`Step::Fma`].
    Khr,
    /// GLSL's `fma`, which promises nothing: only where the proof has seen it round once.
    Fma,
    /// Additions and multiplications, exact everywhere.
    Emulated,
}

impl Step {
    /// Every lowering, the fastest first.
    pub const ALL: [Self; 3] = [Self::Khr, Self::Fma, Self::Emulated];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Khr => "khr",
            Self::Fma => "fma",
            Self::Emulated => "emulated",
        }
    }

    /// What shaders with this step ask of a device with these features.
    #[must_use]
    pub fn controls(self, features: Features) -> FloatControls {
        FloatControls { fused: self == Self::Khr, ..features.controls() }
    }

    /// Whether a device with these features can be asked for it.
    pub(crate) fn is_offered(self, features: Features) -> bool {
        features.every_control().include(self.controls(features))
    }

    /// WGSL of `step`, `checked_step` and `STEP_IS_TOTAL`.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Khr | Self::Fma => include_str!("kernels/step_fma.wgsl"),
            Self::Emulated => include_str!("kernels/step_emulated.wgsl"),
        }
    }
}

/// So many workgroups, on two axes: Vulkan promises 65,535 on each.
pub(crate) fn groups(count: u32) -> [u32; 3] {
    [count.min(LIMIT), count.div_ceil(LIMIT), 1]
}

/// Workgroups on one axis: what every device of Vulkan takes.
const LIMIT: u32 = 65_535;

/// Workgroups along each axis, if every device of Vulkan takes so many.
fn taken(groups: [u32; 3]) -> Option<[u32; 3]> {
    groups.iter().all(|&count| count <= LIMIT).then_some(groups)
}

/// Those of integer products: a workgroup has a column of four rows for each of its 64 invocations.
fn columns_of_rows(rows: u32, columns: u32) -> Option<[u32; 3]> {
    taken([columns.div_ceil(64), rows.div_ceil(4), 1])
}

/// Terms of all sums of a product.
fn terms_of(sizes: [u32; 3]) -> u64 {
    sizes.into_iter().map(u64::from).fold(1, u64::saturating_mul)
}

/// WGSL with the rules and a step in front of it.
pub(crate) fn with_rules(step: &str, body: &str) -> String {
    format!("{}\n{step}\n{body}", include_str!("kernels/rules.wgsl"))
}

/// The way of a product's operands to the steps; both give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiling {
    /// Through workgroup memory.
    Shared,
    /// From their buffers: for software, which takes long to compile barriers.
    Direct,
    /// The same without tiles: for few rows, or few columns of many products, on every device.
    Thin,
}

impl Tiling {
    /// What such devices use, and are proven with.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        if kind == Kind::Processor { Self::Direct } else { Self::Shared }
    }

    /// WGSL of `main`.
    fn source(self) -> &'static str {
        match self {
            Self::Shared => include_str!("kernels/tiles_shared.wgsl"),
            Self::Direct => include_str!("kernels/tiles_direct.wgsl"),
            Self::Thin => include_str!("kernels/tiles_thin.wgsl"),
        }
    }
}

/// Products of matrices and what follows: bindings left, right, the words of [`Terms`], and result.
#[must_use]
pub fn matmul(step: Step, tiling: Tiling) -> String {
    matmul_with(step.source(), tiling)
}

/// Convolutions: the same, where the left operand is images.
#[must_use]
pub fn convolution(step: Step, tiling: Tiling) -> String {
    convolution_with(step.source(), tiling)
}

/// Products of matrices with any step.
pub(crate) fn matmul_with(step: &str, tiling: Tiling) -> String {
    products(step, include_str!("kernels/left_matrix.wgsl"), tiling)
}

/// Convolutions with any step.
pub(crate) fn convolution_with(step: &str, tiling: Tiling) -> String {
    products(step, include_str!("kernels/left_patches.wgsl"), tiling)
}

fn products(step: &str, left: &str, tiling: Tiling) -> String {
    with_rules(step, &format!("{}{left}{}", include_str!("kernels/matmul.wgsl"), tiling.source()))
}

/// Programs of element-wise operations: bindings left, right, the words of a [`Program`], and result.
#[must_use]
pub fn program(step: Step) -> String {
    program_with(step.source())
}

/// The same with any step.
pub(crate) fn program_with(step: &str) -> String {
    with_rules(step, &format!("{}{}", functions::primitives(true), include_str!("kernels/program.wgsl")))
}

/// Rows that are reduced: bindings data, the words of [`Rows`], and result.
#[must_use]
pub fn rows(step: Step) -> String {
    rows_with(step.source())
}

/// The same with any step.
pub(crate) fn rows_with(step: &str) -> String {
    let functions = functions::bare(&[("exp_of", Unary::Exp), ("log_of", Unary::Log)]);
    with_rules(step, &format!("{}{functions}{}", functions::primitives(false), include_str!("kernels/rows.wgsl")))
}

/// Axes that become one number: bindings data, the words of [`Reduced`], and result.
#[must_use]
pub fn reduce(step: Step) -> String {
    reduce_with(step.source())
}

/// The same with any step.
pub(crate) fn reduce_with(step: &str) -> String {
    with_rules(step, &format!("{}{}", functions::primitives(false), include_str!("kernels/reduce.wgsl")))
}

/// Windows that slide over images: bindings data, the words of [`Pools`], and result.
#[must_use]
pub fn pools() -> String {
    with_rules("", &format!("{}{}", functions::primitives(false), include_str!("kernels/pools.wgsl")))
}

/// Rows that are rounded to bytes: bindings data, the words of [`Blocks::rounding`], and result.
#[must_use]
pub fn rounded() -> String {
    with_rules("", &format!("{}{}", functions::primitives(false), include_str!("kernels/rounded.wgsl")))
}

/// Rounded rows by weights in blocks: bindings left, right, the words of [`Blocks::terms`], and result.
#[must_use]
pub fn blocks(step: Step) -> String {
    blocks_with(step.source())
}

/// The same with any step.
pub(crate) fn blocks_with(step: &str) -> String {
    with_rules(step, include_str!("kernels/blocks.wgsl"))
}

/// Rows of bytes by a matrix of bytes: bindings left, right, the words of [`Integers`], and result.
#[must_use]
pub fn integers() -> String {
    with_rules("", include_str!("kernels/integers.wgsl"))
}

/// Numbers that become bytes: bindings data, the words of [`Quantised`], and result.
#[must_use]
pub fn quantised() -> String {
    with_rules("", &format!("{}{}", functions::primitives(false), include_str!("kernels/quantised.wgsl")))
}

/// An element-wise operation of one or two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a · b
    Mul,
    /// The greater by integer keys.
    Max,
    /// The lesser by integer keys.
    Min,
    /// a, as any operation stores it.
    Identity,
    /// -a
    Neg,
    /// |a|
    Abs,
    /// max(a, 0)
    Relu,
}

/// The operation as a kernel: bindings left, right (ignored by those of one operand) and result; 64 elements a group.
#[must_use]
pub fn elementwise(operation: Operation) -> String {
    let formula = match operation {
        Operation::Add => "a + b",
        Operation::Sub => "a - b",
        Operation::Mul => "a * b",
        Operation::Max => "greater(a, b)",
        Operation::Min => "lesser(a, b)",
        Operation::Identity => "a",
        Operation::Neg => "bitcast<f32>(bitcast<u32>(a) ^ 0x80000000u)",
        Operation::Abs => "bitcast<f32>(size(a))",
        Operation::Relu => "greater(a, 0.0)",
    };
    let body = include_str!("kernels/elementwise.wgsl");
    with_rules("", &format!("{body}\nfn operation(a: f32, b: f32) -> f32 {{\n    return {formula};\n}}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spirv::Shader;

    #[test]
    fn every_kernel_is_valid() {
        for step in Step::ALL {
            let tiled =
                [Tiling::Shared, Tiling::Direct].map(|tiling| [matmul(step, tiling), convolution(step, tiling)]);
            let others =
                [program(step), rows(step), reduce(step), pools(), rounded(), blocks(step), integers(), quantised()];
            for source in tiled.as_flattened().iter().chain(&others) {
                let shader = Shader::new(source, FloatControls::default());
                assert!(shader.is_ok(), "{:?} in\n{source}", shader.err());
            }
        }
    }

    #[test]
    fn a_step_is_offered_where_the_device_has_what_it_asks_for() {
        for (fused, expected) in
            [(true, &[Step::Khr, Step::Fma, Step::Emulated][..]), (false, &[Step::Fma, Step::Emulated])]
        {
            let features = Features { nearest_even: true, special_values: false, integer_dot: false, fused };
            let offered: Vec<_> = Step::ALL.into_iter().filter(|step| step.is_offered(features)).collect();
            assert_eq!(offered, expected);
            for step in offered {
                let controls = FloatControls { nearest_even: true, special_values: false, fused: step == Step::Khr };
                assert_eq!(step.controls(features), controls);
            }
        }
    }
}
