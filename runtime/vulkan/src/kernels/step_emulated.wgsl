// The fused step from additions and multiplications, exact on every device that rounds those to nearest.
// Operands are +0 or at least 2^-40, so that products and partial sums are multiples of 2^-126: no error term is
// subnormal.

// A sum that leaves the range of f32 on the way becomes infinite or NaN, and has to be made again by checked_step.
const STEP_IS_TOTAL = false;

fn upper(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
}

// The error of s = a + b.
fn lost(a: f32, b: f32, s: f32) -> f32 {
    let shadow = s - a;
    return (a - (s - shadow)) + (b - shadow);
}

fn step(a: f32, b: f32, c: f32) -> f32 {
    // a * b = product + error, exactly: halves of 12 bits have exact products.
    let product = a * b;
    let ah = upper(a);
    let al = a - ah;
    let bh = upper(b);
    let bl = b - bh;
    let error = (((ah * bh - product) + ah * bl) + al * bh) + al * bl;
    // product + error + c = sum + tail + rest, exactly.
    let sum = product + c;
    let carried = lost(product, c, sum);
    let tail = carried + error;
    let rest = lost(carried, error, tail);
    // Rounded to odd, the tail keeps what the last addition needs to round once.
    let bits = bitcast<u32>(tail);
    let odd = (bits - ((bits ^ bitcast<u32>(rest)) >> 31u)) | 1u;
    return sum + bitcast<f32>(select(odd, bits, size(rest) == 0u));
}

// The same wherever the operands lie: what could leave the range on the way, at either end, is scaled by powers of 2.
// Exact where operands and result are zero or at least 2^-100, and for what chains read.
fn checked_step(a: f32, b: f32, c: f32) -> f32 {
    let tiny = size(a * b) < 0x21800000u && size(c) < 0x30800000u; // 2^-60, 2^-30
    let huge = size(a * b) >= 0x7e800000u || size(c) >= 0x7e800000u; // 2^126
    let factor = bitcast<f32>(select(select(0x3f800000u, 0x5f800000u, tiny), 0x3b800000u, huge)); // 1, 2^64, 2^-8
    let inverse = bitcast<f32>(select(select(0x3f800000u, 0x1f800000u, tiny), 0x43800000u, huge));
    // The larger operand is made smaller, or the smaller one larger.
    let first = (size(a) >= size(b)) == huge;
    let x = a * bitcast<f32>(select(0x3f800000u, bitcast<u32>(factor), first));
    let y = b * bitcast<f32>(select(bitcast<u32>(factor), 0x3f800000u, first));
    // Beside a huge product, of a small c only its sign and that it is there count: ±2^52.
    let faint = huge && size(c) != 0u && size(c) < 0x5d800000u; // 2^60
    let sign = bitcast<u32>(c) & 0x80000000u;
    let z = bitcast<f32>(select(bitcast<u32>(c * factor), sign | 0x59800000u, faint));
    let product = x * y;
    let sum = step(x, y, z);
    // Additions give the sign of a zero.
    let exact = bitcast<f32>(select(bitcast<u32>(sum), bitcast<u32>(product + z), size(sum) == 0u)) * inverse;
    let infinite = size(a) >= INFINITY || size(b) >= INFINITY;
    var result = select(bitcast<u32>(exact), bitcast<u32>(a * b + c), size(product) >= 0x7d000000u); // 2^123
    result = select(result, bitcast<u32>(c), size(c) >= INFINITY);
    return bitcast<f32>(select(result, bitcast<u32>(a * b + c), infinite));
}
