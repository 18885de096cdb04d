//! Random programs, the same for the same seed.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, Ieee32, Ieee64, Instruction, MemArg, MemorySection, MemoryType, Module, TypeSection,
    ValType,
};

/// Bytes that a module is drawn from.
const RANDOM_BYTES: usize = 6_000;

/// A valid module without imports, or none for this seed.
pub(crate) fn random_module(seed: u64) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = (0..RANDOM_BYTES as u64).map(|i| noise(seed << 32 | i) as u8).collect();
    let config = wasm_smith::Config {
        max_imports: 0,
        min_types: 2,
        min_funcs: 2,
        max_funcs: 6,
        min_exports: 1,
        max_instructions: 300,
        min_memories: 1,
        max_memory32_bytes: 4 << 16,
        min_tables: 1,
        max_tables: 3,
        max_table_elements: 1_000,
        allow_start_export: seed.is_multiple_of(4),
        memory64_enabled: false,
        // `externref` comes with it.
        reference_types_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        custom_page_sizes_enabled: false,
        tail_call_enabled: true,
        ..wasm_smith::Config::default()
    };
    let module = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(&bytes)).ok()?.to_bytes();
    let mut validator = wasmparser::Validator::new_with_features(poai_meter::features());
    validator.validate_all(&module).ok().map(|_| module)
}

/// SplitMix64: numbers without a pattern, the same each time.
pub(crate) fn noise(index: u64) -> u64 {
    let mut z = index.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Bytes of memory that random float programs use.
const MEMORY_BYTES: u64 = 512;
/// Locals of each type of float; they begin with the parameters, one of each type.
const LOCALS_EACH: u32 = 4;
const FLOATS: [ValType; 3] = [ValType::F32, ValType::F64, ValType::V128];

/// A module of two functions full of float arithmetic, loads, stores, merges and NaNs. Each takes one float of each
/// type and a number, and gives one float of each type; all of memory goes into a global at the end.
pub(crate) fn float_module(seed: u64) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::F32, ValType::F64, ValType::V128, ValType::I32], FLOATS);
    let mut functions = FunctionSection::new();
    functions.function(0).function(0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut globals = GlobalSection::new();
    globals.global(GlobalType { val_type: ValType::I64, mutable: true, shared: false }, &ConstExpr::i64_const(0));
    let mut exports = ExportSection::new();
    exports.export("first", ExportKind::Func, 0).export("second", ExportKind::Func, 1);
    let mut code = CodeSection::new();
    for function in 0..2 {
        code.function(&FloatWriter::function(seed * 2 + function, function == 1));
    }
    let mut data = DataSection::new();
    data.active(0, &ConstExpr::i32_const(0), (0..MEMORY_BYTES).map(|at| memory_byte(seed, at)).collect::<Vec<_>>());
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&globals).section(&exports);
    module.section(&code).section(&data);
    module.finish()
}

/// Half of the words are NaNs of one type or the other.
fn memory_byte(seed: u64, at: u64) -> u8 {
    let random = noise(seed ^ at << 20) as u8;
    match (noise(seed ^ (at / 8) << 40) % 4, at % 8) {
        (0, 7) | (1, 3 | 7) => 0x7f | (random & 0x80),
        (0, 6) => 0xf0 | random,
        (1, 2 | 6) => 0x80 | random,
        _ => random,
    }
}

struct FloatWriter {
    state: u64,
    out: Function,
    /// Whether it may call the first function.
    calls: bool,
    left: u32,
}

impl FloatWriter {
    fn function(seed: u64, calls: bool) -> Function {
        let each = LOCALS_EACH - 1;
        let mut locals: Vec<(u32, ValType)> = FLOATS.iter().map(|ty| (each, *ty)).collect();
        locals.push((8, ValType::I32));
        let mut writer = Self { state: seed, out: Function::new(locals), calls, left: 30 };
        while writer.left > 0 {
            writer.statement(0);
        }
        writer.memory_into_global();
        for ty in FLOATS {
            writer.expression(ty, 2);
        }
        writer.emit(Instruction::End);
        writer.out
    }

    fn pick(&mut self, choices: u64) -> u64 {
        self.state = self.state.wrapping_add(1);
        noise(self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)) % choices
    }

    fn emit(&mut self, instruction: Instruction<'_>) {
        self.out.instruction(&instruction);
    }

    /// A local of a type of float: the parameter, or one of those after the four parameters.
    fn local(&mut self, ty: ValType) -> u32 {
        let kind = FLOATS.iter().position(|float| *float == ty).unwrap() as u32;
        match self.pick(u64::from(LOCALS_EACH)) as u32 {
            0 => kind,
            n => 4 + kind * (LOCALS_EACH - 1) + n - 1,
        }
    }

    fn counter(depth: u32) -> u32 {
        4 + 3 * (LOCALS_EACH - 1) + depth
    }

    fn float(&mut self) -> ValType {
        FLOATS[self.pick(3) as usize]
    }

    fn statement(&mut self, depth: u32) {
        self.left = self.left.saturating_sub(1);
        let ty = self.float();
        match self.pick(if depth < 4 { 9 } else { 4 }) {
            0..=2 => {
                self.expression(ty, 3);
                let local = self.local(ty);
                self.emit(Instruction::LocalSet(local));
            }
            3 => self.store(ty),
            4 | 5 => {
                self.condition();
                self.emit(Instruction::If(BlockType::Empty));
                self.body(depth);
                if self.pick(2) == 0 {
                    self.emit(Instruction::Else);
                    self.body(depth);
                }
                self.emit(Instruction::End);
            }
            6 | 7 => {
                let counter = Self::counter(depth);
                let rounds = self.pick(3) as i32 + 1;
                self.emit(Instruction::I32Const(rounds));
                self.emit(Instruction::LocalSet(counter));
                self.emit(Instruction::Loop(BlockType::Empty));
                self.body(depth);
                self.emit(Instruction::LocalGet(counter));
                self.emit(Instruction::I32Const(1));
                self.emit(Instruction::I32Sub);
                self.emit(Instruction::LocalTee(counter));
                self.emit(Instruction::BrIf(0));
                self.emit(Instruction::End);
            }
            _ => {
                self.emit(Instruction::Block(BlockType::Empty));
                self.body(depth);
                self.condition();
                self.emit(Instruction::BrIf(0));
                self.body(depth);
                self.emit(Instruction::End);
            }
        }
    }

    fn body(&mut self, depth: u32) {
        for _ in 0..=self.pick(3) {
            self.statement(depth + 1);
        }
    }

    fn address(&mut self) -> MemArg {
        let at = self.pick(MEMORY_BYTES / 8 - 2) * 8;
        self.emit(Instruction::I32Const(0));
        MemArg { offset: at, align: 0, memory_index: 0 }
    }

    fn store(&mut self, ty: ValType) {
        let at = self.address();
        self.expression(ty, 3);
        self.emit(match ty {
            ValType::F32 => Instruction::F32Store(at),
            ValType::F64 => Instruction::F64Store(at),
            _ => Instruction::V128Store(at),
        });
    }

    fn load(&mut self, ty: ValType) {
        let at = self.address();
        self.emit(match ty {
            ValType::F32 => Instruction::F32Load(at),
            ValType::F64 => Instruction::F64Load(at),
            _ => Instruction::V128Load(at),
        });
    }

    fn condition(&mut self) {
        match self.pick(3) {
            0 => self.emit(Instruction::LocalGet(3)),
            1 => {
                let at = self.address();
                self.emit(Instruction::I32Load8U(at));
                self.emit(Instruction::I32Const(1));
                self.emit(Instruction::I32And);
            }
            _ => {
                self.expression(ValType::F64, 1);
                self.expression(ValType::F64, 1);
                self.emit(Instruction::F64Lt);
            }
        }
    }

    fn expressions(&mut self, types: &[ValType], depth: u32) {
        types.iter().for_each(|ty| self.expression(*ty, depth - 1));
    }

    fn expression(&mut self, ty: ValType, depth: u32) {
        if depth == 0 || self.pick(5) == 0 {
            return self.leaf(ty);
        }
        match self.pick(10) {
            0 => {
                self.expressions(&[ty, ty], depth);
                self.condition();
                self.emit(Instruction::TypedSelect(ty));
            }
            1 => {
                self.emit(Instruction::Block(BlockType::Result(ty)));
                self.expression(ty, depth - 1);
                self.condition();
                self.emit(Instruction::BrIf(0));
                self.emit(Instruction::Drop);
                self.expression(ty, depth - 1);
                self.emit(Instruction::End);
            }
            2 => {
                self.condition();
                self.emit(Instruction::If(BlockType::Result(ty)));
                self.expression(ty, depth - 1);
                self.emit(Instruction::Else);
                self.expression(ty, depth - 1);
                self.emit(Instruction::End);
            }
            3 => {
                self.expression(ty, depth - 1);
                let local = self.local(ty);
                self.emit(Instruction::LocalTee(local));
            }
            4 if self.calls && ty == ValType::V128 => {
                self.expressions(&FLOATS, depth);
                self.condition();
                self.emit(Instruction::Call(0));
                self.emit(Instruction::LocalSet(2));
                self.emit(Instruction::LocalSet(1));
                self.emit(Instruction::LocalSet(0));
                self.emit(Instruction::LocalGet(2));
            }
            _ => match ty {
                ValType::F32 => self.single(depth),
                ValType::F64 => self.double(depth),
                _ => self.vector(depth),
            },
        }
    }

    fn leaf(&mut self, ty: ValType) {
        match self.pick(6) {
            0 | 1 => self.load(ty),
            2 => {
                let bits = self.state;
                let special = self.pick(4) == 0;
                self.emit(match ty {
                    ValType::F32 => Instruction::F32Const(Ieee32::new(if special { 0xffa0_1234 } else { 0x4010_0000 })),
                    ValType::F64 => {
                        let nan = 0x7ff0_0000_dead_0001;
                        Instruction::F64Const(Ieee64::new(if special { nan } else { 0x7ff0_0000_0000_0000 }))
                    }
                    _ => Instruction::V128Const(if special { i128::from(noise(bits)) << 60 } else { 0 }),
                });
            }
            _ => {
                let local = self.local(ty);
                self.emit(Instruction::LocalGet(local));
            }
        }
    }

    fn single(&mut self, depth: u32) {
        use Instruction::{F32Add, F32Copysign, F32Div, F32Max, F32Mul, F32Sub};
        match self.pick(12) {
            0 => self.unary(ValType::F32, depth, Instruction::F32Neg),
            1 => self.unary(ValType::F32, depth, Instruction::F32Abs),
            2 => self.unary(ValType::F32, depth, Instruction::F32Sqrt),
            3 => self.unary(ValType::F64, depth, Instruction::F32DemoteF64),
            4 => self.unary(ValType::V128, depth, Instruction::F32x4ExtractLane(1)),
            5 => {
                self.unary(ValType::F32, depth, Instruction::I32TruncSatF32S);
                self.emit(Instruction::F32ConvertI32S);
            }
            6 => self.binary(ValType::F32, depth, F32Copysign),
            n => self.binary(ValType::F32, depth, [F32Add, F32Sub, F32Mul, F32Div, F32Max][n as usize - 7].clone()),
        }
    }

    fn double(&mut self, depth: u32) {
        use Instruction::{F64Add, F64Copysign, F64Div, F64Min, F64Mul, F64Sub};
        match self.pick(12) {
            0 => self.unary(ValType::F64, depth, Instruction::F64Neg),
            1 => self.unary(ValType::F64, depth, Instruction::F64Abs),
            2 => self.unary(ValType::F64, depth, Instruction::F64Nearest),
            3 => self.unary(ValType::F32, depth, Instruction::F64PromoteF32),
            4 => self.unary(ValType::V128, depth, Instruction::F64x2ExtractLane(1)),
            5 => {
                self.unary(ValType::F64, depth, Instruction::I64ReinterpretF64);
                self.emit(Instruction::I64Const(1 << 40));
                self.emit(Instruction::I64Xor);
                self.emit(Instruction::F64ReinterpretI64);
            }
            6 => self.binary(ValType::F64, depth, F64Copysign),
            n => self.binary(ValType::F64, depth, [F64Add, F64Sub, F64Mul, F64Div, F64Min][n as usize - 7].clone()),
        }
    }

    fn vector(&mut self, depth: u32) {
        use Instruction as I;
        let v = ValType::V128;
        match self.pick(24) {
            0 => self.unary(v, depth, I::F32x4Neg),
            1 => self.unary(v, depth, I::F32x4Abs),
            2 => self.unary(v, depth, I::F64x2Abs),
            3 => self.unary(v, depth, I::F64x2Sqrt),
            4 => self.unary(v, depth, I::F32x4DemoteF64x2Zero),
            5 => self.unary(v, depth, I::F64x2PromoteLowF32x4),
            6 => self.unary(ValType::F32, depth, I::F32x4Splat),
            7 => self.unary(ValType::F64, depth, I::F64x2Splat),
            8 => self.unary(v, depth, I::I32x4TruncSatF32x4S),
            9 => self.unary(v, depth, I::F32x4ConvertI32x4S),
            10 => {
                self.expressions(&[v, ValType::F64], depth);
                self.emit(I::F64x2ReplaceLane(0));
            }
            11 => {
                self.expressions(&[v, v, v], depth);
                self.emit(I::V128Bitselect);
            }
            12 => {
                self.expressions(&[v, v, v], depth);
                self.emit(I::F32x4RelaxedMadd);
            }
            n => {
                let binary = [
                    I::F32x4Add,
                    I::F32x4Sub,
                    I::F32x4Mul,
                    I::F32x4Div,
                    I::F32x4PMin,
                    I::F64x2Add,
                    I::F64x2Sub,
                    I::F64x2Mul,
                    I::F64x2PMax,
                    I::F32x4Lt,
                    I::V128Xor,
                ];
                self.binary(v, depth, binary[n as usize - 13].clone());
            }
        }
    }

    fn unary(&mut self, ty: ValType, depth: u32, op: Instruction<'_>) {
        self.expression(ty, depth - 1);
        self.emit(op);
    }

    fn binary(&mut self, ty: ValType, depth: u32, op: Instruction<'_>) {
        self.expressions(&[ty, ty], depth);
        self.emit(op);
    }

    fn memory_into_global(&mut self) {
        for offset in (0..MEMORY_BYTES).step_by(8) {
            self.emit(Instruction::GlobalGet(0));
            self.emit(Instruction::I64Const(5));
            self.emit(Instruction::I64Rotl);
            self.emit(Instruction::I32Const(0));
            self.emit(Instruction::I64Load(MemArg { offset, align: 3, memory_index: 0 }));
            self.emit(Instruction::I64Xor);
            self.emit(Instruction::GlobalSet(0));
        }
    }
}
