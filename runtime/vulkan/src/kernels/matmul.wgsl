// result[m, n] = left[m, k] · right[k, n]: every element one chain of steps over k in order, from +0.
// Tiles of 16 × 16 pass through workgroup memory; a term behind the matrices' end is 0 · 0, which changes no sum.

@group(0) @binding(0) var<storage, read> left: array<u32>;
@group(0) @binding(1) var<storage, read> right: array<u32>;
@group(0) @binding(2) var<storage, read> shape: array<u32>; // m, k, n
@group(0) @binding(3) var<storage, read_write> result: array<u32>;

const TILE = 16u;
var<workgroup> left_tile: array<f32, 256>;
var<workgroup> right_tile: array<f32, 256>;

fn left_at(row: u32, i: u32) -> f32 {
    if row < shape[0] && i < shape[1] {
        return operand(left[row * shape[1] + i]);
    }
    return 0.0;
}

fn right_at(i: u32, column: u32) -> f32 {
    if i < shape[1] && column < shape[2] {
        return operand(right[i * shape[2] + column]);
    }
    return 0.0;
}

fn checked_chain(row: u32, column: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < shape[1]; i++) {
        sum = checked_step(left_at(row, i), right_at(i, column), sum);
    }
    return sum;
}

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) place: vec3<u32>) {
    let row = group.y * TILE + place.y;
    let column = group.x * TILE + place.x;
    let mine = place.y * TILE + place.x;
    let across = place.y * TILE;
    var sum = 0.0;
    for (var base = 0u; base < shape[1]; base += TILE) {
        left_tile[mine] = left_at(row, base + place.x);
        right_tile[mine] = right_at(base + place.y, column);
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
    if row >= shape[0] || column >= shape[2] {
        return;
    }
    if !STEP_IS_TOTAL && size(sum) >= INFINITY {
        sum = checked_chain(row, column);
    }
    result[row * shape[2] + column] = canonical(sum);
}
