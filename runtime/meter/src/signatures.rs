//! The function types of one core module: the original ones first, then those with the counters in them.

use std::collections::HashMap;

use wasm_encoder::{BlockType, TypeSection, ValType};
use wasmparser::FuncType;

use crate::calls::Convention;
use crate::wasm_types::val_types;

/// Types of a module while it is rewritten. Original indices stay valid, since new types come after.
pub(crate) struct Signatures {
    original: Vec<FuncType>,
    added: Vec<(Vec<ValType>, Vec<ValType>)>,
    counted: HashMap<(u32, Convention), u32>,
    blocks: HashMap<u32, u32>,
}

impl Signatures {
    pub(crate) fn new(original: Vec<FuncType>) -> Self {
        Self { original, added: Vec::new(), counted: HashMap::new(), blocks: HashMap::new() }
    }

    /// The original type at `index`, which was validated.
    pub(crate) fn original(&self, index: u32) -> &FuncType {
        &self.original[index as usize]
    }

    /// The index of type `index` with the counters that `convention` adds.
    pub(crate) fn counted(&mut self, index: u32, convention: Convention) -> u32 {
        if convention == Convention::Plain {
            return index;
        }
        if let Some(&known) = self.counted.get(&(index, convention)) {
            return known;
        }
        let (params, results) = with_counters(self.original(index), convention);
        let added = self.add(params, results);
        self.counted.insert((index, convention), added);
        added
    }

    /// The type of a block that has the results of function type `index`, and no parameters.
    pub(crate) fn body_block(&mut self, index: u32) -> BlockType {
        let results = val_types(self.original(index).results());
        match results.as_slice() {
            [] => BlockType::Empty,
            [one] => BlockType::Result(*one),
            _ => BlockType::FunctionType(match self.blocks.get(&index) {
                Some(&known) => known,
                None => {
                    let added = self.add(Vec::new(), results);
                    self.blocks.insert(index, added);
                    added
                }
            }),
        }
    }

    /// Adds a type that no original one gives rise to.
    pub(crate) fn add(&mut self, params: Vec<ValType>, results: Vec<ValType>) -> u32 {
        self.added.push((params, results));
        u32::try_from(self.original.len() + self.added.len() - 1).expect("types are limited")
    }

    pub(crate) fn section(&self) -> TypeSection {
        let mut section = TypeSection::new();
        for ty in &self.original {
            section.ty().function(val_types(ty.params()), val_types(ty.results()));
        }
        for (params, results) in &self.added {
            section.ty().function(params.iter().copied(), results.iter().copied());
        }
        section
    }
}

/// The parameters and results of a type under a convention: fuel, then stack, after its own; fuel after its results.
pub(crate) fn with_counters(ty: &FuncType, convention: Convention) -> (Vec<ValType>, Vec<ValType>) {
    let (mut params, mut results) = (val_types(ty.params()), val_types(ty.results()));
    match convention {
        Convention::Plain => {}
        Convention::Fuel => {
            params.push(ValType::I64);
            results.push(ValType::I64);
        }
        Convention::Full => {
            params.extend([ValType::I64, ValType::I32]);
            results.push(ValType::I64);
        }
    }
    (params, results)
}
