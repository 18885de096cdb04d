// How many words have each of the 64 values of their lowest bits: counted by each workgroup, then by all.

@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>, 64>;
var<workgroup> own: array<atomic<u32>, 64>;

@compute @workgroup_size(64)
fn count(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) i: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var n = id.x; n < arrayLength(&words); n += 64u * groups.x) {
        atomicAdd(&own[words[n] & 63u], 1u);
    }
    workgroupBarrier();
    atomicAdd(&counts[i], atomicLoad(&own[i]));
}
