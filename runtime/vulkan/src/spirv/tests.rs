//! What the words say, read by a decoder of the test's own; and what hostile shaders end as.

use std::collections::BTreeSet;

use crate::device::Features;
use crate::kernels::{self, Step, Tiling};

use super::{FloatControls, SOURCE_LIMIT, Shader, ShaderError, TYPE_LIMIT, WORKGROUP_LIMIT};

const EVERYTHING: &str = "
@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read_write> right: array<f32>;
var<workgroup> shared_tile: array<f32, 8>;
@compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = left[id.x];
    let y = right[id.x];
    shared_tile[id.x % 8] = x;
    workgroupBarrier();
    let v = vec3(x, y, 1.0) * y + vec3(y);
    let m = mat2x2(x, y, y, x) * vec2(x, y);
    let whole = i32(x) + i32(u32(y)) * 3;
    right[id.x] = -x + (x - y) * x / y + x % y + fma(x, y, 2.0) + sqrt(x) + dot(v, v) + m.x
        + f32(whole) + f32(id.x) + shared_tile[7 - id.x % 8];
}";

/// Opcodes of the SPIR-V specification that compute with floats, from FNegate to Dot, and conversions.
const FLOAT_OPCODES: [u32; 20] =
    [127, 129, 131, 133, 136, 140, 141, 142, 143, 144, 145, 146, 147, 148, 109, 110, 111, 112, 115, 116];
/// OpExtInst: here `fma` and `sqrt`, all of them of floats.
const EXT_INST: u32 = 12;

/// Every instruction as (opcode, its other words).
fn instructions(words: &[u32]) -> Vec<(u32, &[u32])> {
    let mut rest = &words[5..];
    let mut found = Vec::new();
    while let [first, ..] = *rest {
        let (instruction, behind) = rest.split_at((first >> 16) as usize);
        found.push((first & 0xffff, &instruction[1..]));
        rest = behind;
    }
    found
}

fn float_results(words: &[u32]) -> BTreeSet<u32> {
    let of_floats = |&(opcode, _): &(u32, &[u32])| FLOAT_OPCODES.contains(&opcode) || opcode == EXT_INST;
    instructions(words).into_iter().filter(of_floats).map(|(_, operands)| operands[1]).collect()
}

/// Ids under OpDecorate … NoContraction.
fn marked(words: &[u32]) -> BTreeSet<u32> {
    let marks = instructions(words).into_iter().filter(|&(opcode, operands)| opcode == 71 && operands[1] == 42);
    marks.map(|(_, operands)| operands[0]).collect()
}

fn count(words: &[u32], opcode: u32, operands: &[u32]) -> usize {
    instructions(words).iter().filter(|(found, rest)| *found == opcode && rest.ends_with(operands)).count()
}

#[test]
fn every_float_instruction_is_marked_and_no_other() {
    let shader = Shader::new(EVERYTHING, FloatControls::default()).unwrap();
    let floats = float_results(shader.words());
    // Eight `+`, two `-`, … : at least as many as the source shows.
    assert!(floats.len() >= 20, "{floats:?}");
    assert_eq!(marked(shader.words()), floats);

    let undecorated = Shader::undecorated(EVERYTHING, FloatControls::default()).unwrap();
    assert_eq!(marked(undecorated.words()), BTreeSet::new());
    assert_eq!(float_results(undecorated.words()), floats);
    assert_eq!((shader.entry(), shader.bindings()), ("main", 2));
}

#[test]
fn float_controls_are_asked_for_as_the_device_declares_them() {
    for (nearest_even, special_values) in [(false, false), (true, false), (false, true), (true, true)] {
        let controls = FloatControls { nearest_even, special_values, fused: false };
        let shader = Shader::new(EVERYTHING, controls).unwrap();
        let words = shader.words();
        // OpCapability and OpExecutionMode … 32 of RoundingModeRTE, then of SignedZeroInfNanPreserve.
        let found = [(17, &[4467][..]), (16, &[4462, 32]), (17, &[4466]), (16, &[4461, 32])]
            .map(|(opcode, operands)| count(words, opcode, operands));
        let expected = [nearest_even, nearest_even, special_values, special_values].map(usize::from);
        assert_eq!(found, expected);
        // OpExtension "SPV_KHR_float_controls", by its last words "t_co", "ntro" and "ls".
        let named = count(words, 10, &[*b"t_co", *b"ntro", *b"ls\0\0"].map(u32::from_le_bytes));
        assert_eq!(named, usize::from(nearest_even || special_values));
    }
}

/// OpAtomicLoad, and the operation: their semantics are a constant of 0, and those of barriers are not.
#[test]
fn atomics_ask_for_no_order() {
    let source = "@group(0) @binding(0) var<storage, read_write> all: array<atomic<i32>>;
        var<workgroup> m: array<atomic<i32>, 4>;
        @compute @workgroup_size(4) fn main(@builtin(local_invocation_index) i: u32) {
            atomicMin(&m[i], 3); workgroupBarrier(); atomicAdd(&all[i], atomicLoad(&m[3u - i]));
        }";
    let shader = Shader::of_task(source, FloatControls::default()).unwrap();
    let all = instructions(shader.words());
    let constant = |id: u32| all.iter().find(|(opcode, operands)| *opcode == 43 && operands[1] == id).unwrap().1[2];
    let semantics = |wanted: u32, place: usize| {
        let operands = all.iter().find(|(opcode, _)| *opcode == wanted).unwrap().1;
        constant(operands[place])
    };
    // OpAtomicLoad, OpAtomicSMin, OpAtomicIAdd.
    assert_eq!([227, 236, 234].map(|opcode| semantics(opcode, 4)), [0; 3]);
    // OpControlBarrier: WorkgroupMemory, and acquire and release.
    assert_eq!(semantics(224, 2), 0x108);
    let refused = Shader::new(source, FloatControls::default());
    assert!(matches!(refused, Err(ShaderError::Translation(_))), "our own have none: {refused:?}");
}

#[test]
fn the_fused_step_has_its_instruction_where_the_device_has_one() {
    let fused = FloatControls { fused: true, ..FloatControls::default() };
    let fmas = |words: &[u32]| {
        let found = instructions(words).into_iter().filter(|&(opcode, rest)| opcode == EXT_INST && rest[3] == 50);
        found.map(|(_, rest)| [&rest[..2], &rest[4..]].concat()).collect::<Vec<_>>()
    };
    let its_own = |words: &[u32]| {
        let found = instructions(words).into_iter().filter(|&(opcode, _)| opcode == 4427);
        found.map(|(_, rest)| rest.to_vec()).collect::<Vec<_>>()
    };
    let plain = Shader::new(EVERYTHING, FloatControls::default()).unwrap();
    let shader = Shader::new(EVERYTHING, fused).unwrap();
    assert_eq!((fmas(plain.words()).len(), its_own(plain.words()).len()), (1, 0));
    assert_eq!((fmas(shader.words()), its_own(shader.words())), (vec![], fmas(plain.words())));
    // What vulkano reads is the shader with GLSL's.
    assert_eq!((plain.readable(), shader.readable()), (plain.words(), plain.words()));
    assert_eq!((plain.controls(), shader.controls()), (FloatControls::default(), fused));
    // The instruction is marked as the other was.
    assert_eq!(marked(shader.words()), marked(plain.words()));

    let undecorated = Shader::undecorated(EVERYTHING, FloatControls { nearest_even: true, ..fused }).unwrap();
    assert_eq!(its_own(undecorated.words()), its_own(shader.words()));
    assert_eq!((undecorated.controls(), marked(undecorated.words())), (fused, BTreeSet::new()));
}

#[test]
fn kernels_of_both_instructions_are_the_same_otherwise() {
    let features = Features { nearest_even: true, special_values: true, integer_dot: false, fused: true };
    for kernel in [
        |step| kernels::matmul(step, Tiling::Shared),
        |step| kernels::convolution(step, Tiling::Direct),
        kernels::program,
        kernels::rows,
        kernels::blocks,
    ] {
        let [khr, fma] =
            [Step::Khr, Step::Fma].map(|step| Shader::new(&kernel(step), step.controls(features)).unwrap());
        assert_eq!(khr.readable(), fma.words());
        assert_ne!(khr.words(), fma.words());
    }
}

#[test]
fn what_is_not_one_compute_shader_over_storage_buffers_is_refused_by_name() {
    let main = "@compute @workgroup_size(1) fn main() {}";
    let buffer = |group: u32, binding: u32| {
        format!("@group({group}) @binding({binding}) var<storage, read_write> odd_one: array<u32>; {main}")
    };
    let binding = || ShaderError::Binding { name: "odd_one".to_owned() };
    for (source, expected) in [
        (String::new(), ShaderError::EntryPoints { found: 0, others: 0 }),
        (
            format!("{main} @compute @workgroup_size(1) fn other() {{}}"),
            ShaderError::EntryPoints { found: 2, others: 0 },
        ),
        ("@fragment fn main() {}".to_owned(), ShaderError::EntryPoints { found: 0, others: 1 }),
        (buffer(1, 0), binding()),
        (buffer(0, 1), binding()),
        (buffer(0, 4), binding()),
        (format!("@group(0) @binding(0) var<uniform> odd_one: vec4<f32>; {main}"), binding()),
        (format!("@group(0) @binding(0) var odd_one: texture_2d<f32>; {main}"), binding()),
        (" ".repeat(SOURCE_LIMIT + 1), ShaderError::TooLong { bytes: SOURCE_LIMIT + 1 }),
    ] {
        assert_eq!(Shader::new(&source, FloatControls::default()), Err(expected), "{source:.80}");
    }
}

#[test]
fn hostile_shaders_end_in_an_error() {
    let body = |code: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> data: array<f32>;
             @compute @workgroup_size(1) fn main() {{ {code} }}"
        )
    };
    for (name, source) in [
        ("not text", "\0\u{feff}\u{202e}".repeat(99)),
        ("nothing closed", "(".repeat(60_000)),
        ("deep parentheses", body(&format!("data[0] = {}1.0{};", "(".repeat(30_000), ")".repeat(30_000)))),
        ("deep blocks", body(&format!("{}{}", "{".repeat(30_000), "}".repeat(30_000)))),
        ("a function that calls itself", "fn f() { f(); } @compute @workgroup_size(1) fn main() { f(); }".to_owned()),
        ("a type of itself", "struct A { a: A } @compute @workgroup_size(1) fn main() { var a: A; }".to_owned()),
        ("a workgroup of nobody", "@compute @workgroup_size(0) fn main() {}".to_owned()),
        ("double precision", body("data[0] = f32(f64(1.0));")),
        ("half precision", format!("enable f16; {}", body("data[0] = f32(f16(data[1]));"))),
        ("a constant out of range", body("data[0] = 1e39;")),
        ("an index out of a constant", body("let a = array(1.0, 2.0); data[0] = a[2];")),
        ("a division of constants by zero", body("data[0] = f32(1 / 0);")),
    ] {
        let found = Shader::new(&source, FloatControls::default());
        assert!(matches!(found, Err(ShaderError::Syntax(_) | ShaderError::Invalid(_))), "{name}: {found:?}");
    }
}

#[test]
fn no_type_and_no_workgroup_is_beyond_what_every_device_has() {
    let with = |declaration: &str, code: &str| {
        format!(
            "{declaration} @group(0) @binding(0) var<storage, read_write> data: array<f32>;
             @compute @workgroup_size(1) fn main() {{ {code} }}"
        )
    };
    let touch = "tile[0] = data[0]; workgroupBarrier(); data[1] = tile[0];";
    for (source, bytes, limit) in [
        (
            with("struct S { a: array<f32, 5000>, b: array<f32, 15000> }", "var a: S; data[0] = a.b[1];"),
            80_000,
            TYPE_LIMIT,
        ),
        (with("var<workgroup> tile: array<f32, 4097>;", touch), 4 * 4_097, WORKGROUP_LIMIT),
    ] {
        assert_eq!(
            Shader::new(&source, FloatControls::default()),
            Err(ShaderError::TooLarge { bytes, limit }),
            "{source}"
        );
    }
    let fits = with("var<workgroup> tile: array<f32, 4096>;", touch);
    assert!(Shader::new(&fits, FloatControls::default()).is_ok());
}

#[test]
fn the_longest_sum_that_fits_does_not_end_the_process() {
    let frame = "@group(0) @binding(0) var<storage, read_write> d: array<f32>;
        @compute @workgroup_size(1) fn main() { let x = d[0]; d[0] = x";
    let terms = (SOURCE_LIMIT - frame.len() - 3) / 2;
    for operator in ["+x", "-x"] {
        let source = format!("{frame}{}; }}", operator.repeat(terms));
        let shader = Shader::new(&source, FloatControls::default()).unwrap();
        assert_eq!(marked(shader.words()).len(), terms);
    }
}
