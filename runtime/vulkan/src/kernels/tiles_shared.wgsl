
// Operands pass through workgroup memory, so that each is read once by a workgroup.

// Steps for which operands lie in workgroup memory at a time.
const DEPTH = 16u;
// One more than those, so that rows lie in different banks.
const PITCH = 17u;
var<workgroup> left_tile: array<f32, 1088>;
var<workgroup> right_tile: array<vec4<f32>, 256>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) place: vec3<u32>) {
    let p = product(group.z);
    let row = group.y * TILE;
    let column = group.x * TILE + place.x * 4u;
    let mine = place.y * 4u * PITCH;
    var sums = array<vec4<f32>, 4>();
    for (var base = 0u; base < p.depth; base += DEPTH) {
        for (var part = place.y; part < TILE; part += 16u) {
            left_tile[part * PITCH + place.x] = left_at(p, row + part, base + place.x);
        }
        var numbers = vec4(0.0);
        for (var part = 0u; part < 4u; part++) {
            numbers[part] = right_at(p, base + place.y, column + part);
        }
        right_tile[place.y * 16u + place.x] = numbers;
        workgroupBarrier();
        for (var i = 0u; i < DEPTH; i++) {
            let numbers = right_tile[i * 16u + place.x];
            sums[0] = step_row(left_tile[mine + i], numbers, sums[0]);
            sums[1] = step_row(left_tile[mine + PITCH + i], numbers, sums[1]);
            sums[2] = step_row(left_tile[mine + 2u * PITCH + i], numbers, sums[2]);
            sums[3] = step_row(left_tile[mine + 3u * PITCH + i], numbers, sums[3]);
        }
        workgroupBarrier();
    }
    for (var part = 0u; part < 16u; part++) {
        store(p, group.z, row + place.y * 4u + part / 4u, column + part % 4u, sums[part / 4u][part % 4u]);
    }
}
