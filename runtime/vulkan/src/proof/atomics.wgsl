// Words that all invocations change: each operation in workgroup memory, at places that follow from what is given; then
// sums in a buffer, some of them behind its end.

@group(0) @binding(0) var<storage, read> given: array<u32>;
@group(0) @binding(1) var<storage, read_write> sums: array<atomic<u32>>;
var<workgroup> added: array<atomic<u32>, 8>;
var<workgroup> least: array<atomic<u32>, 8>;
var<workgroup> most: array<atomic<u32>, 8>;
var<workgroup> in_all: array<atomic<u32>, 8>;
var<workgroup> any_of: array<atomic<u32>, 8>;
var<workgroup> odd: array<atomic<u32>, 8>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) i: u32) {
    let word = given[id.x];
    atomicStore(&least[i], given[id.x + 100u]);
    atomicStore(&in_all[i], given[id.x + 200u]);
    workgroupBarrier();
    atomicAdd(&added[word & 15u], word);
    atomicMin(&least[word & 7u], word);
    atomicMax(&most[word >> 29u], word);
    atomicAnd(&in_all[word & 7u], word | 0xffffu);
    atomicOr(&any_of[i & 7u], word & 0x81818181u);
    atomicXor(&odd[word % 11u], word);
    workgroupBarrier();
    atomicAdd(&sums[i & 15u], atomicLoad(&added[i & 7u]));
    atomicAdd(&sums[16u + i], atomicLoad(&least[i]) ^ atomicLoad(&most[i]));
    atomicAdd(&sums[24u + i], atomicLoad(&in_all[i]) ^ atomicLoad(&any_of[i]) ^ atomicLoad(&odd[i]));
}
