@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = out[4u * id.x];
    let b = bitcast<i32>(a) / (i32(id.x) - 1) % 7;
    let c = (vec2(a, 5u) << vec2(id.x, 33u)) | (vec2(a) >> vec2(3u)) ^ ~vec2(1u, a);
    out[4u * id.x] = countOneBits(c.x) + firstLeadingBit(a) + u32(firstTrailingBit(b)) * reverseBits(c.y);
    out[4u * id.x + 1u] = u32(dot4I8Packed(a, c.x)) + dot4U8Packed(a, c.y) + u32(f32(b)) + u32(abs(b) + sign(b));
    out[4u * id.x + 2u] = arrayLength(&out) + max(a, c.x) - min(c.y, 3u) + u32(a > 4u && b < 0 || !(c.x == c.y));
}
