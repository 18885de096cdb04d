//! One operation, or a few in a row, whose every rounding counts.

use poai_numerics::step;

use super::check::Check;
use super::numbers::{Numbers, bits, canonical, edges};
use crate::kernels::Step;

/// Cases of a check that is made of random numbers.
const CASES: usize = 4_096;

pub(super) fn checks() -> Vec<Check> {
    vec![rounding(), contraction(), reassociation(), literals(), subnormals(), specials(), ordering(), conversions()]
}

/// Groups of N numbers, whose exponents lie in a range, and an answer to each.
fn cases<const N: usize>(seed: u64, range: [i32; 2], answer: impl Fn([f32; N]) -> f32) -> (Vec<u32>, Vec<u32>) {
    let mut numbers = Numbers::new(seed);
    let groups: Vec<[f32; N]> =
        (0..CASES).map(|_| std::array::from_fn(|_| numbers.between(range[0], range[1]))).collect();
    (bits(groups.as_flattened()), groups.into_iter().map(|group| canonical(answer(group))).collect())
}

/// Sums, differences and products round once, to nearest, ties to even.
fn rounding() -> Check {
    let mut numbers = Numbers::new(1);
    let pairs: Vec<[f32; 2]> = (0..CASES).map(|_| [numbers.between(-12, 12), numbers.between(-12, 12)]).collect();
    let expected = pairs.iter().flat_map(|&[a, b]| [a + b, a - b, a * b]).map(canonical).collect();
    let result = "fn result(i: u32) -> f32 {
        let a = number(i / 3u * 2u);
        let b = number(i / 3u * 2u + 1u);
        if i % 3u == 0u { return a + b; }
        if i % 3u == 1u { return a - b; }
        return a * b;
    }";
    Check::each("rounding", "", result, bits(pairs.as_flattened()), expected)
}

/// A product and a sum that are written apart stay apart.
fn contraction() -> Check {
    let (given, expected) = cases(2, [-6, 6], |[a, b, c]: [f32; 3]| a * b + c);
    let result = |formula: &str| {
        format!(
            "fn result(i: u32) -> f32 {{
                let a = number(i * 3u);
                let b = number(i * 3u + 1u);
                let c = number(i * 3u + 2u);
                return {formula};
            }}"
        )
    };
    Check::each("contraction", "", &result("a * b + c"), given, expected)
        .planted(Step::Emulated.source(), &result("step(a, b, c)"))
}

/// What algebra would simplify: the error of a sum, and sums and products whose order shows.
fn reassociation() -> Check {
    let (given, expected) = cases(3, [-10, 10], |[a, b, c, d]: [f32; 4]| {
        let sum = a + b;
        let shadow = sum - a;
        let error = (a - (sum - shadow)) + (b - shadow);
        ((error + ((a * b) * c) * d) + ((a + c) - a)) + (a * c - b * c)
    });
    let result = |error: &str| {
        format!(
            "fn result(i: u32) -> f32 {{
                let a = number(i * 4u);
                let b = number(i * 4u + 1u);
                let c = number(i * 4u + 2u);
                let d = number(i * 4u + 3u);
                let sum = a + b;
                let shadow = sum - a;
                let error = {error};
                return ((error + ((a * b) * c) * d) + ((a + c) - a)) + (a * c - b * c);
            }}"
        )
    };
    Check::each("reassociation", "", &result("(a - (sum - shadow)) + (b - shadow)"), given, expected)
        .planted("", &result("0.0"))
}

/// Constants are not gathered, and no operation by a constant is left out.
fn literals() -> Check {
    let (mut given, mut expected) = cases(4, [-20, 20], |[x]: [f32; 1]| literal_answer(x));
    for edge in edges().into_iter().filter(|&edge| !f32::from_bits(edge).is_subnormal()) {
        given.push(edge);
        expected.push(canonical(literal_answer(f32::from_bits(edge))));
    }
    let result = |rounded: &str| {
        format!(
            "fn result(i: u32) -> f32 {{
                let x = number(i);
                let rounded = {rounded};
                let scaled = (x * 0.1) * 10.0;
                let nothing = x * 0.0 + (x - x);
                return ((rounded + scaled) + (x + 0.3) + 0.6) + nothing;
            }}"
        )
    };
    Check::each("literals", "", &result("(x + 12582912.0) - 12582912.0"), given, expected).planted("", &result("x"))
}

#[expect(clippy::eq_op, reason = "x - x is NaN where x is infinite")]
fn literal_answer(x: f32) -> f32 {
    let rounded = (x + 12_582_912.0) - 12_582_912.0;
    let scaled = (x * 0.1) * 10.0;
    let nothing = x * 0.0 + (x - x);
    ((rounded + scaled) + (x + 0.3) + 0.6) + nothing
}

/// Small numbers count as zero where the rules say so, whatever the device does with subnormals.
fn subnormals() -> Check {
    let mut given = edges();
    let mut numbers = Numbers::new(5);
    given.extend((0..512).map(|_| numbers.word() & 0x80ff_ffff));
    given.extend((0..512).map(|_| numbers.between(-104, -36).to_bits()));
    let expected = given
        .iter()
        .map(|&bits| f32::from_bits(bits))
        .flat_map(|x| [step::operand(x), step::element(x), step::stored(x)])
        .map(canonical)
        .collect();
    let result = |third: &str| {
        format!(
            "fn result(i: u32) -> f32 {{
                let x = given[i / 3u];
                if i % 3u == 0u {{ return operand(x); }}
                if i % 3u == 1u {{ return element(x); }}
                return {third};
            }}"
        )
    };
    Check::each("subnormals", "", &result("bitcast<f32>(stored(bitcast<f32>(x)))"), given, expected)
        .planted("", &result("bitcast<f32>(x)"))
}

/// Infinities, NaN and signed zeros in sums and products.
fn specials() -> Check {
    let edges: Vec<f32> = edges().into_iter().map(f32::from_bits).filter(|edge| !edge.is_subnormal()).collect();
    let pairs: Vec<[f32; 2]> = edges.iter().flat_map(|&a| edges.iter().map(move |&b| [a, b])).collect();
    // A product below the normal numbers may be flushed or not: it is no business of this check.
    let pairs: Vec<_> = pairs.into_iter().filter(|&[a, b]| tame(a * b) && tame(a + b) && tame(a - b)).collect();
    let expected = pairs.iter().flat_map(|&[a, b]| [a + b, a - b, a * b]).map(canonical).collect();
    let result = |product: &str| {
        format!(
            "fn result(i: u32) -> f32 {{
                let a = number(i / 3u * 2u);
                let b = number(i / 3u * 2u + 1u);
                if i % 3u == 0u {{ return a + b; }}
                if i % 3u == 1u {{ return a - b; }}
                return {product};
            }}"
        )
    };
    Check::each("specials", "", &result("a * b"), bits(pairs.as_flattened()), expected)
        .planted("", &result("select(a * b, 0.0, size(a) == 0u || size(b) == 0u)"))
}

/// Not so small that rounding to a normal number could depend on how underflow is detected.
fn tame(x: f32) -> bool {
    x == 0.0 || x.is_nan() || x.abs() > f32::MIN_POSITIVE
}

/// Comparisons with NaN are false; the greater and the lesser go by integer keys.
fn ordering() -> Check {
    let edges: Vec<f32> = edges().into_iter().map(f32::from_bits).collect();
    let pairs: Vec<[f32; 2]> = edges.iter().flat_map(|&a| edges.iter().map(move |&b| [a, b])).collect();
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    let expected = pairs
        .iter()
        .flat_map(|&[a, b]| {
            let (a, b) = (step::element(a), step::element(b));
            [step::greater(a, b), step::lesser(a, b), truth(a < b), truth(a == b)]
        })
        .map(canonical)
        .collect();
    let result = "fn result(i: u32) -> f32 {
        let a = element(given[i / 4u * 2u]);
        let b = element(given[i / 4u * 2u + 1u]);
        if i % 4u == 0u { return greater(a, b); }
        if i % 4u == 1u { return lesser(a, b); }
        if i % 4u == 2u { return select(0.0, 1.0, a < b); }
        return select(0.0, 1.0, a == b);
    }";
    Check::each("ordering", "", result, bits(pairs.as_flattened()), expected)
}

/// Integers become the nearest f32, ties to even; f32 become integers towards zero. Unsigned ones from 2³¹ on are left
/// out, and no kernel converts them: SwiftShader rounds those twice.
fn conversions() -> Check {
    let mut numbers = Numbers::new(6);
    let given: Vec<u32> = (0..CASES).map(|case| numbers.word() >> (case % 25)).collect();
    let expected = given
        .iter()
        .flat_map(|&word| {
            let part = (word >> 8) as f32 * 0.75;
            [(word >> 1) as f32, word.cast_signed() as f32, (part as i32) as f32]
        })
        .map(canonical)
        .collect();
    let result = "fn result(i: u32) -> f32 {
        let word = given[i / 3u];
        if i % 3u == 0u { return f32(word >> 1u); }
        if i % 3u == 1u { return f32(bitcast<i32>(word)); }
        return f32(i32(f32(word >> 8u) * 0.75));
    }";
    Check::each("conversions", "", result, given, expected)
}
