use sha2::{Digest, Sha256};

use super::AcceleratorError;
use crate::device::Description;
use crate::kernels::{self, Tiling};
use crate::proof::Verdict;
use crate::spirv::Shader;

/// The shaders of all kernels that models need, for one device.
pub struct Shaders {
    pub(super) product: Shader,
    pub(super) convolution: Shader,
    pub(super) thin_product: Shader,
    pub(super) thin_convolution: Shader,
    pub(super) program: Shader,
    pub(super) rows: Shader,
    pub(super) reduce: Shader,
    pub(super) pools: Shader,
    pub(super) rounded: Shader,
    pub(super) blocks: Shader,
    pub(super) integers: Shader,
    pub(super) quantised: Shader,
}

impl Shaders {
    /// Translates the kernels, with the fused step that the proof has found exact.
    ///
    /// # Errors
    /// [`AcceleratorError::Unproven`] for the verdict on a device that serves nothing.
    pub fn new(device: &Description, verdict: &Verdict) -> Result<Self, AcceleratorError> {
        let step = verdict.step.ok_or(AcceleratorError::Unproven)?;
        let (controls, tiling) = (step.controls(device.features), Tiling::of(device.kind));
        let shader = |source: String| Shader::new(&source, controls).expect("our own shaders are valid");
        Ok(Self {
            product: shader(kernels::matmul(step, tiling)),
            convolution: shader(kernels::convolution(step, tiling)),
            thin_product: shader(kernels::matmul(step, Tiling::Thin)),
            thin_convolution: shader(kernels::convolution(step, Tiling::Thin)),
            program: shader(kernels::program(step)),
            rows: shader(kernels::rows(step)),
            reduce: shader(kernels::reduce(step)),
            pools: shader(kernels::pools()),
            rounded: shader(kernels::rounded()),
            blocks: shader(kernels::blocks(step)),
            integers: shader(kernels::integers()),
            quantised: shader(kernels::quantised()),
        })
    }

    /// The SHA-256 of their words.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let products = [&self.product, &self.convolution, &self.thin_product, &self.thin_convolution];
        let floats = [&self.program, &self.rows, &self.reduce, &self.pools];
        let integers = [&self.rounded, &self.blocks, &self.integers, &self.quantised];
        let mut hash = Sha256::new();
        for shader in [products, floats, integers].as_flattened() {
            hash.update((shader.words().len() as u64).to_le_bytes());
            hash.update(bytemuck::cast_slice(shader.words()));
        }
        hash.finalize().into()
    }
}
