//! Adds to a module one exported function for each of its own, that calls it and folds its results and the module's
//! globals into a number: then programs with any signatures can be driven and compared.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder, utils};
use wasm_encoder::{CodeSection, ExportKind, Function, HeapType, Instruction, ValType};
use wasmparser::{FuncType, Parser, Payload};

/// The module with its drivers, and their names. Arguments come from `noise`.
pub(crate) fn with_drivers(module: &[u8], noise: impl Fn(u64) -> u64) -> (Vec<u8>, Vec<String>) {
    let mut driven = Driven { noise: &noise, types: Vec::new(), functions: Vec::new(), globals: Vec::new() };
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::TypeSection(section) => {
                driven.types.extend(section.into_iter_err_on_gc_types().map(|ty| ty.unwrap()));
            }
            Payload::FunctionSection(section) => driven.functions.extend(section.into_iter().map(|ty| ty.unwrap())),
            Payload::GlobalSection(section) => {
                driven.globals.extend(section.into_iter().map(|global| global.unwrap().ty.content_type));
            }
            Payload::ImportSection(section) => assert_eq!(section.count(), 0, "drivers serve modules without imports"),
            _ => {}
        }
    }
    let names = (0..driven.functions.len()).map(name).collect();
    let mut out = wasm_encoder::Module::new();
    utils::parse_core_module(&mut driven, &mut out, Parser::new(0), module).unwrap();
    (out.finish(), names)
}

fn name(function: usize) -> String {
    format!("drive-f{function}")
}

struct Driven<'a> {
    noise: &'a dyn Fn(u64) -> u64,
    types: Vec<FuncType>,
    functions: Vec<u32>,
    globals: Vec<wasmparser::ValType>,
}

impl Driven<'_> {
    fn driver(&self, function: usize) -> Function {
        let ty = &self.types[self.functions[function] as usize];
        let mut driver = Function::new([(1, ValType::I64)]);
        for (index, param) in ty.params().iter().enumerate() {
            let bits = (self.noise)((function * 1_000 + index) as u64);
            driver.instruction(&match RoundtripReencoder.val_type(*param).unwrap() {
                ValType::I32 => Instruction::I32Const(bits as i32 >> (bits % 32)),
                ValType::I64 => Instruction::I64Const(bits as i64 >> (bits % 64)),
                ValType::F32 => Instruction::F32Const(f32::from_bits(bits as u32).into()),
                ValType::F64 => Instruction::F64Const(f64::from_bits(bits).into()),
                ValType::V128 => Instruction::V128Const(i128::from(bits) << 32),
                ValType::Ref(_) => Instruction::RefNull(HeapType::FUNC),
            });
        }
        driver.instruction(&Instruction::Call(function as u32));
        for result in ty.results().iter().rev() {
            fold(&mut driver, *result);
        }
        for (index, ty) in (0u32..).zip(&self.globals) {
            driver.instruction(&Instruction::GlobalGet(index));
            fold(&mut driver, *ty);
        }
        driver.instruction(&Instruction::LocalGet(0)).instruction(&Instruction::End);
        driver
    }
}

/// Takes a value from the operand stack into local 0.
fn fold(driver: &mut Function, ty: wasmparser::ValType) {
    match RoundtripReencoder.val_type(ty).unwrap() {
        ValType::I32 => driver.instruction(&Instruction::I64ExtendI32U),
        ValType::I64 => driver,
        ValType::F32 => driver.instruction(&Instruction::I32ReinterpretF32).instruction(&Instruction::I64ExtendI32U),
        ValType::F64 => driver.instruction(&Instruction::I64ReinterpretF64),
        ValType::V128 => driver.instruction(&Instruction::I64x2ExtractLane(1)),
        ValType::Ref(_) => driver.instruction(&Instruction::RefIsNull).instruction(&Instruction::I64ExtendI32U),
    };
    driver
        .instruction(&Instruction::LocalGet(0))
        .instruction(&Instruction::I64Const(7))
        .instruction(&Instruction::I64Rotl)
        .instruction(&Instruction::I64Xor)
        .instruction(&Instruction::LocalSet(0));
}

impl Reencode for Driven<'_> {
    type Error = Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut wasm_encoder::TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([], [ValType::I64]);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut wasm_encoder::FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_function_section(self, functions, section)?;
        self.functions.iter().for_each(|_| {
            functions.function(self.types.len() as u32);
        });
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut wasm_encoder::ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_export_section(self, exports, section)?;
        for function in 0..self.functions.len() {
            exports.export(&name(function), ExportKind::Func, (self.functions.len() + function) as u32);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_code_section(self, code, section)?;
        for function in 0..self.functions.len() {
            code.function(&self.driver(function));
        }
        Ok(())
    }
}
