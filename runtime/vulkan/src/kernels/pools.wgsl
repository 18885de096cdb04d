// What lies under a window that slides over images, pooled in the order of its taps: the greatest, or the mean. The rules
// and what lines call are written in front of this.

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> terms: array<u32>; // see Pools in pools.rs
@group(0) @binding(2) var<storage, read_write> result: array<u32>;

const GREATEST = 0u;
const MEAN = 1u;

fn pair(at: u32) -> vec2<u32> {
    return vec2(terms[at], terms[at + 1u]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 64u + id.x;
    if index >= terms[1] {
        return;
    }
    let channels = terms[2];
    let size = pair(4u);
    let taps = pair(6u);
    let places = pair(14u);
    // A result's pixel and its plane: the image and channel, where channels come first, else the image.
    let area = places.x * places.y;
    let inner = select(channels, 1u, terms[3] == 1u);
    let pixel_of = index / inner % area;
    let origin = vec2(pixel_of / places.y, pixel_of % places.y) * pair(8u);
    let begin = index / inner / area * size.x * size.y * inner + index % inner;
    var greatest = bitcast<f32>(0x80000000u | INFINITY);
    var sum = 0.0;
    var found = 0u;
    var within = 0u;
    for (var tap = 0u; tap < taps.x * taps.y; tap++) {
        let padded = origin + vec2(tap / taps.y, tap % taps.y) * pair(10u);
        within += select(0u, 1u, padded.x < terms[16] && padded.y < terms[17]);
        // What lies before the image wraps around, to far behind it.
        let pixel = padded - pair(12u);
        if pixel.x < size.x && pixel.y < size.y {
            let number = element(data[begin + (pixel.x * size.y + pixel.y) * inner]);
            greatest = greater(greatest, number);
            sum = sum + number;
            found++;
        }
    }
    let count = select(within, found, terms[0] == MEAN);
    result[index] = stored(choose(terms[0] == GREATEST, greatest, quotient(sum, f32(count))));
}
