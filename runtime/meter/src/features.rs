//! Which WebAssembly proposals are accepted.

use wasmparser::{Parser, WasmFeatures};

/// The accepted features, built up from none: what is not named here is refused.
///
/// Relaxed SIMD is accepted because the engine compiles it in its deterministic lowering. Of the reference types only
/// `funcref` is: `externref` needs a garbage collector (the parser's `GC_TYPES`), and the engine has none.
pub fn features() -> WasmFeatures {
    [
        WasmFeatures::MUTABLE_GLOBAL,
        WasmFeatures::SATURATING_FLOAT_TO_INT,
        WasmFeatures::SIGN_EXTENSION,
        WasmFeatures::FLOATS,
        WasmFeatures::MULTI_VALUE,
        WasmFeatures::BULK_MEMORY,
        WasmFeatures::BULK_MEMORY_OPT,
        WasmFeatures::REFERENCE_TYPES,
        WasmFeatures::CALL_INDIRECT_OVERLONG,
        WasmFeatures::SIMD,
        WasmFeatures::RELAXED_SIMD,
        WasmFeatures::EXTENDED_CONST,
        WasmFeatures::TAIL_CALL,
        WasmFeatures::COMPONENT_MODEL,
    ]
    .into_iter()
    .fold(WasmFeatures::empty(), WasmFeatures::union)
}

/// A parser that reads encodings of the accepted features only.
pub(crate) fn parser() -> Parser {
    let mut parser = Parser::new(0);
    parser.set_features(features());
    parser
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_never_accepts_is_off() {
        for refused in [
            WasmFeatures::GC,
            WasmFeatures::GC_TYPES,
            WasmFeatures::FUNCTION_REFERENCES,
            WasmFeatures::THREADS,
            WasmFeatures::SHARED_EVERYTHING_THREADS,
            WasmFeatures::EXCEPTIONS,
            WasmFeatures::LEGACY_EXCEPTIONS,
            WasmFeatures::MEMORY64,
            WasmFeatures::MULTI_MEMORY,
            WasmFeatures::MEMORY_CONTROL,
            WasmFeatures::CUSTOM_PAGE_SIZES,
            WasmFeatures::STACK_SWITCHING,
            WasmFeatures::WIDE_ARITHMETIC,
            WasmFeatures::CM_ASYNC,
            WasmFeatures::CM_VALUES,
            WasmFeatures::CM_GC,
            WasmFeatures::CM_ERROR_CONTEXT,
        ] {
            assert!(!features().intersects(refused), "{refused:?}");
        }
    }
}
