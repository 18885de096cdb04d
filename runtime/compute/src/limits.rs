/// What a kernel and a dispatch may have. Part of the engine: every host has the same.
///
/// Most of them keep the reading of hostile sources short; those of workgroups are what every device of Vulkan or WebGPU
/// offers.
pub enum Limits {}

impl Limits {
    /// Bytes of a kernel's source.
    pub const SOURCE_BYTES: usize = 32 << 10;
    /// Brackets of any kind inside each other.
    pub const NESTING: usize = 64;
    /// Words, numbers and signs of one statement: an expression is never deeper than it is long.
    pub const STATEMENT_TOKENS: usize = 1_024;
    /// Times that `else` may occur: each is a level deeper.
    pub const ELSES: usize = 256;
    /// Words, numbers and signs of a source when every named constant is written out.
    pub const EXPANDED_TOKENS: u64 = 65_536;
    /// Elements of an array of fixed size.
    pub const ARRAY_ELEMENTS: u64 = 65_536;
    /// Arrays and structures inside each other.
    pub const TYPE_DEPTH: usize = 16;
    /// Words of a value that is not in memory: of an array, vector or structure that is passed, given or loaded as a whole.
    pub const VALUE_WORDS: u32 = 256;
    /// Words of an invocation's variables and intermediate values.
    pub const REGISTERS: u32 = 16_384;
    /// Instructions of a kernel, with the functions that it calls written out at each call.
    pub const INSTRUCTIONS: usize = 65_536;
    /// Statements and expressions that are compiled, again for each call of the function that they are in.
    pub const COMPILED: u64 = 1 << 19;
    /// Functions that are inside each other's calls.
    pub const CALL_DEPTH: usize = 32;
    /// Blocks inside each other, with the functions that a kernel calls written out at each call.
    pub const BLOCK_DEPTH: u64 = 1_024;
    /// Storage variables of a kernel.
    pub const BINDINGS: usize = 8;
    /// Words of a kernel's workgroup variables: 16 KiB.
    pub const WORKGROUP_WORDS: u32 = 4_096;
    /// Invocations of a workgroup.
    pub const WORKGROUP_INVOCATIONS: u32 = 256;
    /// Invocations of a workgroup along z.
    pub const WORKGROUP_DEPTH: u32 = 64;
    /// Workgroups of a dispatch along each axis.
    pub const WORKGROUPS: u32 = 65_535;
    /// Invocations of a dispatch.
    pub const INVOCATIONS: u64 = 1 << 28;
    /// Bytes of a buffer.
    pub const BUFFER_BYTES: u64 = 128 << 20;
}
