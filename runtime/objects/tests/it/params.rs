//! Parameters have one text. Published examples are those of RFC 8785.

use poai_objects::{Object, Params, Run};
use proptest::prelude::*;

use crate::{samples, strategies};

fn canonical(text: &str) -> String {
    Params::parse(text).unwrap().as_str().to_owned()
}

fn refusal(text: &str) -> String {
    Params::parse(text).unwrap_err().to_string()
}

#[test]
fn rfc_8785_examples() {
    // Section 3.2.2.
    let text = r#"{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"#;
    let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
                    \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    assert_eq!(canonical(text), expected);
    // Section 3.2.3: by UTF-16 code units, in which an emoji comes before U+FB33.
    let text = r#"{
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
                    \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\
                    \"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
    assert_eq!(canonical(text), expected);
}

#[test]
fn rfc_8785_numbers() {
    // Appendix B, without NaN and infinity, which JSON cannot write.
    for (bits, expected) in [
        (0x0000000000000000, "0"),
        (0x8000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x8000000000000001, "-5e-324"),
        (0x7fefffffffffffff, "1.7976931348623157e+308"),
        (0xffefffffffffffff, "-1.7976931348623157e+308"),
        (0x4340000000000000, "9007199254740992"),
        (0xc340000000000000, "-9007199254740992"),
        (0x44b52d02c7e14af5, "9.999999999999997e+22"),
        (0x44b52d02c7e14af6, "1e+23"),
        (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
        (0x444b1ae4d6e2ef50, "1e+21"),
        (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
        (0x3eb0c6f7a0b5ed8d, "0.000001"),
        (0x41b3de4355555553, "333333333.3333332"),
        (0x41b3de4355555554, "333333333.33333325"),
        (0x41b3de4355555555, "333333333.3333333"),
        (0x41b3de4355555556, "333333333.3333334"),
        (0x41b3de4355555557, "333333333.33333343"),
        (0xbecbf647612f3696, "-0.0000033333333333333333"),
        (0x43143ff3c1cb0959, "1424953923781206.2"),
    ] {
        let number = f64::from_bits(bits);
        assert_eq!(canonical(&format!("{{\"n\":{number:e}}}")), format!("{{\"n\":{expected}}}"), "{bits:016x}");
    }
    // Of the same table, but integers that not every reader keeps.
    for bits in [0x4430000000000000, 0x444b1ae4d6e2ef4e, 0x444b1ae4d6e2ef4f] {
        assert!(refusal(&format!("{{\"n\":{:e}}}", f64::from_bits(bits))).contains("beyond ±2^53"));
    }
}

#[test]
fn numbers_that_would_change_are_refused() {
    for (number, expected) in [
        ("9007199254740993", "beyond ±2^53"),
        ("-9007199254740993", "beyond ±2^53"),
        ("18446744073709551616", "beyond ±2^53"),
        ("1000000000000000000000000000001", "beyond ±2^53"),
        ("1e20", "beyond ±2^53"),
        ("1e400", "too large"),
        ("-1e400", "too large"),
    ] {
        let error = refusal(&format!("{{\"n\":{number}}}"));
        assert!(error.contains(expected) && error.contains(number), "{error}");
    }
    for (number, expected) in
        [("9007199254740992", "9007199254740992"), ("1.0", "1"), ("-0", "0"), ("10e-1", "1"), ("1e22", "1e+22")]
    {
        assert_eq!(canonical(&format!("{{\"n\":{number}}}")), format!("{{\"n\":{expected}}}"));
    }
}

#[test]
fn what_is_not_a_json_object_is_refused() {
    let deep = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    Params::parse(&deep(32)).unwrap();
    let endless = "[".repeat(200_000);
    for (text, expected) in [
        ("", "ends too early"),
        ("[]", "not a JSON object"),
        ("1", "not a JSON object"),
        ("{}x", "more after the value"),
        ("{} {}", "more after the value"),
        ("{\"a\":1,}", "name in quotes is missing"),
        ("{a:1}", "name in quotes is missing"),
        ("{\"a\" 1}", "':' is missing"),
        ("{\"a\":1 \"b\":2}", "',' or '}' is missing"),
        ("{\"a\":[1 2]}", "',' or ']' is missing"),
        ("{\"a\":[1,]}", "no value here"),
        ("{\"a\":NaN}", "no value here"),
        ("{\"a\":Infinity}", "no value here"),
        ("{\"a\":nul}", "no value here"),
        ("{\"a\":+1}", "no value here"),
        ("{\"a\":.5}", "no value here"),
        ("{\"a\":01}", "needless 0"),
        ("{\"a\":1.}", "digit is missing"),
        ("{\"a\":-}", "digit is missing"),
        ("{\"a\":1e}", "digit is missing"),
        ("{\"a\":\"b", "'\"' is missing"),
        ("{\"a\":\"\n\"}", "control character in a string"),
        ("{\"a\":\"\\x\"}", "no such escape"),
        ("{\"a\":\"\\u12g4\"}", "four hexadecimal digits"),
        ("{\"a\":\"\\u12", "four hexadecimal digits"),
        ("{\"a\":\"\\ud800\"}", "half of a surrogate pair"),
        ("{\"a\":\"\\ud800\\u0041\"}", "half of a surrogate pair"),
        ("{\"a\":\"\\udc00\"}", "half of a surrogate pair"),
        ("{\"a\":1,\"\\u0061\":2}", "stands twice"),
        ("{\"a\":{\"b\":1,\"b\":1}}", "stands twice"),
        ("\u{feff}{}", "no value here"),
        (&deep(33), "more than 32 deep"),
        (&endless, "more than 32 deep"),
        (&" ".repeat(300_000), "limit bytes of 262144"),
    ] {
        let error = refusal(text);
        assert!(error.contains(expected), "{:.40}: {error:?} does not say {expected:?}", text);
    }
}

#[test]
fn a_run_takes_canonical_parameters_only() {
    assert!("{\"a\": 1}".parse::<Params>().unwrap_err().to_string().contains("not in canonical form"));
    assert!("{\"b\":1,\"a\":1}".parse::<Params>().is_err());
    let bytes = samples::run().to_bytes();
    let (from, to) = (b"{\"epochs\":3,\"rate\":0.01}", b"{\"rate\":0.01,\"epochs\":3}");
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    let mut swapped = bytes;
    swapped[at..at + to.len()].copy_from_slice(to);
    assert!(Run::from_bytes(&swapped).unwrap_err().to_string().contains("not in canonical form (RFC 8785)"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_canonical_form_is_its_own(value in strategies::json_object()) {
        let params = Params::parse(&value.to_string()).unwrap();
        prop_assert_eq!(&Params::parse(params.as_str()).unwrap(), &params);
        prop_assert_eq!(&params.as_str().parse::<Params>().unwrap(), &params);
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(&Params::parse(&pretty).unwrap(), &params);
        prop_assert_eq!(Params::parse(&params.to_json().to_string()).unwrap(), params);
    }

    #[test]
    fn finite_numbers_keep_their_bits(number in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL) {
        let text = format!("{{\"n\":{number:e}}}");
        match Params::parse(&text) {
            Ok(params) => prop_assert_eq!(params.to_json()["n"].as_f64().unwrap().to_bits(), number.to_bits()),
            Err(_) => prop_assert!(number.abs() > 9_007_199_254_740_992.0 && number.abs() < 1e21),
        }
    }
}
