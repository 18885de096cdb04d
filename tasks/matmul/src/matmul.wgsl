// The product of two matrices by tiles of 16 by 16: every element is one chain of fused steps, in order.

const side = 16;
const tile = side * side;

struct Sizes {
    rows: u32,
    depth: u32,
    columns: u32,
}

@group(0) @binding(0) var<storage, read> sizes: Sizes;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
// Rows are as long as the dispatch is wide, so that each invocation's element is its own.
@group(0) @binding(3) var<storage, read_write> product: array<f32>;

var<workgroup> left_tile: array<f32, tile>;
var<workgroup> right_tile: array<f32, tile>;

@compute @workgroup_size(side, side)
fn multiply(
    @builtin(global_invocation_id) at: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let place = local.y * u32(side) + local.x;
    var sum = 0.0;
    for (var first = 0u; first < sizes.depth; first += u32(side)) {
        // Beyond the edges there are zeros, which change no sum.
        let k = first + local.x;
        left_tile[place] = select(0.0, left[at.y * sizes.depth + k], at.y < sizes.rows && k < sizes.depth);
        let l = first + local.y;
        right_tile[place] = select(0.0, right[l * sizes.columns + at.x], l < sizes.depth && at.x < sizes.columns);
        workgroupBarrier();
        for (var i = 0u; i < u32(side); i++) {
            sum = fma(left_tile[local.y * u32(side) + i], right_tile[i * u32(side) + local.x], sum);
        }
        workgroupBarrier();
    }
    product[at.y * workgroups.x * u32(side) + at.x] = sum;
}
