// Rows rounded to bytes, block by block: x is about byte * scale, where scale = max |x| / 127. A row becomes its blocks'
// scales, the sums of their bytes, and the bytes, four to a word; a last block that is cut short ends with zeros. The
// rules and what quotients call are written in front of this.

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> terms: array<u32>; // rows, depth, weights of a block, blocks of a row
@group(0) @binding(2) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    let depth = terms[1];
    let block = terms[2];
    let blocks = terms[3];
    if index >= terms[0] * blocks {
        return;
    }
    let row = index / blocks;
    let own = index % blocks;
    let first = own * block;
    let begin = row * depth + first;
    let count = select(block, depth - first, depth - first < block);
    // Bits of sizes order them as numbers, and NaN above all.
    var largest = 0u;
    for (var i = 0u; i < count; i++) {
        let bits = size(element(data[begin + i]));
        largest = select(largest, bits, bits > largest);
    }
    let scale = flushed(quotient(bitcast<f32>(largest), literal(0x42fe0000u))); // 127
    let usable = size(scale) != 0u && size(scale) < INFINITY;
    let words = block / 4u;
    let start = row * blocks * (2u + words);
    var sum = 0i;
    for (var word = 0u; word < words; word++) {
        var bytes = 0u;
        for (var part = 0u; part < 4u; part++) {
            let i = word * 4u + part;
            var byte = 0i;
            if usable && i < count {
                byte = i32(rounded(quotient(element(data[begin + i]), scale)));
            }
            sum += byte;
            bytes |= (bitcast<u32>(byte) & 0xffu) << (8u * part);
        }
        result[start + 2u * blocks + own * words + word] = bytes;
    }
    result[start + own] = canonical(scale);
    result[start + blocks + own] = bitcast<u32>(sum);
}
