// The fused step by GLSL's fma, where the proof has shown that this device rounds it once, or by the instruction that
// the SPIR-V has in its place, where the device has that.

const STEP_IS_TOTAL = true;

fn step(a: f32, b: f32, c: f32) -> f32 {
    return fma(a, b, c);
}

fn checked_step(a: f32, b: f32, c: f32) -> f32 {
    return fma(a, b, c);
}
