//! Value types, from the parser's to the encoder's.

use wasm_encoder::{RefType, ValType};

/// Converts value types of the accepted features: numbers, vectors and function references.
pub(crate) fn val_types(types: &[wasmparser::ValType]) -> Vec<ValType> {
    types.iter().map(|&ty| val_type(ty)).collect()
}

pub(crate) fn val_type(ty: wasmparser::ValType) -> ValType {
    match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(_) => ValType::Ref(RefType::FUNCREF),
    }
}
