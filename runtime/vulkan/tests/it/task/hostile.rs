use std::time::{Duration, Instant};

use poai_compute::{DispatchError, Resident};

use super::{BUDGET, bound, kernel, ready, same, tasks};
use crate::drivers;

/// Workgroup memory of some of the kernels.
const SHARED: &str = "var<workgroup> m: array<u32, 1024>;";

fn workgroup(declarations: &str, size: u32, body: &str) -> String {
    format!(
        "{declarations}
        @group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size({size}) fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}"
    )
}

/// Kernels that would not end, by name.
fn endless() -> [(&'static str, String); 7] {
    [
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
        ("barriers without end", workgroup(SHARED, 64, "loop { m[i] += 1u; workgroupBarrier(); }")),
        (
            "one that never comes to the barrier",
            workgroup(SHARED, 64, "if (i == 5u) { loop { } } m[i] = 1u; workgroupBarrier(); out[i] = m[63u - i];"),
        ),
        (
            "one that spends all before a loop of barriers",
            workgroup(
                SHARED,
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
    ]
}

/// Kernels that reach for what they do not have.
fn bounded() -> [(&'static str, String); 6] {
    [
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
        ("workgroup memory", workgroup(SHARED, 256, "var j = i + 1024u; m[j] = 4u; out[i] = m[i] + m[j];")),
        (
            "registers that others left",
            workgroup("var<private> p: u32;", 4, "var x: u32; x += i; p += x; out[i] = x + 10u * p;"),
        ),
    ]
}

/// Whatever a kernel does, it ends, the fuel is the executor's, and the device serves on.
#[test]
fn kernels_that_mean_harm_end() {
    drivers::on_each("task::hostile::kernels_that_mean_harm_end", |_, device| {
        let tasks = tasks(device);
        for (name, source) in endless() {
            let kernel = kernel(&source, "main");
            let size = kernel.workgroup_size()[0] as usize;
            let started = Instant::now();
            let ready = ready(&tasks, name, &kernel);
            let ended = same(name, &kernel, &*ready, &vec![(vec![0; size], Some(1))], [1; 3], 200_000);
            assert_eq!((ended.done, ended.cost), (Err(DispatchError::OutOfFuel), 200_000), "{name}");
            assert!(started.elapsed() < Duration::from_secs(30), "{name}");
        }
        for (name, source) in bounded() {
            let kernel = kernel(&source, "main");
            let size = kernel.workgroup_size()[0] as usize;
            let ready = ready(&tasks, name, &kernel);
            same(name, &kernel, &*ready, &vec![(vec![0; size], Some(1))], [1; 3], BUDGET);
        }
        // An invocation that is too long for a device is the processor's, with all that it has.
        let long = kernel(&workgroup("", 256, "for (var n = 0u; n < 10000000u; n++) { out[i] += n; }"), "main");
        let (mut buffers, mut left) = (vec![(vec![3; 256], Some(1))], u64::MAX);
        let residents = [Resident::default()];
        let ready = ready(&tasks, "long", &long);
        let done = ready.dispatch(&long, &mut bound(&mut buffers), &residents, [1; 3], &mut left);
        assert_eq!((done, left, buffers[0].0[0]), (Ok(None), u64::MAX, 3));
    });
}
