// Operations of poai-compute on words that are no functions of numerics: each does what its name does in
// runtime/compute/src/arithmetic.

fn AbsInteger(a: u32) -> u32 {
    return select(a, 0u - a, a >= 0x80000000u);
}

fn SignInteger(a: u32) -> u32 {
    return select(select(1u, 0u, a == 0u), 0xffffffffu, a >= 0x80000000u);
}

fn CountOneBits(a: u32) -> u32 {
    return countOneBits(a);
}

fn ReverseBits(a: u32) -> u32 {
    return reverseBits(a);
}

// The place of the highest bit, by halves.
fn FirstLeadingBit(a: u32) -> u32 {
    var rest = a;
    var place = 0u;
    for (var half = 16u; half > 0u; half = half >> 1u) {
        let is_above = (rest >> half) != 0u;
        place += select(0u, half, is_above);
        rest = select(rest, rest >> half, is_above);
    }
    return select(place, 0xffffffffu, a == 0u);
}

fn FirstLeadingBitSigned(a: u32) -> u32 {
    return FirstLeadingBit(select(a, ~a, a >= 0x80000000u));
}

fn FirstTrailingBit(a: u32) -> u32 {
    return FirstLeadingBit(a & (0u - a));
}

fn CountLeadingZeros(a: u32) -> u32 {
    return 31u - FirstLeadingBit(a);
}

fn CountTrailingZeros(a: u32) -> u32 {
    return select(FirstTrailingBit(a), 32u, a == 0u);
}

// By zero a number stays; the only quotient that overflows wraps back to the number: as by one.
fn divisor(a: u32, b: u32) -> u32 {
    return select(b, 1u, b == 0u || (a == 0x80000000u && b == 0xffffffffu));
}

fn DivideSigned(a: u32, b: u32) -> u32 {
    return bitcast<u32>(bitcast<i32>(a) / bitcast<i32>(divisor(a, b)));
}

// Not by a remainder's instruction, which Vulkan leaves open for negative numbers.
fn RemainderSigned(a: u32, b: u32) -> u32 {
    return a - DivideSigned(a, b) * divisor(a, b);
}

fn DivideUnsigned(a: u32, b: u32) -> u32 {
    return a / select(b, 1u, b == 0u);
}

fn RemainderUnsigned(a: u32, b: u32) -> u32 {
    return select(a % select(b, 1u, b == 0u), 0u, b == 0u);
}

fn signed_byte(word: u32, place: u32) -> i32 {
    return bitcast<i32>(word << (24u - place)) >> 24u;
}

fn DotSignedBytes(a: u32, b: u32) -> u32 {
    var sum = 0;
    for (var place = 0u; place < 32u; place += 8u) {
        sum += signed_byte(a, place) * signed_byte(b, place);
    }
    return bitcast<u32>(sum);
}

fn DotUnsignedBytes(a: u32, b: u32) -> u32 {
    var sum = 0u;
    for (var place = 0u; place < 32u; place += 8u) {
        sum += ((a >> place) & 0xffu) * ((b >> place) & 0xffu);
    }
    return sum;
}

// What counts as zero becomes it.
fn flushed_bits(a: u32) -> u32 {
    return select(a, 0u, (a & 0x7fffffffu) < ELEMENT_FLOOR);
}

fn is_nan(a: u32) -> bool {
    return (a & 0x7fffffffu) > INFINITY;
}

// Bits in the order of the numbers that they are.
fn ordered_bits(a: u32) -> i32 {
    let bits = bitcast<i32>(flushed_bits(a));
    return bits ^ ((bits >> 31u) & 0x7fffffff);
}

fn Equal(a: u32, b: u32) -> u32 {
    return select(0u, 1u, flushed_bits(a) == flushed_bits(b) && !is_nan(a));
}

fn Unequal(a: u32, b: u32) -> u32 {
    return 1u - Equal(a, b);
}

fn Less(a: u32, b: u32) -> u32 {
    return select(0u, 1u, ordered_bits(a) < ordered_bits(b) && !is_nan(a) && !is_nan(b));
}

fn LessOrEqual(a: u32, b: u32) -> u32 {
    return select(0u, 1u, ordered_bits(a) <= ordered_bits(b) && !is_nan(a) && !is_nan(b));
}

// Halves are exact, and their sum is rounded once, to even: not every driver's conversion is.
fn UnsignedToFloat(a: u32) -> u32 {
    return bitcast<u32>(f32(a >> 16u) * 65536.0 + f32(a & 0xffffu));
}

fn SignedToFloat(a: u32) -> u32 {
    return UnsignedToFloat(AbsInteger(a)) | (a & 0x80000000u);
}

// The whole part of |x| below 2^32.
fn whole_part(a: u32) -> u32 {
    let exponent = (a >> 23u) & 0xffu;
    let digits = (a & 0x7fffffu) | 0x800000u;
    if exponent < 127u {
        return 0u;
    }
    if exponent >= 150u {
        return digits << ((exponent - 150u) & 31u);
    }
    return digits >> (150u - exponent);
}

fn FloatToSigned(a: u32) -> u32 {
    let is_negative = a >= 0x80000000u;
    if is_nan(a) {
        return 0u;
    }
    if (a & 0x7fffffffu) >= 0x4f000000u { // 2^31
        return select(0x7fffff80u, 0x80000000u, is_negative);
    }
    let whole = whole_part(a);
    return select(whole, 0u - whole, is_negative);
}

fn FloatToUnsigned(a: u32) -> u32 {
    if is_nan(a) || a >= 0x80000000u {
        return 0u;
    }
    if a >= 0x4f800000u { // 2^32
        return 0xffffff00u;
    }
    return whole_part(a);
}

fn FloatToBool(a: u32) -> u32 {
    return select(0u, 1u, (a & 0x7fffffffu) >= ELEMENT_FLOOR);
}
