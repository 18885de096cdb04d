use crate::device::{Compute, DeviceError};
use crate::kernels::with_rules;
use crate::spirv::{FloatControls, Shader, ShaderError};

/// A shader, what it is given, and what it has to find.
pub(super) struct Check {
    /// The hazard that it looks for.
    pub name: &'static str,
    /// WGSL. Its bindings are the inputs, then the result.
    pub source: String,
    /// The same with the fault planted that this check must see.
    pub planted: Option<String>,
    /// What it computes with them.
    pub runs: Vec<Run>,
}

/// One dispatch of a check's shader.
pub(super) struct Run {
    /// What the first bindings hold.
    pub inputs: Vec<Vec<u32>>,
    /// What the last binding holds before, if it is not zeros.
    pub before: Option<Vec<u32>>,
    /// What the last binding must hold in the end.
    pub expected: Vec<u32>,
    /// Workgroups.
    pub groups: [u32; 3],
}

/// How a check ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    /// Why it is wrong.
    Wrong(String),
}

/// A kernel around `fn result(i: u32) -> f32`, which may read `number(j)`; its NaN is the one NaN.
const EACH: &str = "
@group(0) @binding(0) var<storage, read> given: array<u32>;
@group(0) @binding(1) var<storage, read_write> found: array<u32>;

fn number(i: u32) -> f32 {
    return bitcast<f32>(given[i]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&found) {
        found[id.x] = canonical(result(id.x));
    }
}
";

impl Check {
    /// A check of a function of the index, over `given` numbers.
    pub(super) fn each(name: &'static str, step: &str, result: &str, given: Vec<u32>, expected: Vec<u32>) -> Self {
        let groups = u32::try_from(expected.len().div_ceil(64)).expect("checks are small");
        let run = Run { inputs: vec![given], before: None, expected, groups: [groups, 1, 1] };
        Self { name, source: each(step, result), planted: None, runs: vec![run] }
    }

    /// A shader of such a function, behind what it calls.
    pub(super) fn each_of(called: &str, result: &str) -> String {
        format!("{called}{EACH}{result}")
    }

    /// The same check, which must see that `result` with `step` is wrong.
    pub(super) fn planted(self, step: &str, result: &str) -> Self {
        Self { planted: Some(each(step, result)), ..self }
    }

    pub(super) fn run<D: Compute>(&self, device: &D, controls: FloatControls) -> Result<Outcome, DeviceError> {
        self.run_shader(device, Shader::new(&self.source, controls))
    }

    /// None where no fault can be planted.
    pub(super) fn run_planted<D: Compute>(
        &self,
        device: &D,
        controls: FloatControls,
    ) -> Result<Option<Outcome>, DeviceError> {
        self.planted.as_ref().map(|source| self.run_shader(device, Shader::new(source, controls))).transpose()
    }

    pub(super) fn run_undecorated<D: Compute>(
        &self,
        device: &D,
        controls: FloatControls,
    ) -> Result<Outcome, DeviceError> {
        self.run_shader(device, Shader::undecorated(&self.source, controls))
    }

    fn run_shader<D: Compute>(&self, device: &D, shader: Result<Shader, ShaderError>) -> Result<Outcome, DeviceError> {
        let kernel = match device.kernel(&shader.expect("our own shaders are valid")) {
            Err(DeviceError::Refused(reason)) => return Ok(Outcome::Wrong(format!("its shader is refused: {reason}"))),
            kernel => kernel?,
        };
        for run in &self.runs {
            match run.outcome(device, &kernel)? {
                Outcome::Right => {}
                wrong => return Ok(wrong),
            }
        }
        Ok(Outcome::Right)
    }
}

impl Run {
    fn outcome<D: Compute>(&self, device: &D, kernel: &D::Kernel) -> Result<Outcome, DeviceError> {
        let mut buffers = self.inputs.iter().map(|input| device.filled(input)).collect::<Result<Vec<_>, _>>()?;
        buffers.push(match &self.before {
            Some(words) => device.filled(words)?,
            None => device.buffer(self.expected.len())?,
        });
        device.run(kernel, &buffers.iter().collect::<Vec<_>>(), self.groups)?;
        let found = device.read(buffers.last().expect("the result was pushed"))?;
        Ok(self.compare(&found))
    }

    fn compare(&self, found: &[u32]) -> Outcome {
        let differing = || found.iter().zip(&self.expected).enumerate().filter(|(_, (found, due))| found != due);
        match differing().next() {
            None => Outcome::Right,
            Some((case, (found, due))) => Outcome::Wrong(format!(
                "{} of {} cases differ; case {case} gives {found:08x} where {due:08x} is due",
                differing().count(),
                self.expected.len(),
            )),
        }
    }
}

fn each(step: &str, result: &str) -> String {
    Check::each_of(&with_rules(step, ""), result)
}
