// Sine, cosine and tangent for every finite number. Numerics' 64-bit integers are pairs of words here; `TURN`, the bits of
// 2/pi, and the series `angle`, `near_sine` and `near_cosine` are written in front of this.

// The upper word of a product.
fn upper_product(a: u32, b: u32) -> u32 {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return a1 * b1 + (middle >> 16u) + (other >> 16u);
}

// 32 bits of 2/pi, from the bit `first` on.
fn turn_bits(first: u32) -> u32 {
    var turn = TURN;
    let word = first >> 5u;
    let shift = first & 31u;
    let behind = select(0u, turn[word + 1u] >> ((32u - shift) & 31u), shift != 0u);
    return (turn[word] << shift) | behind;
}

// The signed number of two words, times 2^-62, rounded once.
fn fraction_of(high: u32, low: u32) -> f32 {
    let negative = (high & 0x80000000u) != 0u;
    let least = select(low, ~low + 1u, negative);
    let most = select(high, ~high + select(0u, 1u, low == 0u), negative);
    let short = most == 0u;
    let shift = countLeadingZeros(select(most, least, short));
    let first = select(most, least, short) << (shift & 31u);
    let second = select(least, 0u, short);
    let top = first | select(0u, second >> ((32u - shift) & 31u), shift != 0u);
    let more = (second << (shift & 31u)) != 0u || (top & 0x7fu) != 0u;
    let zeros = shift + select(0u, 32u, short);
    let bits = nearest(top >> 7u, more, 128 - bitcast<i32>(zeros));
    let sign = high & 0x80000000u;
    return bitcast<f32>(select(bits | sign, 0u, (most | least) == 0u));
}

struct Quadrant {
    // |x| less its nearest multiple of a quarter turn.
    rest: f32,
    // Which multiple, modulo 4.
    quarter: u32,
}

fn quadrant(x: f32) -> Quadrant {
    let bits = size(x);
    if bits <= 0x3f490fdau {
        return Quadrant(bitcast<f32>(bits), 0u);
    }
    let bounded = min(bits, 0x7f7fffffu);
    let mantissa = digits(bounded);
    let first = (bounded >> 23u) - 120u;
    let second = mantissa * turn_bits(first + 32u);
    let low = upper_product(mantissa, turn_bits(first + 64u)) + second;
    let carry = select(0u, 1u, low < second);
    let high = upper_product(mantissa, turn_bits(first + 32u)) + mantissa * turn_bits(first) + carry;
    let nearest_quarter = (high + 0x20000000u) >> 30u;
    return Quadrant(angle(fraction_of(high - (nearest_quarter << 30u), low)), nearest_quarter);
}

fn sine_from(rest: f32, quarter: u32) -> f32 {
    let value = choose((quarter & 1u) == 0u, near_sine(rest), near_cosine(rest));
    return bitcast<f32>(bitcast<u32>(value) ^ ((quarter & 2u) << 30u));
}

fn of_finite(x: f32, value: f32) -> f32 {
    return bitcast<f32>(select(bitcast<u32>(value), NOT_A_NUMBER, size(x) >= INFINITY));
}

fn turned_by_sign(value: f32, x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(value) ^ (bitcast<u32>(x) & 0x80000000u));
}

fn sine(x: f32) -> f32 {
    let at = quadrant(x);
    return of_finite(x, turned_by_sign(sine_from(at.rest, at.quarter), x));
}

fn cosine(x: f32) -> f32 {
    let at = quadrant(x);
    return of_finite(x, sine_from(at.rest, at.quarter + 1u));
}

fn tangent(x: f32) -> f32 {
    let at = quadrant(x);
    let value = quotient(sine_from(at.rest, at.quarter), sine_from(at.rest, at.quarter + 1u));
    return of_finite(x, turned_by_sign(value, x));
}
