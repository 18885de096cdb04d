//! Kernels that tasks bring, and that are hostile: on the processor and on both devices they come to the same claim, and
//! the daemon that ran them serves on.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Surprises;
use crate::command::{Home, PATIENCE, finish_within};
use crate::devices::with_drivers;
use crate::programs::{build, task};

/// What `tasks/matmul` binds, with workgroup memory that some of the kernels misuse.
const BINDINGS: &str = "struct Sizes { rows: u32, depth: u32, columns: u32 }
@group(0) @binding(0) var<storage, read> sizes: Sizes;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read_write> product: array<u32>;
var<workgroup> m: array<u32, 256>;
";

/// One workgroup of invocations; none reaches its fuel in an honest kernel.
const ARGUMENTS: [&str; 9] =
    ["--no-cache", "--param", "rows=16", "--param", "depth=16", "--param", "columns=16", "--fuel", "20000000"];

/// How a run must end: its exit code, and a part of what is said.
type End = (i32, &'static str);

/// Of each kernel its name, declarations, sides of a workgroup and body, and how a run of it ends.
const KERNELS: [(&str, &str, &str, &str, End); 11] = [
    ("a loop without end", "", "16, 16", "loop { }", (4, "out-of-fuel")),
    (
        "loops in loops",
        "",
        "16, 16",
        "for (var a = 0u; a < 99999u; a++) { for (var b = 0u; b < 99999u; b++) { product[i] += b; } }",
        (4, "out-of-fuel"),
    ),
    ("barriers without end", "", "16, 16", "loop { workgroupBarrier(); }", (4, "out-of-fuel")),
    (
        "indices far out",
        "",
        "16, 16",
        "let j = i + 0x7fffffffu; product[j] = 7u; m[j] = 7u; product[i] = product[j] + m[j] + u32(left[j]);",
        (0, ""),
    ),
    ("what nobody wrote", "", "16, 16", "var x: u32; product[i] = x + m[255u - i] + product[i];", (0, "")),
    ("a race", "", "16, 16", "m[0] = i;", (3, "race")),
    (
        "atomics in two ways",
        "var<workgroup> n: atomic<u32>;",
        "16, 16",
        "if (i < 9u) { atomicAdd(&n, i); } else { atomicMax(&n, i); }",
        (3, "race"),
    ),
    (
        "atomics far out",
        "var<workgroup> n: array<atomic<u32>, 8>;",
        "16, 16",
        "atomicAdd(&n[i + 0x7ffffff0u], 1u); atomicAdd(&n[product[i] + i], i); workgroupBarrier(); product[i] = atomicLoad(&n[i]);",
        (0, ""),
    ),
    ("a barrier for some", "", "16, 16", "if (i == 0u) { workgroupBarrier(); }", (3, "parted at a barrier")),
    ("a large workgroup", "", "64, 64", "product[i] = 1u;", (3, "it is too large")),
    (
        "more code than is written",
        "fn a(x: u32) -> u32 { return x * x + 1u; } fn b(x: u32) -> u32 { return a(a(a(a(x)))); }
        fn c(x: u32) -> u32 { return b(b(b(b(x)))); } fn d(x: u32) -> u32 { return c(c(c(c(x)))); }
        fn e(x: u32) -> u32 { return d(d(d(d(x)))); } fn f(x: u32) -> u32 { return e(e(e(e(x)))); }
        fn g(x: u32) -> u32 { return f(f(f(f(x)))); } fn h(x: u32) -> u32 { return g(g(g(g(x)))); }",
        "16, 16",
        "product[i] = h(h(h(h(i))));",
        (3, "it is too large"),
    ),
];

/// The folder of a task like `tasks/matmul`, but for the kernel in its component.
fn folder(home: &Home, component: &[u8], source: &str) -> PathBuf {
    let own = fs::read_to_string(task("matmul/src/matmul.wgsl")).unwrap();
    assert!(source.len() <= own.len(), "{} bytes do not fit {}", source.len(), own.len());
    let place = component.windows(own.len()).position(|window| window == own.as_bytes()).unwrap();
    let mut component = component.to_vec();
    component[place..][..own.len()].copy_from_slice(format!("{source:<width$}", width = own.len()).as_bytes());
    let package = fs::read_to_string(task("matmul/package.toml")).unwrap();
    let folder = home.scratch().join("hostile");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("task.wasm"), component).unwrap();
    fs::write(folder.join("package.toml"), package.replace("crate = \".\"", "component = \"task.wasm\"")).unwrap();
    folder
}

fn run(home: &Home, target: &Path, arguments: &[&str]) -> (i32, Value) {
    let mut command = home.command(["--json", "run", target.to_str().unwrap()]);
    command.args(arguments);
    let ended = finish_within(2 * PATIENCE, command, home.scratch(), || {});
    (ended.exit, ended.json())
}

#[test]
fn hostile_kernels_end_alike_on_every_device_and_the_daemon_serves_on() {
    let mut surprises = Surprises::default();
    let component = fs::read(build(&Home::new(), "matmul")).unwrap();
    let mut claims: Vec<Vec<Value>> = Vec::new();
    for device in ["cpu", "SwiftShader", "llvmpipe"] {
        let home = with_drivers();
        let daemon = home.daemon(["--device", device]);
        let mut of_device = Vec::new();
        for (name, declarations, sides, body, (code, words)) in KERNELS {
            let source = format!(
                "{BINDINGS}{declarations}
                @compute @workgroup_size({sides}) fn multiply(@builtin(local_invocation_index) i: u32) {{ {body} }}"
            );
            let (exit, ran) = run(&home, &folder(&home, &component, &source), &ARGUMENTS);
            let as_expected = exit == code && ran["outcome"].to_string().contains(words);
            surprises.expect(as_expected, || format!("{name} on {device}: not {code}, {words:?} but {exit}: {ran}"));
            of_device.push(ran["claim"].clone());
        }
        let (exit, ran) = run(&home, &task("matmul"), &["--no-cache"]);
        surprises.expect(exit == 0, || format!("an honest kernel on {device}: {ran}"));
        of_device.push(ran["claim"].clone());
        assert!(of_device.iter().all(Value::is_string), "{device}: {of_device:?}");
        claims.push(of_device);
        drop(daemon);
    }
    surprises.expect(claims.iter().all(|of_device| *of_device == claims[0]), || format!("other claims: {claims:#?}"));
}
