@group(0) @binding(0) var<storage, read> given: array<mat2x3<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec2<f32>>;
@compute @workgroup_size(2) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var m = given[id.x] - 0.5 * given[id.x + 1u];
    m[id.x & 3u].y = 2.0;
    let s = transpose(m) * m;
    out[2u * id.x] = s * vec2(1.0, -3.0) + vec3(0.25, 1.0, 4.0) * m;
}
