struct P { a: vec3<f32>, b: array<u32, 2>, c: i32 }
@group(0) @binding(0) var<storage, read> items: array<P, 2>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;
var<private> kept: array<P, 2>;
fn f(p: P) -> P { var q = p; q.b[1] = q.b[0] + 9u; q.a.y = 8.0; return q; }
@compute @workgroup_size(2, 2) fn main(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) w: vec3<u32>) {
    kept[i & 1u] = f(items[i >> 1u]);
    let p = &kept[w.x];
    (*p).a[i] += 1.5;
    let v = vec4((*p).b[0], u32((*p).c), bitcast<u32>((*p).a.y), (*p).b[i]);
    out[i + 4u * w.x] = v.wzyx;
}
