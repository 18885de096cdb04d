@group(0) @binding(0) var<storage, read_write> out: array<vec4<f32>>;
@compute @workgroup_size(3) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = vec4(f32(id.x), 0.25, -3.5, 1e-30) * out[id.x];
    let y = fma(x, x.yzwx, vec4(sqrt(abs(x.x)), exp(x.y), tanh(x.z), log(x.w)));
    var z = select(min(x, y), clamp(y, vec4(-1.0), vec4(1.0)), x < y);
    z = round(z / vec4(3.0)) + floor(z) - ceil(z % vec4(2.0)) + trunc(-z);
    z.w = pow(z.x, 1.5) + sin(z.y) * cos(z.z) + f32(all(x == y));
    out[id.x] = z;
}
