@group(0) @binding(0) var<storage, read_write> out: array<u32>;
fn f(x: i32) -> u32 {
    switch x { case 1, 2: { return 10u; } case -3: { return 20u; } default: { } }
    return 30u;
}
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var s = 0u;
    for (var i = 0u; i < 9u; i++) { if (i == 3u) { continue; } s += f(i32(i) - 4); if (s > 120u) { break; } }
    loop { s -= 1u; continuing { s /= 2u; break if s < 3u; } }
    while (s < 100u) { s *= 3u; s += 1u; }
    out[4u * id.x] = s;
}
