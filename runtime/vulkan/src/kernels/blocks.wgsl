// Rounded rows by weights in blocks: the dot of a block is exact, the blocks are one chain of steps in order, from +0; then
// the bias. An invocation has one column of four rows, so that neighbours read neighbouring words. The rules and the step
// are written in front of this.

@group(0) @binding(0) var<storage, read> left: array<u32>; // see rounded.wgsl
@group(0) @binding(1) var<storage, read> right: array<u32>; // see Blocks in blocks.rs
@group(0) @binding(2) var<storage, read> terms: array<u32>; // the same
@group(0) @binding(3) var<storage, read_write> result: array<u32>;

const BIAS = 8u;
const ROWS = 4u;

// The four bytes of a word, with their signs.
fn with_signs(word: u32) -> vec4<i32> {
    return bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u);
}

// The four bytes of a word.
fn without_signs(word: u32) -> vec4<i32> {
    return bitcast<vec4<i32>>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu));
}

fn number(bits: u32) -> f32 {
    return bitcast<f32>(bits);
}

fn scaled(row: f32, weight: f32) -> f32 {
    return element(bitcast<u32>(row * weight));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) place: vec3<u32>) {
    let columns = terms[1];
    let blocks = terms[2];
    let words = terms[3]; // of a rounded block
    let halves = terms[4]; // rounded words to a word of weights: 2 where those have four bits
    let column = group.x * 64u + place.x;
    let row = group.y * ROWS;
    if column >= columns {
        return;
    }
    let count = select(ROWS, terms[0] - row, terms[0] - row < ROWS);
    let pitch = blocks * (2u + words); // from row to row
    let minimums = blocks * columns;
    let quants = minimums * (1u + terms[6]);
    var sums = vec4(0.0);
    for (var block = 0u; block < blocks; block++) {
        var dots = vec4(0i);
        for (var word = 0u; word < words; word++) {
            let found = right[quants + ((block * words + word) / halves * columns) + column];
            // The low halves of four bytes are the first word's, the high ones the next one's.
            let half = select(found, (found >> (4u * (word & 1u))) & 0x0f0f0f0fu, halves == 2u);
            let weights = without_signs(half);
            for (var part = 0u; part < count; part++) {
                let products = with_signs(left[(row + part) * pitch + 2u * blocks + block * words + word]) * weights;
                dots[part] += products.x + products.y + products.z + products.w;
            }
        }
        let scale = number(right[block * columns + column]);
        for (var part = 0u; part < count; part++) {
            let at = (row + part) * pitch + block;
            let row_scale = number(left[at]);
            let total = bitcast<i32>(left[at + blocks]);
            // Weights are stored without signs, this much too large.
            let dot = dots[part] - total * bitcast<i32>(terms[5]);
            sums[part] = checked_step(f32(dot), scaled(row_scale, scale), sums[part]);
            if terms[6] != 0u {
                let minimum = number(right[minimums + block * columns + column]);
                sums[part] = checked_step(f32(total), scaled(row_scale, minimum), sums[part]);
            }
        }
    }
    for (var part = 0u; part < count; part++) {
        var bits = canonical(sums[part]);
        if terms[7] != 0u {
            bits = stored(element(bits) + element(terms[BIAS + column]));
        }
        result[(row + part) * columns + column] = bits;
    }
}
