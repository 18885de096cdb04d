
// Operands come from their buffers: for software, which has caches of its own, and takes long to compile barriers.

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) place: vec3<u32>) {
    let p = product(group.z);
    let row = group.y * TILE + place.y * 4u;
    let column = group.x * TILE + place.x * 4u;
    if row >= p.rows || column >= p.columns {
        return;
    }
    var sums = array<vec4<f32>, 4>();
    for (var i = 0u; i < p.depth; i++) {
        var numbers = vec4(0.0);
        for (var part = 0u; part < 4u; part++) {
            numbers[part] = right_at(p, i, column + part);
        }
        for (var part = 0u; part < 4u; part++) {
            sums[part] = step_row(left_at(p, row + part, i), numbers, sums[part]);
        }
    }
    for (var part = 0u; part < 16u; part++) {
        store(p, group.z, row + part / 4u, column + part % 4u, sums[part / 4u][part % 4u]);
    }
}
