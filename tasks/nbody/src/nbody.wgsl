// One step of bodies that attract each other: the velocity changes first, then the place.

const tile = 64;
const time_step = 0.0009765625;
// What keeps bodies apart that meet: the square of a length.
const softening = 0.0001;

// x, y, z, and mass.
@group(0) @binding(0) var<storage, read> places: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> next_places: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> velocities: array<vec4<f32>>;

var<workgroup> others: array<vec4<f32>, tile>;

@compute @workgroup_size(tile)
fn step_forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let i = id.x;
    let body = places[i];
    var acceleration = vec3(0.0);
    for (var first = 0u; first < arrayLength(&places); first += u32(tile)) {
        others[local] = places[first + local];
        workgroupBarrier();
        for (var j = 0u; j < u32(tile); j++) {
            acceleration = pulled(acceleration, body.xyz, others[j]);
        }
        workgroupBarrier();
    }
    let velocity = fma(vec3(time_step), acceleration, velocities[i].xyz);
    velocities[i] = vec4(velocity, 0.0);
    next_places[i] = vec4(fma(vec3(time_step), velocity, body.xyz), body.w);
}

// An acceleration, and what another body adds to it.
fn pulled(acceleration: vec3<f32>, place: vec3<f32>, other: vec4<f32>) -> vec3<f32> {
    let away = other.xyz - place;
    let square = fma(away.x, away.x, fma(away.y, away.y, fma(away.z, away.z, softening)));
    let nearness = 1.0 / sqrt(square);
    let strength = other.w * (nearness * nearness * nearness);
    return fma(vec3(strength), away, acceleration);
}
