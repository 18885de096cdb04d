@group(0) @binding(0) var<storage, read> given: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
var<workgroup> own: array<atomic<i32>, 8>;
@compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) i: u32) {
    atomicStore(&own[i], 5);
    workgroupBarrier();
    atomicMin(&own[given[id.x] & 7u], i32(i) - 3);
    workgroupBarrier();
    let least = u32(atomicLoad(&own[7u - i]));
    atomicAdd(&counts[least & 63u], 1u);
    out[4u * id.x] = least;
}
