// result = what follows (left · right): every element one chain of steps over k in order, from +0; then scale, bias,
// residual and bounds, each as the element-wise operation of its own would. A workgroup computes a tile of 16 × 16.
// `left_at` is written behind this. Tiles pass through workgroup memory; a term behind the matrices' end is 0 · 0, which changes no sum.

@group(0) @binding(0) var<storage, read> left: array<u32>;
@group(0) @binding(1) var<storage, read> right: array<u32>;
@group(0) @binding(2) var<storage, read> terms: array<u32>; // see Terms in product.rs
@group(0) @binding(3) var<storage, read_write> result: array<u32>;

const STARTS = 16u;
const HAS_SCALE = 1u;
const HAS_BIAS = 2u;
const HAS_RESIDUAL = 4u;
const HAS_BOUNDS = 8u;

const TILE = 16u;
var<workgroup> left_tile: array<f32, 256>;
var<workgroup> right_tile: array<f32, 256>;

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

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) place: vec3<u32>) {
    let p = product(group.z);
    let row = group.y * TILE + place.y;
    let column = group.x * TILE + place.x;
    let mine = place.y * TILE + place.x;
    let across = place.y * TILE;
    var sum = 0.0;
    for (var base = 0u; base < p.depth; base += TILE) {
        left_tile[mine] = left_at(p, row, base + place.x);
        right_tile[mine] = right_at(p, base + place.y, column);
        workgroupBarrier();
        for (var i = 0u; i < TILE; i += 4u) {
            let down = i * TILE + place.x;
            sum = step(left_tile[across + i], right_tile[down], sum);
            sum = step(left_tile[across + i + 1u], right_tile[down + TILE], sum);
            sum = step(left_tile[across + i + 2u], right_tile[down + 2u * TILE], sum);
            sum = step(left_tile[across + i + 3u], right_tile[down + 3u * TILE], sum);
        }
        workgroupBarrier();
    }
    if row >= p.rows || column >= p.columns {
        return;
    }
    if !STEP_IS_TOTAL && size(sum) >= INFINITY {
        sum = checked_chain(p, row, column);
    }
    let at = (group.z * p.rows + row) * p.columns + column;
    result[at] = followed(canonical(sum), column, at);
}
