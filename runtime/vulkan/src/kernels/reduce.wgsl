// Elements as outer x axis x inner, of which the middle is reduced in sixteen fixed lanes, as numerics defines them. Sixteen
// invocations share a result, one a lane, and the first joins them. The rules, the step and what lines call are written in
// front of this.

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> terms: array<u32>; // kind, results, axis, inner
@group(0) @binding(2) var<storage, read_write> result: array<u32>;

const SUM = 0u;
const MEAN = 1u;
const SIZES = 2u;
const SQUARES = 3u;
const NORM = 4u;
const PRODUCT = 5u;
const GREATEST = 6u;

const LANES = 16u;
const RESULTS = 4u;
var<workgroup> lanes: array<f32, 64>;

// What every lane begins with: 1, -infinity, infinity or 0.
fn neutral(kind: u32) -> f32 {
    let extreme = select(INFINITY, 0x80000000u | INFINITY, kind == GREATEST);
    return bitcast<f32>(select(select(0u, 0x3f800000u, kind == PRODUCT), extreme, kind >= GREATEST));
}

fn joined(kind: u32, a: f32, b: f32) -> f32 {
    if kind < PRODUCT {
        return a + b;
    }
    if kind == PRODUCT {
        return flushed(a * flushed(b));
    }
    return choose(kind == GREATEST, greater(a, b), lesser(a, b));
}

// One lane's part of the elements that begin at a place.
fn folded(kind: u32, begin: u32, lane: u32) -> f32 {
    var sum = neutral(kind);
    for (var i = lane; i < terms[2]; i += LANES) {
        let bits = data[begin + i * terms[3]];
        if kind == SQUARES || kind == NORM {
            sum = checked_step(operand(bits), operand(bits), sum);
        } else {
            sum = joined(kind, sum, choose(kind == SIZES, magnitude(element(bits)), element(bits)));
        }
    }
    return sum;
}

fn finished(kind: u32, whole: f32) -> u32 {
    if kind == MEAN {
        return stored(quotient(whole, f32(terms[2])));
    }
    if kind == NORM {
        return stored(root(whole));
    }
    return stored(whole);
}

@compute @workgroup_size(16, 4)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) place: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * RESULTS + place.y;
    let kind = terms[0];
    let inside = index < terms[1];
    let first = place.y * LANES;
    if inside {
        let begin = index / terms[3] * terms[2] * terms[3] + index % terms[3];
        lanes[first + place.x] = folded(kind, begin, place.x);
    }
    workgroupBarrier();
    if !inside || place.x != 0u {
        return;
    }
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        for (var lane = first; lane < first + half; lane++) {
            lanes[lane] = joined(kind, lanes[lane], lanes[lane + half]);
        }
    }
    result[index] = finished(kind, lanes[first]);
}
