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

fn checked_step(a: f32, b: f32, c: f32) -> f32 {
    let product = a * b;
    let large = 0x7e800000u; // 2^126
    if size(product) < large && size(c) < large {
        let sum = step(a, b, c);
        // Additions give the sign of a zero.
        return bitcast<f32>(select(bitcast<u32>(sum), bitcast<u32>(product + c), size(sum) == 0u));
    }
    if size(a) >= INFINITY || size(b) >= INFINITY {
        return product + c;
    }
    if size(c) >= INFINITY {
        return c;
    }
    return scaled_step(a, b, c);
}

// With the larger operand and c made smaller by 2^8.
fn scaled_step(a: f32, b: f32, c: f32) -> f32 {
    let scale = 0.00390625;
    let first = size(a) >= size(b);
    let x = bitcast<f32>(select(bitcast<u32>(a), bitcast<u32>(a * scale), first));
    let y = bitcast<f32>(select(bitcast<u32>(b * scale), bitcast<u32>(b), first));
    // Of a small c only its sign and that it is there count: ±2^52.
    let sign = bitcast<u32>(c) & 0x80000000u;
    let small = size(c) != 0u && size(c) < 0x5d800000u; // 2^60
    let z = bitcast<f32>(select(bitcast<u32>(c * scale), sign | 0x59800000u, small));
    let product = x * y;
    if size(product) < 0x59800000u { // 2^52
        return c;
    }
    if size(product) >= 0x7d000000u { // 2^123
        return bitcast<f32>((bitcast<u32>(product) & 0x80000000u) | INFINITY);
    }
    return step(x, y, z) * 256.0;
}
