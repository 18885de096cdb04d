// Rows of bytes by a matrix of bytes: exact sums modulo 2^32, or what a scale and a bias for each column make of them. An
// invocation has one column of four rows, so that neighbours read neighbouring words. The rules are written in front of
// this.

@group(0) @binding(0) var<storage, read> left: array<u32>;
@group(0) @binding(1) var<storage, read> right: array<u32>; // four of a column to a word, without signs, zero points behind
@group(0) @binding(2) var<storage, read> terms: array<u32>; // see Integers in integers.rs
@group(0) @binding(3) var<storage, read_write> result: array<u32>;

const HEADER = 8u;
const ROWS = 4u;

// The four bytes of a word, the signs of which are taken off by a mask.
fn bytes_of(word: u32, mask: u32) -> vec4<i32> {
    return bitcast<vec4<i32>>((vec4(word ^ mask) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu));
}

// Four bytes from any byte on.
fn left_at(at: u32) -> u32 {
    let low = left[at / 4u];
    let shift = 8u * (at % 4u);
    if shift == 0u {
        return low;
    }
    return (low >> shift) | (left[at / 4u + 1u] << (32u - shift));
}

fn made_of(sum: i32, column: u32) -> u32 {
    if terms[5] == 0u {
        return bitcast<u32>(sum);
    }
    let scale = terms[6];
    let bits = stored(element(bitcast<u32>(f32(sum))) * element(terms[scale + select(column, 0u, terms[7] == 1u)]));
    let bias = scale + terms[7];
    if terms[5] == 1u {
        return bits;
    }
    return stored(element(bits) + element(terms[bias + column]));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) place: vec3<u32>) {
    let depth = terms[1];
    let columns = terms[2];
    let column = group.x * 64u + place.x;
    let row = group.y * ROWS;
    if column >= columns {
        return;
    }
    let count = select(ROWS, terms[0] - row, terms[0] - row < ROWS);
    let words = (depth + 3u) / 4u;
    let zero = vec4(bitcast<i32>(right[words * columns + column]));
    var left_zeros = vec4(0i);
    for (var part = 0u; part < count; part++) {
        left_zeros[part] = bitcast<i32>(terms[HEADER + select(row + part, 0u, terms[4] == 1u)]);
    }
    var sums = vec4(0i);
    for (var word = 0u; word < words; word++) {
        // Behind the end of a column there are zero points, which add nothing.
        let weights = bytes_of(right[word * columns + column], 0u) - zero;
        for (var part = 0u; part < count; part++) {
            let found = bytes_of(left_at((row + part) * depth + 4u * word), terms[3]) - vec4(left_zeros[part]);
            let products = found * weights;
            sums[part] += products.x + products.y + products.z + products.w;
        }
    }
    for (var part = 0u; part < count; part++) {
        result[(row + part) * columns + column] = made_of(sums[part], column);
    }
}
