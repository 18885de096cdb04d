// Quotients, roots and remainders in integers, exact on every device: Vulkan lets a device's own be off by 2.5 units.
// What is subnormal counts as zero: functions read and store nothing so small.

const IMPLICIT = 0x00800000u;

// The 24 digits of a number.
fn digits(bits: u32) -> u32 {
    return (bits & 0x007fffffu) | IMPLICIT;
}

// A number of 25 digits and whether any follow, with the biased exponent of the first, rounded to the nearest, ties to
// even. Exponents below 1 give zero, above 254 infinity.
fn nearest(long: u32, more: bool, exponent: i32) -> u32 {
    let kept = long >> 1u;
    let up = (long & 1u) & (select(0u, 1u, more) | (kept & 1u));
    let bits = (bitcast<u32>(exponent) << 23u) + (kept - IMPLICIT) + up;
    return select(select(bits, INFINITY, exponent > 254), 0u, exponent < 1);
}

fn quotient(a: f32, b: f32) -> f32 {
    let above = size(a);
    let below = size(b);
    let divisor = digits(below);
    let dividend = digits(above);
    let less = dividend < divisor;
    // The first digit is 1; eight at a time follow.
    let rest_0 = (dividend << select(0u, 1u, less)) - divisor;
    let next_1 = (rest_0 << 8u) / divisor;
    let rest_1 = (rest_0 << 8u) - next_1 * divisor;
    let next_2 = (rest_1 << 8u) / divisor;
    let rest_2 = (rest_1 << 8u) - next_2 * divisor;
    let next_3 = (rest_2 << 8u) / divisor;
    let rest_3 = (rest_2 << 8u) - next_3 * divisor;
    let long = (1u << 24u) | (next_1 << 16u) | (next_2 << 8u) | next_3;
    let exponent = bitcast<i32>(above >> 23u) - bitcast<i32>(below >> 23u) + select(127i, 126i, less);
    var bits = nearest(long, rest_3 != 0u, exponent);
    let none_above = above < IMPLICIT;
    let none_below = below < IMPLICIT;
    bits = select(bits, INFINITY, above == INFINITY || none_below);
    bits = select(bits, 0u, none_above || below == INFINITY);
    let no_number = unordered(a, b) || (none_above && none_below) || (above == INFINITY && below == INFINITY);
    let sign = (bitcast<u32>(a) ^ bitcast<u32>(b)) & 0x80000000u;
    return bitcast<f32>(select(bits | sign, NOT_A_NUMBER, no_number));
}

// Digit by digit, as by hand: the rest stays below 2^28.
fn root(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let power = bitcast<i32>(size(x) >> 23u) - 127;
    let odd = bitcast<u32>(power) & 1u;
    var square = digits(bits) << (7u + odd);
    var found = 0u;
    var rest = 0u;
    for (var i = 0u; i < 25u; i++) {
        rest = (rest << 2u) | (square >> 30u);
        square <<= 2u;
        let trial = (found << 2u) | 1u;
        let fits = rest >= trial;
        rest -= select(0u, trial, fits);
        found = (found << 1u) | select(0u, 1u, fits);
    }
    var result = nearest(found, rest != 0u, ((power - bitcast<i32>(odd)) >> 1u) + 127);
    result = select(result, bits, bits == INFINITY);
    result = select(result, NOT_A_NUMBER, bits > INFINITY);
    return bitcast<f32>(select(result, 0u, size(x) < IMPLICIT));
}

// C's fmod: the digits of a, eight at a time, modulo those of b.
fn remainder(a: f32, b: f32) -> f32 {
    let above = size(a);
    let below = size(b);
    if unordered(a, b) || above == INFINITY || below < IMPLICIT {
        return literal(NOT_A_NUMBER);
    }
    if above < below {
        return a;
    }
    let divisor = digits(below);
    var rest = digits(above) % divisor;
    var left = (above >> 23u) - (below >> 23u);
    while left > 0u {
        let count = select(8u, left, left < 8u);
        rest = (rest << count) % divisor;
        left -= count;
    }
    let shift = countLeadingZeros(rest) - 8u;
    let power = bitcast<i32>(below >> 23u) - bitcast<i32>(shift);
    let bits = ((rest << (shift & 31u)) & 0x007fffffu) | (bitcast<u32>(power) << 23u);
    return with_sign_of(bitcast<f32>(select(bits, 0u, rest == 0u || power < 1)), a);
}
