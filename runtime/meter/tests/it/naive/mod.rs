//! The oracle: a slow, obvious way to count what the meter counts, written from the rules and sharing no code with it.
//!
//! Fuel and stack are mutable globals, read and written at every turn. [`Mode::Points`] charges at the documented
//! points and is the reference for every trap; [`Mode::Instructions`] charges each instruction as it runs, and is the
//! reference for what a run that ends well has really executed.

mod charges; // where a body charges
mod operators; // what the rules say of single instructions
mod rewriter; // a module with the charges in it
mod survey; // what there is to know before

use poai_meter::CostTable;
use wasm_encoder::reencode::utils::parse_core_module;
use wasmparser::{ElementItems, Parser, Payload};

use rewriter::Naive;
use survey::Survey;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Points,
    Instructions,
}

/// Rewrites a module so that it counts naively in three added exports: the globals `fuel`, `stack`, `stack-ended`.
pub(crate) fn naive(module: &[u8], mode: Mode, fuel: i64, stack: i32) -> Vec<u8> {
    let survey = Survey::read(module);
    let mut rewriter = Naive { survey: &survey, mode, fuel, stack, next_body: 0, has_globals: false };
    let mut out = wasm_encoder::Module::new();
    parse_core_module(&mut rewriter, &mut out, Parser::new(0), module).unwrap();
    out.finish()
}

/// What an instance of the module costs, by the rules.
pub(crate) fn instance_cost(module: &[u8]) -> i64 {
    let costs = CostTable::VERSION_1;
    let mut total = u64::from(costs.instance);
    let mut data_bytes = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::TableSection(section) => {
                total += section.into_iter().map(|table| table.unwrap().ty.initial).sum::<u64>();
            }
            Payload::MemorySection(section) => {
                total += section.into_iter().map(|memory| memory.unwrap().initial).sum::<u64>() * 1_024;
            }
            Payload::ElementSection(section) => {
                for segment in section {
                    let segment = segment.unwrap();
                    if matches!(segment.kind, wasmparser::ElementKind::Active { .. }) {
                        total += u64::from(match segment.items {
                            ElementItems::Functions(items) => items.count(),
                            ElementItems::Expressions(_, items) => items.count(),
                        });
                    }
                }
            }
            Payload::DataSection(section) => {
                for segment in section {
                    let segment = segment.unwrap();
                    if matches!(segment.kind, wasmparser::DataKind::Active { .. }) {
                        data_bytes += segment.data.len() as u64 / 8;
                    }
                }
            }
            _ => {}
        }
    }
    i64::try_from(total + data_bytes).unwrap()
}
