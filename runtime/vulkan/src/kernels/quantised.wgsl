// Numbers as bytes, four to a word: floats divided by a scale, or sums multiplied by one for each column; then rounded,
// moved to the zero point and kept within the type. The rules and what quotients call are written in front of this.

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> terms: array<u32>; // see Quantised in integers.rs
@group(0) @binding(2) var<storage, read_write> result: array<u32>;

const HEADER = 6u;
const FAR = 0x49800000u; // 2^20

fn byte_of(i: u32) -> u32 {
    let scale = bitcast<f32>(terms[HEADER + i % terms[5]]);
    var number = 0.0;
    if terms[1] == 0u {
        number = quotient(element(data[i]), scale);
    } else {
        number = flushed(f32(bitcast<i32>(data[i])) * scale);
    }
    let far = bitcast<f32>(FAR);
    let whole = at_most(at_least(rounded(number), negated(far)), far);
    let moved = select(i32(whole), 0i, size(number) > INFINITY) + bitcast<i32>(terms[2]);
    let low = bitcast<i32>(terms[3]);
    let high = bitcast<i32>(terms[4]);
    let above = select(moved, low, moved < low);
    return bitcast<u32>(select(above, high, above > high)) & 0xffu;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = 4u * (id.y * groups.x * 64u + id.x);
    if first >= terms[0] {
        return;
    }
    var word = 0u;
    for (var part = 0u; part < 4u; part++) {
        if first + part < terms[0] {
            word |= byte_of(first + part) << (8u * part);
        }
    }
    result[first / 4u] = word;
}
