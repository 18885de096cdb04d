//! What each part of the language does. Devices run these too: `runtime/vulkan/tests`.

/// A name, declarations, the body of a kernel of one invocation that writes up to four words to `out`, and what they are
/// then, by WGSL's text.
pub(crate) const STATEMENTS: &[(&str, &str, &str, &[u32])] = &[
    ("loops", "", "var s = 0u; for (var i = 0u; i < 5u; i++) { if (i == 3u) { continue; } s += i; } out[0] = s;", &[7]),
    ("while", "", "var s = 1u; while (s < 100u) { s *= 3u; } out[0] = s;", &[243]),
    ("break if", "", "var i = 0u; loop { i += 2u; continuing { i += 1u; break if i > 9u; } } out[0] = i;", &[12]),
    (
        "variables in loops begin anew",
        "",
        "for (var i = 0u; i < 3u; i++) { var x = 0u; x += 5u; out[i] = x; }",
        &[5, 5, 5],
    ),
    (
        "switch",
        "fn f(x: i32) -> u32 { switch x { case 1, 2: { return 10u; } case -3: { return 20u; } default: { } } return 30u; }",
        "out[0] = f(1); out[1] = f(2); out[2] = f(-3); out[3] = f(4);",
        &[10, 10, 20, 30],
    ),
    (
        "break of a switch in a loop",
        "",
        "var s = 0u; for (var i = 0u; i < 4u; i++) { switch i { case 2u: { break; } default: { s += i; } } s += 10u; } out[0] = s;",
        &[44],
    ),
    (
        "functions call functions",
        "fn double(x: u32) -> u32 { return x * 2u; } fn four(x: u32) -> u32 { return double(double(x)); }",
        "out[0] = four(3u) + double(1u);",
        &[14],
    ),
    (
        "early returns",
        "fn f(x: u32) -> u32 { if (x > 2u) { return 1u; } for (var i = 0u;; i++) { if (i == x) { return i + 7u; } } return 0u; }",
        "out[0] = f(5u); out[1] = f(2u);",
        &[1, 9],
    ),
    (
        "structures and arrays as values",
        "struct P { a: vec3<u32>, b: array<u32, 2>, c: u32 } fn f(p: P) -> P { var q = p; q.b[1] = 9u; q.a.y = 8u; return q; }",
        "let q = f(P(vec3(1u, 2u, 3u), array(4u, 5u), 6u)); out[0] = q.a.y; out[1] = q.b[1]; out[2] = q.a.z + q.b[0] + q.c;",
        &[8, 9, 13],
    ),
    (
        "vectors",
        "",
        "let v = vec4(1u, 2u, 3u, 4u); let w = v.wzyx * 2u + v; let m = select(v, w, v > vec4(2u)); out[0] = w.x; out[1] = m.y; out[2] = m.w; out[3] = u32(all(v < vec4(5u))) + u32(any(v == vec4(9u)));",
        &[9, 2, 6, 1],
    ),
    (
        "computed indices of values and vectors",
        "",
        "let v = vec3(7u, 8u, 9u); var a = array(1u, 2u, 3u); var i = 2u; out[0] = v[i]; a[i] = 30u; out[1] = a[i]; i = 3u; out[2] = v[i] + a[i]; a[i] = 5u; var w = v; w[i - 2u] = 1u; out[3] = w.y + a[2];",
        &[9, 30, 0, 31],
    ),
    (
        "references that are kept",
        "",
        "var a = array(1u, 2u, 3u); let p = &a[1]; *p = 20u; *p += 2u; out[0] = a[1];",
        &[22],
    ),
    (
        "private variables and constants",
        "const k = array(3u, 4u); var<private> seed: u32 = 5u; fn next() -> u32 { seed = seed * k[1] + k[0]; return seed; }",
        "out[0] = next(); out[1] = next();",
        &[23, 95],
    ),
    (
        "conversions",
        "",
        "let f = -2.7; var g = f; out[0] = u32(i32(g)); out[1] = bitcast<u32>(g); out[2] = u32(bool(g)); out[3] = bitcast<u32>(f32(3u));",
        &[-2_i32 as u32, (-2.7_f32).to_bits(), 1, 3.0_f32.to_bits()],
    ),
    (
        "functions of floats",
        "",
        "var x = 2.0; out[0] = bitcast<u32>(clamp(x, 0.0, 1.5)); out[1] = bitcast<u32>(saturate(x)); out[2] = bitcast<u32>(fma(x, x, 1.0)); out[3] = bitcast<u32>(sqrt(x * 8.0));",
        &[1.5_f32.to_bits(), 1.0_f32.to_bits(), 5.0_f32.to_bits(), 4.0_f32.to_bits()],
    ),
    (
        "both sides of a condition, as docs/compute.md says",
        "var<private> calls: u32; fn f() -> bool { calls += 1u; return true; }",
        "var no = false; var yes = true; if ((no && f()) || yes) { out[0] = calls; } out[1] = u32(yes || f()) + calls;",
        &[1, 3],
    ),
    ("length of an array", "", "out[0] = arrayLength(&out);", &[4]),
    (
        "atomics of i32",
        "var<workgroup> m: array<atomic<i32>, 4>;",
        "var k = 3; atomicAdd(&m[0], -5); atomicMin(&m[1], -7); atomicMax(&m[2], 9); atomicAdd(&m[0], 2); atomicStore(&m[k], 4); atomicStore(&m[k + 1], 8); workgroupBarrier(); for (var i = 0; i < 4; i++) { out[i] = u32(atomicLoad(&m[i])); } out[3] += u32(atomicLoad(&m[k + 2]));",
        &[-3_i32 as u32, -7_i32 as u32, 9, 4],
    ),
    (
        "atomics of u32",
        "var<workgroup> m: array<atomic<u32>, 3>; var<workgroup> n: atomic<u32>;",
        "atomicOr(&m[0], 6u); atomicStore(&m[1], 12u); atomicXor(&m[2], 5u); atomicXor(&m[2], 3u); atomicAdd(&n, 0xffffffffu); atomicAdd(&n, 2u); workgroupBarrier(); atomicAnd(&m[1], 10u); workgroupBarrier(); out[0] = atomicLoad(&m[0]); out[1] = atomicLoad(&m[1]); out[2] = atomicLoad(&m[2]); out[3] = atomicLoad(&n);",
        &[6, 8, 6, 1],
    ),
    (
        "matrices by vectors",
        "",
        "var m = mat2x3(1.0, 2.0, 3.0, 4.0, 5.0, 6.0); let v = m * vec2(10.0, 100.0); let w = vec3(1.0, 10.0, 100.0) * m; out[0] = u32(v.x) + 1000u * u32(v.z); out[1] = u32(w.x); out[2] = u32(w.y); m[1].y = 9.0; let n = transpose(m); out[3] = u32(n[1].y) + 10u * u32(n[2].x);",
        &[630_410, 321, 654, 39],
    ),
    (
        "matrices by matrices, and sums",
        "",
        "var a = mat2x2(1.0, 2.0, 3.0, 4.0); let b = mat3x2(vec2(1.0, 10.0), vec2(2.0, 20.0), vec2(3.0, 30.0)); let c = a * b; out[0] = u32(c[0].x) + 100u * u32(c[0].y) + 10000u * u32(c[2].x); let d = (a + a * 2.0) - 0.5 * a; out[1] = u32(2.0 * d[1].x); var i = 1u; out[2] = u32(a[i][0]) + 10u * u32(a[i][i]) + u32(a[i + 1u][0]); a[0] = vec2(7.0); out[3] = u32(a[0].y);",
        &[31 + 100 * 42 + 10_000 * 93, 15, 43, 7],
    ),
    (
        "a uniform load",
        "var<workgroup> m: array<u32, 4>;",
        "m[2] = 5u; let x = workgroupUniformLoad(&m[2]); m[2] = 7u; out[0] = x; out[1] = m[2];",
        &[5, 7],
    ),
];
