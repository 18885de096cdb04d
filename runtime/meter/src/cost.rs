//! What each operation costs: part of the engine, so a change of a figure is a new engine.

/// The cost table, in fuel. [`CostTable::VERSION_1`] is the engine's.
///
/// An instruction is charged when its block is entered; what depends on a run-time length is charged just before the
/// instruction runs, except growth, which is charged for what was really granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostTable {
    /// Constants, locals, globals, comparison, integer and float add, multiply, logic, conversion, vector lanes.
    pub simple: u32,
    /// A load or a store, whatever its width; `memory.size` and `table.size` are simple.
    pub memory: u32,
    /// Integer division and remainder; float division and square root, scalar and vector.
    pub divide: u32,
    /// `br`, `br_if`, `if`, `return`. Blocks, loops, `end`, `else`, `nop`, `drop` and `unreachable` are free.
    pub branch: u32,
    /// `br_table`.
    pub branch_table: u32,
    /// A direct call, tail calls likewise.
    pub call: u32,
    /// A call through a table, tail calls likewise.
    pub call_indirect: u32,
    /// `table.get` and `table.set`, `ref.func`.
    pub table: u32,
    /// The fixed part of a bulk operation and of `memory.grow` and `table.grow`.
    pub bulk: u32,
    /// A bulk operation on bytes costs its length shifted right by this, and so does an active data segment.
    pub bulk_bytes_shift: u32,
    /// Each element copied, initialised or filled in a table, and each that `table.grow` adds.
    pub table_element: u32,
    /// Each page of 64 KiB that `memory.grow` adds, and each initial page of a memory.
    pub page: u32,
    /// The fixed part of a call that leaves the guest (an imported function, a resource operation). The host charges
    /// the rest.
    pub host_call: u32,
    /// A core instance made at instantiation.
    pub instance: u32,
    /// A function whose whole cost is at most this, with no call, loop or bulk operation, is charged by its callers.
    pub leaf: u32,
    /// Stack units of every call.
    pub frame: u32,
    /// Stack units of each parameter, local and operand of a call's frame.
    pub slot: u32,
    /// Values that a function computes, for one more unit of its frame: the compiler may keep any of them over a call,
    /// though the program does not.
    pub frame_values: u32,
}

impl CostTable {
    /// The table of engine 0.1.
    pub const VERSION_1: Self = Self {
        simple: 1,
        memory: 2,
        divide: 8,
        branch: 1,
        branch_table: 3,
        call: 4,
        call_indirect: 8,
        table: 4,
        bulk: 16,
        bulk_bytes_shift: 3,
        table_element: 1,
        page: 1_024,
        host_call: 64,
        instance: 1_024,
        leaf: 64,
        frame: 64,
        slot: 16,
        frame_values: 2,
    };

    /// Bytes that a bulk operation moves for one unit of fuel.
    pub const fn bulk_bytes(&self) -> u64 {
        1 << self.bulk_bytes_shift
    }
}

impl Default for CostTable {
    fn default() -> Self {
        Self::VERSION_1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_table_is_pinned() {
        let pinned = "CostTable { simple: 1, memory: 2, divide: 8, branch: 1, branch_table: 3, call: 4, \
            call_indirect: 8, table: 4, bulk: 16, bulk_bytes_shift: 3, table_element: 1, page: 1024, host_call: 64, \
            instance: 1024, leaf: 64, frame: 64, slot: 16, frame_values: 2 }";
        assert_eq!(format!("{:?}", CostTable::VERSION_1), pinned);
        assert_eq!(CostTable::default(), CostTable::VERSION_1);
        assert_eq!(CostTable::VERSION_1.bulk_bytes(), 8);
    }
}
