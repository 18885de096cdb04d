// result = what follows (left · right): every element one chain of steps over k in order, from +0; then scale, bias,
// residual and bounds, each as the element-wise operation of its own would. A workgroup computes a tile of 64 × 64.
// `left_at` and `main` are written behind this. A term behind the matrices' end is 0 · 0, which changes no sum.

@group(0) @binding(0) var<storage, read> left: array<u32>;
@group(0) @binding(1) var<storage, read> right: array<u32>;
@group(0) @binding(2) var<storage, read> terms: array<u32>; // see Terms in product.rs
@group(0) @binding(3) var<storage, read_write> result: array<u32>;

const STARTS = 16u;
const HAS_SCALE = 1u;
const HAS_BIAS = 2u;
const HAS_RESIDUAL = 4u;
const HAS_BOUNDS = 8u;

// A workgroup's results, rows and columns; each invocation has four by four of them in registers.
const TILE = 64u;

struct Product {
    rows: u32,
    depth: u32,
    columns: u32,
    left_start: u32,
    left_row: u32,
    left_column: u32,
    right_start: u32,
    right_row: u32,
    right_column: u32,
}

fn product(index: u32) -> Product {
    let starts = STARTS + 2u * index;
    return Product(
        terms[0], terms[1], terms[2],
        terms[starts], terms[3], terms[4],
        terms[starts + 1u], terms[5], terms[6],
    );
}

fn right_at(p: Product, i: u32, column: u32) -> f32 {
    if i < p.depth && column < p.columns {
        return operand(right[p.right_start + i * p.right_row + column * p.right_column]);
    }
    return 0.0;
}

fn checked_chain(p: Product, row: u32, column: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < p.depth; i++) {
        sum = checked_step(left_at(p, row, i), right_at(p, i, column), sum);
    }
    return sum;
}

// What follows a chain that ended with these bits, at a column and at a place of the result.
fn followed(chain: u32, column: u32, place: u32) -> u32 {
    let flags = terms[7];
    var bits = chain;
    if (flags & HAS_SCALE) != 0u {
        bits = stored(element(bits) * element(terms[8]));
    }
    if (flags & HAS_BIAS) != 0u {
        bits = stored(element(bits) + element(terms[terms[9] + column]));
    }
    if (flags & HAS_RESIDUAL) != 0u {
        bits = stored(element(bits) + element(result[place]));
    }
    if (flags & HAS_BOUNDS) != 0u {
        bits = stored(lesser(greater(element(bits), bitcast<f32>(terms[11])), bitcast<f32>(terms[12])));
    }
    return bits;
}

fn step_row(a: f32, b: vec4<f32>, c: vec4<f32>) -> vec4<f32> {
    return vec4(step(a, b.x, c.x), step(a, b.y, c.y), step(a, b.z, c.z), step(a, b.w, c.w));
}

// Stores a result whose chain ended with this sum.
fn store(p: Product, index: u32, row: u32, column: u32, sum: f32) {
    if row >= p.rows || column >= p.columns {
        return;
    }
    var chain = sum;
    if !STEP_IS_TOTAL && size(sum) >= INFINITY {
        chain = checked_chain(p, row, column);
    }
    let at = index * terms[10] + row * terms[14] + column;
    result[at] = followed(canonical(chain), index * terms[15] + column, at);
}
