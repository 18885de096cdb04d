use super::alone;
use crate::{Kernel, KernelError};

/// What devices may do differently, or what has no place here, is refused by name, with what to write instead.
#[test]
fn what_is_not_for_kernels_is_named() {
    for (declarations, body, expected) in [
        ("", "var v = vec3(1.0); out[0] = u32(dot(v, v));", "dot is not for kernels: add the products"),
        ("", "var v = vec3(1.0); out[0] = u32(length(v));", "length is not for kernels: use sqrt"),
        ("", "var v = vec3(1.0); v = normalize(v); out[0] = u32(v.x);", "normalize is not for kernels: divide by sqrt"),
        ("", "var x = 1.0; out[0] = u32(mix(x, x, x));", "mix is not for kernels: use fma"),
        ("", "var x = 1.0; out[0] = u32(inverseSqrt(x));", "inverseSqrt is not for kernels: use 1.0 / sqrt(x)"),
        ("", "var x = 1.0; out[0] = u32(exp2(x));", "exp2 is not for kernels: use exp"),
        ("", "out[0] = u32(exp(1.0));", "exp of constants is not for kernels: write the number"),
        ("const e = exp(1.0);", "out[0] = u32(e);", "exp of constants is not for kernels"),
        ("const_assert sin(1.0) > 0.5;", "out[0] = 1u;", "sin of constants is not for kernels"),
        ("", "out[0] = u32(max(1.0, 2.0));", "max of constants is not for kernels"),
        ("", "var m = mat2x2<f32>(); out[0] = u32(determinant(m));", "determinant is not for kernels: write the diff"),
        ("@group(1) @binding(1) var<storage, read> u: array<u32>;", "out[0] = u[0];", "another group than 0"),
        ("@group(0) @binding(2) var<storage, read> u: array<u32>;", "out[0] = u[0];", "a gap in the numbers"),
        (
            "@group(0) @binding(1) var t: texture_2d<f32>;",
            "out[0] = u32(textureLoad(t, vec2(0), 0).x);",
            "address space",
        ),
        ("fn f(p: ptr<function, u32>) { *p = 1u; }", "var x = 0u; f(&x); out[0] = x;", "`ptr` is not for kernels"),
        ("override n: u32;", "out[0] = n;", "`override` is not for kernels"),
        ("", "textureBarrier();", "a barrier of a subgroup or of textures is not for kernels: use workgroupBarrier"),
    ] {
        match Kernel::parse(&alone(declarations, body), "main") {
            Err(error @ KernelError::Unsupported { .. }) => {
                let text = error.to_string();
                assert!(text.contains(expected), "{body}: {text}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_wgsl_has_its_place() {
    let text = Kernel::parse("fn main() {\n  let x = ;\n}", "main").unwrap_err().to_string();
    assert!(text.starts_with("line 2, column 11: "), "{text}");
    let wrong =
        "@group(0) @binding(0) var<storage, read> a: array<u32>; @compute @workgroup_size(1) fn main() { a[0] = 1u; }";
    assert!(matches!(Kernel::parse(wrong, "main"), Err(KernelError::Invalid(_))));
    let recursion = alone("fn f(x: u32) -> u32 { return f(x); }", "out[0] = f(1u);");
    assert!(matches!(Kernel::parse(&recursion, "main"), Err(KernelError::Invalid(_))));
}

#[test]
fn an_entry_point_has_its_name() {
    let source = "@compute @workgroup_size(1) fn a() { } @compute @workgroup_size(2) fn b() { } @fragment fn c() { }";
    assert_eq!(Kernel::parse(source, "b").unwrap().workgroup_size(), [2, 1, 1]);
    for name in ["c", "d", ""] {
        assert_eq!(Kernel::parse(source, name).unwrap_err(), KernelError::NoEntryPoint(name.into()));
    }
}
