//! The static limits: part of the engine, so a change of a default is a new engine.

/// What a component may have before it runs. Tested on the original bytes, before instrumenting.
///
/// The defaults let CPython and JavaScript engines in, and keep the time of checking, instrumenting and compiling,
/// and the host memory of an instance, within bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRules {
    /// Bytes of the component.
    pub component_bytes: u64,
    /// Types, imports, exports, aliases, instances and canonical functions, over all component levels.
    pub component_items: u64,
    /// Levels of components inside the outermost one.
    pub component_nesting: u64,
    /// Core modules defined in the component.
    pub modules: u64,
    /// Core instances made from modules. A bag of exports is not one.
    pub core_instances: u64,
    /// Types in one core module.
    pub types: u64,
    /// Parameters of one core function type.
    pub signature: u64,
    /// Results of one core function type, and parameters of one block: a branch or a return costs the same however
    /// many values it carries, and the machine moves each of them.
    pub results: u64,
    /// Imports of one core module.
    pub imports: u64,
    /// Exports of one core module.
    pub exports: u64,
    /// Functions defined by all core modules together.
    pub functions: u64,
    /// Bytes of one function's body. Some functions grow fivefold when instrumented, and the compiler's time on one
    /// function grows faster than its size.
    pub body_bytes: u64,
    /// Parameters and locals of one function: the compiler takes memory for all of them at every block.
    pub locals: u64,
    /// Blocks open at once in one function.
    pub block_nesting: u64,
    /// Loops open at once in one function: the compiler carries what the innermost changes through all of them.
    pub loop_nesting: u64,
    /// Loops of one function: the compiler's time grows with their square.
    pub loops: u64,
    /// Places where control joins in one function: blocks and targets of branches; a parameter of a block counts as
    /// two more, since the compiler takes memory for each at every block.
    pub places: u64,
    /// Values times places in one function: parameters, locals and the greatest operand height together, times its
    /// places, of which a loop counts as eight. The compiler may take 6 µs for each.
    pub joins: u64,
    /// The same of all functions together.
    pub all_joins: u64,
    /// Targets of one jump table (`br_table`), without the default.
    pub jump_targets: u64,
    /// Globals defined in one core module: they are in the pooled instance's own memory.
    pub globals: u64,
    /// Tables defined in one core module.
    pub tables: u64,
    /// Initial elements of one table: the pool keeps as much for each. Growth is the run's memory limit.
    pub table_elements: u64,
    /// Memories defined by all core modules together. Their initial size is the run's memory limit.
    pub memories: u64,
    /// Data segments, and likewise element segments, in one core module.
    pub segments: u64,
}

impl Default for StaticRules {
    fn default() -> Self {
        Self {
            component_bytes: 128 << 20,
            component_items: 100_000,
            component_nesting: 8,
            modules: 64,
            core_instances: 64,
            types: 20_000,
            signature: 256,
            results: 16,
            imports: 4_096,
            exports: 50_000,
            functions: 200_000,
            body_bytes: 1 << 20,
            locals: 4_096,
            block_nesting: 4_096,
            loop_nesting: 32,
            loops: 1_024,
            places: 64_000,
            joins: 1_000_000,
            all_joins: 32_000_000,
            jump_targets: 32_000,
            globals: 4_096,
            tables: 8,
            table_elements: 200_000,
            memories: 8,
            segments: 50_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_engine_s() {
        let pinned = StaticRules {
            component_bytes: 134_217_728,
            component_items: 100_000,
            component_nesting: 8,
            modules: 64,
            core_instances: 64,
            types: 20_000,
            signature: 256,
            results: 16,
            imports: 4_096,
            exports: 50_000,
            functions: 200_000,
            body_bytes: 1_048_576,
            locals: 4_096,
            block_nesting: 4_096,
            loop_nesting: 32,
            loops: 1_024,
            places: 64_000,
            joins: 1_000_000,
            all_joins: 32_000_000,
            jump_targets: 32_000,
            globals: 4_096,
            tables: 8,
            table_elements: 200_000,
            memories: 8,
            segments: 50_000,
        };
        assert_eq!(StaticRules::default(), pinned);
    }
}
