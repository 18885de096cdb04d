// The primitives of numerics' functions, to the bit: what a formula's lines call. Floats are chosen and made by their
// bits, so that no driver's view of subnormals or NaN can show, and constants are no literals, which drivers gather.

fn literal(bits: u32) -> f32 {
    return bitcast<f32>(bits);
}

fn choose(condition: bool, yes: f32, no: f32) -> f32 {
    return bitcast<f32>(select(bitcast<u32>(no), bitcast<u32>(yes), condition));
}

fn flushed(x: f32) -> f32 {
    return element(bitcast<u32>(x));
}

fn operand_of(x: f32) -> f32 {
    return operand(bitcast<u32>(x));
}

fn one_nan(x: f32) -> f32 {
    return bitcast<f32>(canonical(x));
}

fn magnitude(x: f32) -> f32 {
    return bitcast<f32>(size(x));
}

fn negated(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ 0x80000000u);
}

// x has no sign.
fn with_sign_of(x: f32, other: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) | (bitcast<u32>(other) & 0x80000000u));
}

fn at_least(x: f32, low: f32) -> f32 {
    return choose(x < low, low, x);
}

fn at_most(x: f32, high: f32) -> f32 {
    return choose(x > high, high, x);
}

// From 2^23 on there are only integers; and what is not finite stays.
fn is_whole(x: f32) -> bool {
    return size(x) >= 0x4b000000u;
}

fn floored(x: f32) -> f32 {
    return choose(is_whole(x), x, floor(x));
}

fn ceiled(x: f32) -> f32 {
    return choose(is_whole(x), x, ceil(x));
}

fn rounded(x: f32) -> f32 {
    return choose(is_whole(x), x, round(x));
}

fn truncated(x: f32) -> f32 {
    return choose(is_whole(x), x, trunc(x));
}

// x times 2^n, where power is n + 1.5 * 2^23. Half of it is normal; doubling is exact, or infinite as it should be.
fn times_power(x: f32, power: f32) -> f32 {
    let n = bitcast<i32>(power) - 0x4b400000;
    let half = x * bitcast<f32>((n + 126) << 23u);
    return half + half;
}

const SQRT_HALF = 0x3f3504f3;

fn exponent_bits(x: f32) -> i32 {
    return (bitcast<i32>(x) - SQRT_HALF) >> 23u;
}

// In [sqrt(1/2), sqrt(2)).
fn mantissa(x: f32) -> f32 {
    return bitcast<f32>(bitcast<i32>(x) - (exponent_bits(x) << 23u));
}

fn exponent(x: f32) -> f32 {
    return f32(exponent_bits(x));
}

// A number without its digits below 2^-126: no sum of a chain has any.
fn addend(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let power = (bits >> 23u) & 0xffu;
    let digits_below = 24u - min(power, 24u);
    return bitcast<f32>(select(bits >> digits_below << digits_below, 0u, power == 0u));
}
