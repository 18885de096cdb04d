use super::{BUDGET, Buffers, kernel, random_words, ready, same, tasks};
use crate::drivers;

const SLICES: &str = "
    @group(0) @binding(0) var<storage, read_write> out: array<u32>;
    @compute @workgroup_size(2, 1, 2) fn main(
        @builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>,
    ) {
        let across = groups * vec3(2u, 1u, 2u);
        let i = at.x + across.x * (at.y + across.y * at.z);
        out[3u * i] = i + 1u; out[3u * i + 4u] = 77u;
        out[3u * i + 1u] = out[3u * i] + 100u * out[3u * i + 3u];
        out[3u * i + 2u] = 10u * index + group.y + 100u * group.z + 1000u * arrayLength(&out);
}";
const LAID: &str = "
    struct Item { a: vec3<f32>, b: f32, c: vec3<f32>, d: array<vec2<f32>, 2> }
    struct Head { n: u32, rest: array<Item> }
    @group(0) @binding(0) var<storage, read_write> out: array<Item>;
    @group(0) @binding(1) var<storage, read> source: Head;
    @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        var item = source.rest[id.x + source.n]; item.c += vec3(1.0); item.d[id.x & 3u].y = 3.0;
        out[id.x] = item; out[id.x].d[arrayLength(&source.rest) - 2u] = vec2(5.0);
}";
const REDUCED: &str = "
    var<workgroup> row: array<vec2<u32>, 8>; var<workgroup> sum: u32; var<private> p: u32;
    @group(0) @binding(0) var<storage, read_write> out: array<u32>;
    @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32, @builtin(workgroup_id) group: vec3<u32>) {
        let before = row[i].x + sum; p += i;
        row[i] = vec2(i + 1u, group.x);
        workgroupBarrier();
        if (i == 3u) { for (var j = 0u; j < 9u; j++) { sum += row[j].x; } }
        storageBarrier();
        out[8u * group.x + i] = sum + 1000u * before + 10000u * row[7u - i].y + 100000u * p;
}";
const UNIFORM: &str = "
    struct Scale { by: vec2<f32>, at: array<vec4<u32>, 2>, last: u32 }
    @group(0) @binding(0) var<storage, read_write> out: array<u32>;
    @group(0) @binding(1) var<uniform> scale: Scale;
    @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) {
        out[i] = scale.at[i].y + u32(scale.by.x) + scale.last;
}";

const TREE: &str = "
    var<workgroup> m: array<u32, 64>;
    @group(0) @binding(0) var<storage, read_write> out: array<u32>;
    @group(0) @binding(1) var<storage, read> given: array<u32>;
    @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32, @builtin(global_invocation_id) id: vec3<u32>) {
        m[i] = given[id.x];
        workgroupBarrier();
        for (var half = 32u; half > 0u; half /= 2u) {
            if (i < half) { m[i] += m[i + half]; }
            workgroupBarrier();
        }
        out[id.x] = m[0];
    }";

#[test]
fn memory_is_as_the_executor_has_it() {
    drivers::on_each("task::memory::memory_is_as_the_executor_has_it", |_, device| {
        let tasks = tasks(device);
        let head: Vec<u32> = std::iter::once(1).chain([0; 3]).chain(random_words(40)).collect();
        let cases: [(&str, &str, Buffers, [u32; 3]); 7] = [
            ("slices", SLICES, vec![(vec![9; 3 * 24 + 2], Some(3))], [2, 3, 2]),
            ("a buffer that ends early", SLICES, vec![(vec![9; 31], Some(3))], [2, 3, 2]),
            ("an empty buffer", SLICES, vec![(vec![], Some(1 << 29))], [1, 1, 1]),
            ("layouts", LAID, vec![(vec![7; 24], Some(12)), (head, None)], [2, 1, 1]),
            ("uniforms", UNIFORM, vec![(vec![0; 4], Some(1)), (random_words(16), None)], [1; 3]),
            ("a tree", TREE, vec![(vec![0; 192], Some(1)), (random_words(190), None)], [3, 1, 1]),
            ("workgroup memory", REDUCED, vec![(vec![0; 24], Some(1))], [3, 1, 1]),
        ];
        for (name, source, buffers, workgroups) in cases {
            let kernel = kernel(source, "main");
            same(name, &kernel, &*ready(&tasks, name, &kernel), &buffers, workgroups, BUDGET);
        }
    });
}
