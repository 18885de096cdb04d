// The rules of poai-numerics that every kernel keeps: what counts as zero, and what is stored.
// Comparisons are made on bits, so that no driver's treatment of subnormals or NaN can show.

const OPERAND_FLOOR = 0x2b800000u; // 2^-40
const ELEMENT_FLOOR = 0x0d800000u; // 2^-100
const INFINITY = 0x7f800000u;
const NOT_A_NUMBER = 0x7fc00000u;

// The bits of |x|.
fn size(x: f32) -> u32 {
    return bitcast<u32>(x) & 0x7fffffffu;
}

fn operand(bits: u32) -> f32 {
    return bitcast<f32>(select(bits, 0u, (bits & 0x7fffffffu) < OPERAND_FLOOR));
}

fn element(bits: u32) -> f32 {
    return bitcast<f32>(select(bits, 0u, (bits & 0x7fffffffu) < ELEMENT_FLOOR));
}

fn canonical(x: f32) -> u32 {
    return select(bitcast<u32>(x), NOT_A_NUMBER, size(x) > INFINITY);
}

fn stored(x: f32) -> u32 {
    return select(canonical(x), 0u, size(x) < ELEMENT_FLOOR);
}

// An integer that orders f32 as numbers, -0 below +0.
fn key(x: f32) -> i32 {
    let bits = bitcast<i32>(x);
    return bits ^ ((bits >> 31u) & 0x7fffffff);
}

fn unordered(a: f32, b: f32) -> bool {
    return size(a) > INFINITY || size(b) > INFINITY;
}

fn greater(a: f32, b: f32) -> f32 {
    let bits = select(bitcast<u32>(b), bitcast<u32>(a), key(a) > key(b));
    return bitcast<f32>(select(bits, NOT_A_NUMBER, unordered(a, b)));
}

fn lesser(a: f32, b: f32) -> f32 {
    let bits = select(bitcast<u32>(b), bitcast<u32>(a), key(a) < key(b));
    return bitcast<f32>(select(bits, NOT_A_NUMBER, unordered(a, b)));
}
