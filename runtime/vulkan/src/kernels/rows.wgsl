// Rows that are reduced: softmax, its logarithm, layer and RMS norm, each in sixteen fixed lanes as numerics defines them.
// Sixteen invocations share a row, one a lane; element i belongs to lane i mod 16. The rules, the step, what lines call,
// `exp_of` and `log_of` are written in front of this.

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> terms: array<u32>; // see Rows in rows.rs
@group(0) @binding(2) var<storage, read_write> result: array<u32>;

const SOFTMAX = 0u;
const LOG_SOFTMAX = 1u;
const LAYER_NORM = 2u;

const LANES = 16u;
const ROWS = 4u;
const HEADER = 8u;
var<workgroup> lanes: array<f32, 64>;

// An element of a row, less what the first reduction found.
fn less_first(at: u32, first: f32) -> f32 {
    return element(data[at]) - first;
}

// One lane's part of the first reduction, or of the second.
fn folded(turn: u32, row: u32, lane: u32, first: f32) -> f32 {
    let greatest = terms[0] <= LOG_SOFTMAX && turn == 0u;
    var sum = bitcast<f32>(select(0u, 0x80000000u | INFINITY, greatest));
    for (var i = lane; i < terms[2]; i += LANES) {
        let at = row * terms[2] + i;
        if greatest {
            sum = greater(sum, element(data[at]));
        } else if turn == 0u {
            sum = sum + element(data[at]);
        } else if terms[0] <= LOG_SOFTMAX {
            sum = sum + flushed(exp_of(less_first(at, first)));
        } else {
            let part = operand_of(less_first(at, first));
            sum = checked_step(part, part, sum);
        }
    }
    return sum;
}

// What is stored of an element, once both reductions are known.
fn finished(at: u32, i: u32, first: f32, second: f32) -> u32 {
    let part = less_first(at, first);
    if terms[0] == SOFTMAX {
        return stored(flushed(exp_of(part)) * second);
    }
    if terms[0] == LOG_SOFTMAX {
        return stored(part - second);
    }
    let normal = part * second;
    if terms[4] == 0u {
        return stored(normal);
    }
    let scale = element(terms[HEADER + i]);
    if terms[5] == 0u {
        return stored(flushed(normal) * scale);
    }
    return stored(checked_step(flushed(normal), scale, element(terms[HEADER + terms[2] + i])));
}

// What is made of a reduction's end: nothing, a mean, a share, a logarithm, an inverse deviation.
fn concluded(turn: u32, whole: f32) -> f32 {
    let length = f32(terms[2]);
    if turn == 0u {
        return choose(terms[0] <= LOG_SOFTMAX, whole, choose(terms[0] == LAYER_NORM, quotient(whole, length), literal(0u)));
    }
    if terms[0] == LOG_SOFTMAX {
        return log_of(whole);
    }
    let deviation = root(quotient(whole, length) + element(terms[3]));
    return quotient(literal(0x3f800000u), choose(terms[0] == SOFTMAX, whole, deviation));
}

@compute @workgroup_size(16, 4)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) place: vec3<u32>,
) {
    let row = (group.y * groups.x + group.x) * ROWS + place.y;
    let lane = place.x;
    let mine = place.y * LANES + lane;
    let inside = row < terms[1];
    var found = array<f32, 2>(0.0, 0.0);
    for (var turn = 0u; turn < 2u; turn++) {
        var sum = 0.0;
        if inside {
            sum = folded(turn, row, lane, found[0]);
        }
        lanes[mine] = sum;
        workgroupBarrier();
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            if lane < half {
                let other = lanes[mine + half];
                let greatest = terms[0] <= LOG_SOFTMAX && turn == 0u;
                lanes[mine] = choose(greatest, greater(lanes[mine], other), lanes[mine] + other);
            }
            workgroupBarrier();
        }
        found[turn] = concluded(turn, lanes[place.y * LANES]);
        workgroupBarrier();
    }
    if inside {
        for (var i = lane; i < terms[2]; i += LANES) {
            let at = row * terms[2] + i;
            result[at] = finished(at, i, found[0], found[1]);
        }
    }
}
