//! Tasks' kernels on both drivers, against the executor: every bit, and the fuel.

#[path = "../../../compute/src/tests/statements.rs"]
mod statements;

use std::sync::Arc;
use std::time::{Duration, Instant};

use poai_compute::{Binding, Device, DispatchError, Kernel, NotReady, Ready};
use poai_vulkan::device::VulkanDevice;
use poai_vulkan::kernels::Step;
use poai_vulkan::proof::Verdict;
use poai_vulkan::task::Tasks;

use crate::drivers;

const BUDGET: u64 = 1_000_000_000;

/// A device whose proof says that it has no fused step of its own, as is true of both drivers.
fn tasks(device: VulkanDevice) -> Tasks<VulkanDevice> {
    let verdict = Verdict { step: Some(Step::Emulated), failures: Vec::new(), undecorated: Vec::new() };
    Tasks::new(Arc::new(device), &verdict).unwrap()
}

/// Buffers for a dispatch: their words, and the stride of those that are written.
type Buffers = Vec<(Vec<u32>, Option<u32>)>;

fn bound(buffers: &mut Buffers) -> Vec<Binding<'_>> {
    buffers
        .iter_mut()
        .map(|(words, stride)| match *stride {
            None => Binding::Read(words),
            Some(stride) => Binding::ReadWrite { words, stride },
        })
        .collect()
}

fn ready(tasks: &Tasks<VulkanDevice>, name: &str, kernel: &Kernel) -> Box<dyn Ready> {
    tasks.prepare(kernel).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What came of a dispatch: alike on the device and by the executor.
struct Ended {
    done: Result<(), DispatchError>,
    buffers: Buffers,
    cost: u64,
}

/// Runs a dispatch on the device and by the executor, and compares what comes of it.
fn same(name: &str, kernel: &Kernel, ready: &dyn Ready, buffers: &Buffers, workgroups: [u32; 3], budget: u64) -> Ended {
    let (mut by_device, mut by_executor) = (buffers.clone(), buffers.clone());
    let (mut left, mut expected_left) = (budget, budget);
    let done = ready.dispatch(kernel, &mut bound(&mut by_device), workgroups, &mut left);
    let done = done.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let expected = kernel.dispatch(&mut bound(&mut by_executor), workgroups, &mut expected_left);
    assert_eq!(done, Some(expected), "{name}");
    assert_eq!(left, expected_left, "{name}: fuel");
    if expected != Err(DispatchError::OutOfFuel) {
        assert_eq!(by_device, by_executor, "{name}");
    }
    Ended { done: expected, buffers: by_device, cost: budget - left }
}

fn kernel(source: &str, entry: &str) -> Kernel {
    Kernel::parse(source, entry).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

/// A kernel of one invocation that writes the words of `out`.
fn alone(declarations: &str, body: &str) -> Kernel {
    kernel(
        &format!(
            "{declarations}
            @group(0) @binding(0) var<storage, read_write> out: array<u32>;
            @compute @workgroup_size(1) fn main() {{ {body} }}"
        ),
        "main",
    )
}

#[test]
fn statements_and_values() {
    drivers::on_each("task::statements_and_values", |_, device| {
        let tasks = tasks(device);
        for (name, declarations, body, expected) in statements::STATEMENTS {
            let kernel = alone(declarations, body);
            let ready = ready(&tasks, name, &kernel);
            let buffers = same(name, &kernel, &*ready, &vec![(vec![0; 4], Some(4))], [1; 3], BUDGET).buffers;
            assert_eq!(buffers[0].0[..expected.len()], **expected, "{name}");
        }
    });
}

/// Words in the order of nothing.
fn random_words(count: usize) -> Vec<u32> {
    let word = |i: u32| i.wrapping_mul(0x9e37_79b9).rotate_left(13).wrapping_mul(0x85eb_ca6b) ^ (i << 20);
    (0..count as u32).map(word).collect()
}

/// Floats where operations have their edges, and integers too.
fn edges() -> Vec<u32> {
    let floats = [
        0.0,
        0.5,
        1.0,
        1.5,
        2.5,
        3.0,
        0.1,
        7.25,
        100.0,
        8_388_607.5,
        8_388_609.0,
        16_777_217.0,
        2_147_483_520.0,
        2_147_483_648.0,
        4_294_967_040.0,
        4_294_967_296.0,
        1e20,
        1e-20,
        1e-30,
        2.0_f32.powi(-100),
        2.0_f32.powi(-101),
        2.0_f32.powi(-40),
        1.9 * 2.0_f32.powi(-41),
        1.5 * 2.0_f32.powi(-126),
        1e-40,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
    ];
    let floats = floats.into_iter().flat_map(|x: f32| [x.to_bits(), (-x).to_bits()]);
    floats
        .chain([1, 2, 5, 31, 33, 255, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0001, 0xff01_02fe, u32::MAX, 0xffc1_2345])
        .collect()
}

/// Every operation of integers, every comparison and conversion, and the plain operations of floats.
#[test]
fn operations_have_the_executors_bits() {
    let of_two = [
        "(a + b) ^ (a - b) * 3u",
        "a * b",
        "a / b",
        "a % b",
        "u32(i / j)",
        "u32(i % j)",
        "a << (b & 31u)",
        "a >> (b & 31u)",
        "u32(i >> (b & 31u))",
        "(a & b) + (a | b) ^ ~a",
        "u32(a < b) + 2u * u32(a <= b) + 4u * u32(a == b)",
        "u32(i < j) + 2u * u32(i <= j) + 4u * u32(i != j)",
        "min(a, b) ^ u32(max(i, j))",
        "max(a, b) ^ u32(min(i, j))",
        "dot4U8Packed(a, b)",
        "u32(dot4I8Packed(a, b))",
        "u32(x < y) + 2u * u32(x <= y) + 4u * u32(x == y) + 8u * u32(x != y)",
        "bitcast<u32>(x + y)",
        "bitcast<u32>(x - y)",
        "bitcast<u32>(x * y)",
        "bitcast<u32>(min(x, y))",
        "bitcast<u32>(max(x, y))",
        "bitcast<u32>(fma(x, y, bitcast<f32>(b ^ 0x80000000u)))",
        "bitcast<u32>(x / y)",
        "bitcast<u32>(x % y)",
        "bitcast<u32>(select(x, y, a < b))",
    ];
    let of_one = [
        "u32(abs(i))",
        "u32(sign(i))",
        "u32(-i)",
        "countOneBits(a)",
        "countLeadingZeros(a)",
        "countTrailingZeros(a)",
        "reverseBits(a)",
        "firstLeadingBit(a)",
        "u32(firstLeadingBit(i))",
        "firstTrailingBit(a)",
        "u32(bool(a))",
        "bitcast<u32>(f32(a))",
        "bitcast<u32>(f32(i))",
        "bitcast<u32>(f32(a > 5u))",
        "u32(x)",
        "u32(i32(x))",
        "u32(bool(x))",
        "bitcast<u32>(-x)",
        "bitcast<u32>(abs(x))",
        "bitcast<u32>(sign(x))",
        "bitcast<u32>(floor(x))",
        "bitcast<u32>(ceil(x))",
        "bitcast<u32>(round(x))",
        "bitcast<u32>(trunc(x))",
        "bitcast<u32>(sqrt(x))",
        "bitcast<u32>(saturate(x))",
    ];
    drivers::on_each("task::operations_have_the_executors_bits", |_, device| {
        let tasks = tasks(device);
        let edges = edges();
        let pairs: Vec<u32> =
            edges.iter().flat_map(|a| edges.iter().flat_map(move |b| [*a, *b])).chain(random_words(600)).collect();
        for (count, list) in of_two.chunks(6).chain(of_one.chunks(6)).enumerate() {
            let writes: String = list
                .iter()
                .zip(0..)
                .map(|(text, place): (_, u32)| format!("out[8u * n + {place}u] = {text};\n"))
                .collect();
            let source = format!(
                "@group(0) @binding(0) var<storage, read> given: array<vec2<u32>>;
                @group(0) @binding(1) var<storage, read_write> out: array<u32>;
                @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
                    let n = id.x; let a = given[n].x; let b = given[n].y; let i = bitcast<i32>(a); let j = bitcast<i32>(b);
                    let x = bitcast<f32>(a); let y = bitcast<f32>(b);
                    {writes} }}"
            );
            let kernel = kernel(&source, "main");
            let name = format!("operations {count}");
            let ready = ready(&tasks, &name, &kernel);
            let groups = (pairs.len() / 2).div_ceil(64) as u32;
            let buffers = vec![(pairs.clone(), None), (vec![0; groups as usize * 64 * 8], Some(8))];
            let (mut by_device, mut by_executor) = (buffers.clone(), buffers);
            let (mut left, mut expected_left) = (BUDGET, BUDGET);
            ready.dispatch(&kernel, &mut bound(&mut by_device), [groups, 1, 1], &mut left).unwrap().unwrap().unwrap();
            kernel.dispatch(&mut bound(&mut by_executor), [groups, 1, 1], &mut expected_left).unwrap();
            assert_eq!(left, expected_left, "{list:?}");
            for (place, (found, expected)) in by_device[1].0.iter().zip(&by_executor[1].0).enumerate() {
                let (n, text) = (place / 8, list.get(place % 8));
                let operands = pairs.get(2 * n..2 * n + 2);
                assert_eq!(found, expected, "{text:?} of {operands:x?}: {found:#x}, not {expected:#x}");
            }
        }
    });
}

#[test]
fn memory_is_as_the_executor_has_it() {
    let slices = "
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
    let laid = "
        struct Item { a: vec3<f32>, b: f32, c: vec3<f32>, d: array<vec2<f32>, 2> }
        struct Head { n: u32, rest: array<Item> }
        @group(0) @binding(0) var<storage, read_write> out: array<Item>;
        @group(0) @binding(1) var<storage, read> source: Head;
        @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
            var item = source.rest[id.x + source.n]; item.c += vec3(1.0); item.d[id.x & 3u].y = 3.0;
            out[id.x] = item; out[id.x].d[arrayLength(&source.rest) - 2u] = vec2(5.0);
        }";
    let reduced = "
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
    let uniform = "
        struct Scale { by: vec2<f32>, at: array<vec4<u32>, 2>, last: u32 }
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @group(0) @binding(1) var<uniform> scale: Scale;
        @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) {
            out[i] = scale.at[i].y + u32(scale.by.x) + scale.last;
        }";
    drivers::on_each("task::memory_is_as_the_executor_has_it", |_, device| {
        let tasks = tasks(device);
        let head: Vec<u32> = std::iter::once(1).chain([0; 3]).chain(random_words(40)).collect();
        let cases: [(&str, &str, Buffers, [u32; 3]); 6] = [
            ("slices", slices, vec![(vec![9; 3 * 24 + 2], Some(3))], [2, 3, 2]),
            ("a buffer that ends early", slices, vec![(vec![9; 31], Some(3))], [2, 3, 2]),
            ("an empty buffer", slices, vec![(vec![], Some(1 << 29))], [1, 1, 1]),
            ("layouts", laid, vec![(vec![7; 24], Some(12)), (head, None)], [2, 1, 1]),
            ("uniforms", uniform, vec![(vec![0; 4], Some(1)), (random_words(16), None)], [1; 3]),
            ("workgroup memory", reduced, vec![(vec![0; 24], Some(1))], [3, 1, 1]),
        ];
        for (name, source, buffers, workgroups) in cases {
            let kernel = kernel(source, "main");
            same(name, &kernel, &*ready(&tasks, name, &kernel), &buffers, workgroups, BUDGET);
        }
    });
}

/// Many workgroups are many jobs, and it does not show.
#[test]
fn the_tasks_own_kernels_run_in_jobs() {
    drivers::on_each("task::the_tasks_own_kernels_run_in_jobs", |_, device| {
        let tasks = tasks(device);
        let matmul = kernel(include_str!("../../../../tasks/matmul/src/matmul.wgsl"), "multiply");
        let [rows, depth, columns] = [40_usize, 50, 30];
        let floats = |count: usize| -> Vec<u32> {
            random_words(count).iter().map(|word| ((word >> 8) as f32 / 65_536.0 - 128.0).to_bits()).collect()
        };
        let [high, wide] = [rows.div_ceil(16), columns.div_ceil(16)];
        let buffers = vec![
            (vec![rows as u32, depth as u32, columns as u32], None),
            (floats(rows * depth), None),
            (floats(depth * columns), None),
            (vec![0; high * 16 * wide * 16], Some(1)),
        ];
        let matmul_ready = ready(&tasks, "matmul", &matmul);
        same("matmul", &matmul, &*matmul_ready, &buffers, [wide as u32, high as u32, 1], BUDGET);
        let nbody = kernel(include_str!("../../../../tasks/nbody/src/nbody.wgsl"), "step_forward");
        let bodies = 64 * 5;
        let places: Vec<u32> =
            random_words(4 * bodies).iter().map(|word| ((word >> 8) as f32 / (1 << 24) as f32).to_bits()).collect();
        let buffers = vec![(places, None), (vec![0; 4 * bodies], Some(4)), (vec![0; 4 * bodies], Some(4))];
        let nbody_ready = ready(&tasks, "nbody", &nbody);
        let Ended { buffers: moved, cost, .. } = same("nbody", &nbody, &*nbody_ready, &buffers, [5, 1, 1], BUDGET);
        assert_ne!(moved[1].0, buffers[0].0, "they move");
        // The budget is exact.
        assert_eq!(same("to the last", &nbody, &*nbody_ready, &buffers, [5, 1, 1], cost).done, Ok(()));
        let ended = same("one less", &nbody, &*nbody_ready, &buffers, [5, 1, 1], cost - 1);
        assert_eq!((ended.done, ended.cost), (Err(DispatchError::OutOfFuel), cost - 1));
    });
}

/// Whatever a kernel does, it ends, the fuel is the executor's, and the device serves on.
#[test]
fn kernels_that_mean_harm_end() {
    let workgroup = |declarations: &str, size: u32, body: &str| {
        format!(
            "{declarations}
            @group(0) @binding(0) var<storage, read_write> out: array<u32>;
            @compute @workgroup_size({size}) fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}"
        )
    };
    let shared = "var<workgroup> m: array<u32, 1024>;";
    let endless = [
        ("a loop without end", workgroup("", 1, "loop { }")),
        ("a loop that says continue", workgroup("", 4, "loop { if (out[0] > 1u) { break; } continue; }")),
        (
            "loops in loops",
            workgroup(
                "",
                3,
                "for (var a = 0u; a < 99999u; a++) { for (var b = 0u; b < 99999u; b++) { loop { out[i] += b; } } }",
            ),
        ),
        ("barriers without end", workgroup(shared, 64, "loop { m[i] += 1u; workgroupBarrier(); }")),
        (
            "one that never comes to the barrier",
            workgroup(shared, 64, "if (i == 5u) { loop { } } m[i] = 1u; workgroupBarrier(); out[i] = m[63u - i];"),
        ),
        (
            "one that spends all before a loop of barriers",
            workgroup(
                shared,
                64,
                "if (i == 7u) { for (var n = 0u; n < 100000000u; n++) { out[i] += n; } } for (var n = 0u; n < 50u; n++) { m[i] += 1u; workgroupBarrier(); out[i] += m[63u - i]; workgroupBarrier(); }",
            ),
        ),
        (
            "a function that loops in a loop's end",
            workgroup(
                "fn f(x: u32) -> u32 { var y = x; loop { y += 1u; if (y == 0u) { return y; } } return 0u; }",
                2,
                "loop { continuing { out[i] = f(i); } }",
            ),
        ),
    ];
    let bounded = [
        (
            "far indices",
            workgroup(
                "",
                1,
                "let n = arrayLength(&out) + 0x7fffffffu; out[n] = 9u; let j = n + 0x7fffffffu; out[0] = out[n] + out[j];",
            ),
        ),
        ("negative indices", workgroup("", 1, "var a = array(1, 2, 3); var j = -1; a[j] = 7; out[0] = u32(a[j]);")),
        (
            "nested arrays",
            workgroup(
                "",
                1,
                "var a: array<array<u32, 2>, 2>; var j = 2u; a[j][0] = 5u; a[0][j] = 5u; out[0] = a[0][0] + a[1][0] + a[1][1] + a[j][1] + a[0][j];",
            ),
        ),
        (
            "variables",
            workgroup(
                "",
                1,
                "var a: array<u32, 1024>; var s = 0u; for (var j = 0u; j < 1030u; j++) { s += a[j]; } out[0] = s;",
            ),
        ),
        ("workgroup memory", workgroup(shared, 256, "var j = i + 1024u; m[j] = 4u; out[i] = m[i] + m[j];")),
        (
            "registers that others left",
            workgroup("var<private> p: u32;", 4, "var x: u32; x += i; p += x; out[i] = x + 10u * p;"),
        ),
    ];
    drivers::on_each("task::kernels_that_mean_harm_end", |_, device| {
        let tasks = tasks(device);
        for (name, source) in &endless {
            let kernel = kernel(source, "main");
            let size = kernel.workgroup_size()[0] as usize;
            let started = Instant::now();
            let ready = ready(&tasks, name, &kernel);
            let ended = same(name, &kernel, &*ready, &vec![(vec![0; size], Some(1))], [1; 3], 200_000);
            assert_eq!((ended.done, ended.cost), (Err(DispatchError::OutOfFuel), 200_000), "{name}");
            assert!(started.elapsed() < Duration::from_secs(30), "{name}");
        }
        for (name, source) in &bounded {
            let kernel = kernel(source, "main");
            let size = kernel.workgroup_size()[0] as usize;
            let ready = ready(&tasks, name, &kernel);
            same(name, &kernel, &*ready, &vec![(vec![0; size], Some(1))], [1; 3], BUDGET);
        }
        // An invocation that is too long for a device is the processor's, with all that it has.
        let long = kernel(&workgroup("", 256, "for (var n = 0u; n < 10000000u; n++) { out[i] += n; }"), "main");
        let (mut buffers, mut left) = (vec![(vec![3; 256], Some(1))], u64::MAX);
        let done = ready(&tasks, "long", &long).dispatch(&long, &mut bound(&mut buffers), [1; 3], &mut left);
        assert_eq!((done, left, buffers[0].0[0]), (Ok(None), u64::MAX, 3));
    });
}

#[test]
fn what_is_not_proven_or_too_large_stays_on_the_processor() {
    let racing = "var<workgroup> m: u32; @compute @workgroup_size(2) fn main(@builtin(local_invocation_index) i: u32) { m = i; }";
    let parting = "@compute @workgroup_size(2) fn main(@builtin(local_invocation_index) i: u32) { if (i == 0u) { workgroupBarrier(); } }";
    let large = format!(
        "@group(0) @binding(0) var<storage, read_write> out: array<u32>; @compute @workgroup_size(1) fn main() {{ {} }}",
        "out[0] += 1u;\n".repeat(1_500)
    );
    drivers::on_each("task::what_is_not_proven_or_too_large_stays_on_the_processor", |_, device| {
        let tasks = tasks(device);
        for (source, expected) in [
            (racing, "invocations may race for word 0 of workgroup memory"),
            (parting, "a barrier where invocations may have parted"),
            (&large, "are many for devices"),
        ] {
            match tasks.prepare(&kernel(source, "main")) {
                Err(NotReady::ForProcessor(reason)) => assert!(reason.contains(expected), "{reason}"),
                Err(other) => panic!("{expected}: {other}"),
                Ok(_) => panic!("{expected}: taken"),
            }
        }
        assert!(tasks.name().len() > 3);
    });
}
