//! The way in which a stranger's bytes reach the meter, as a plain function.
//!
//! It takes any bytes and panics only if a law is broken. `cargo test -p poai-meter` runs it on the corpus and on
//! mutations of it; `cargo +nightly fuzz run fuzz_component` searches for more.

use poai_meter::{CostTable, Nans, Refused, StaticRule, StaticRules, check, features, instrument_with};
use wasmparser::Validator;

/// Characters that no error is longer than.
const MAX_ERROR_CHARS: usize = 1_024;

/// Bytes are refused with a readable error, or instrumented into a valid component, the same each time.
pub fn fuzz_component(data: &[u8]) {
    let checked = match check(data, &StaticRules::default()) {
        Ok(checked) => checked,
        Err(refused) => return assert_readable(&refused),
    };
    for nans in [Nans::ByCompiler, Nans::ByMeter] {
        match instrument_with(&checked, &CostTable::VERSION_1, nans) {
            Ok(component) => {
                let valid = Validator::new_with_features(features()).validate_all(&component).map(drop);
                assert!(valid.is_ok(), "instrumented, it is invalid: {valid:?}");
                let again = instrument_with(&checked, &CostTable::VERSION_1, nans);
                assert_eq!(again, Ok(component), "not the same each time");
            }
            Err(refused) => {
                assert!(matches!(refused.rule(), StaticRule::BodyBytes | StaticRule::CoreInstances), "{refused}");
                assert_readable(&refused);
            }
        }
    }
}

fn assert_readable(refused: &Refused) {
    let text = refused.to_string();
    assert!(!text.is_empty() && text.chars().count() <= MAX_ERROR_CHARS, "an error of {} bytes", text.len());
    assert!(!text.contains(|c: char| c.is_control()), "control characters in an error");
}
