const side = 8;
var<workgroup> row: array<f32, side>;
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<storage, read> numbers: array<f32>;
@compute @workgroup_size(side) fn main(@builtin(local_invocation_index) i: u32, @builtin(global_invocation_id) id: vec3<u32>) {
    row[i] = numbers[id.x] * 0.5;
    workgroupBarrier();
    for (var half = u32(side) / 2u; half > 0u; half /= 2u) {
        if (i < half) { row[i] += row[i + half]; }
        workgroupBarrier();
    }
    out[4u * id.x + 1u] = row[0];
}
