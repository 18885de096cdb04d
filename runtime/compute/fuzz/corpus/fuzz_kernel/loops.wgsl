var<workgroup> m: u32;
@compute @workgroup_size(2) fn main(@builtin(local_invocation_index) i: u32) {
    for (var n = 0u; n < 1u + i; n++) { workgroupBarrier(); }
    loop { if (m > 3u) { break; } }
}
