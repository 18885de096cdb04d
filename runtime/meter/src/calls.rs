//! The call graph of one core module: who counts what, and who tests the stack.

use crate::CostTable;
use crate::scan::FunctionFacts;

/// How a function takes part in the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Convention {
    /// A small leaf: unchanged, charged in whole by its callers.
    Plain,
    /// The fuel left is an extra parameter and an extra result.
    Fuel,
    /// Likewise, and the stack left is one more parameter. Every function that is imported, exported or in a table.
    Full,
}

/// What the rewriting of one defined function needs to know of the graph.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Role {
    pub(crate) convention: Convention,
    /// Stack units of the function's own frame.
    pub(crate) frame: u32,
    /// If the function tests the stack: the units that its deepest chain of functions that do not may take beyond it.
    pub(crate) reserve: Option<u32>,
}

/// Finds each defined function's role. `address_taken` covers exports, tables, references and the start function.
pub(crate) fn roles(functions: &[FunctionFacts], address_taken: &[bool], costs: &CostTable) -> Vec<Role> {
    let order = Components::of(functions);
    let tests: Vec<bool> = (0..functions.len()).map(|f| address_taken[f] || order.in_cycle[f]).collect();
    let frames: Vec<u32> = functions.iter().map(|facts| frame_units(facts, costs)).collect();
    let chains = deepest_chains(functions, &tests, &frames, &order.callees_first);
    let full = needs_stack(functions, &tests);
    (0..functions.len())
        .map(|f| {
            let leaf = !address_taken[f] && functions[f].is_leaf(costs);
            let convention = match (leaf, full[f]) {
                (true, _) => Convention::Plain,
                (false, false) => Convention::Fuel,
                (false, true) => Convention::Full,
            };
            Role { convention, frame: frames[f], reserve: tests[f].then_some(chains[f]) }
        })
        .collect()
}

/// Stack units above which sums are cut: such a function ends every run that calls it, and nothing overflows.
const UNITS_CAP: u32 = i32::MAX as u32 / 2;

fn frame_units(facts: &FunctionFacts, costs: &CostTable) -> u32 {
    let slots = facts.locals.saturating_add(facts.operands);
    let values = facts.values / costs.frame_values;
    costs.frame.saturating_add(costs.slot.saturating_mul(slots)).saturating_add(values).min(UNITS_CAP)
}

/// Per function, the units of the deepest chain of functions below it that do not test the stack themselves.
fn deepest_chains(functions: &[FunctionFacts], tests: &[bool], frames: &[u32], callees_first: &[usize]) -> Vec<u32> {
    let mut chains = vec![0u32; functions.len()];
    for &f in callees_first {
        let untested = functions[f].callees.iter().map(|&callee| callee as usize).filter(|&callee| !tests[callee]);
        chains[f] = untested.map(|g| frames[g].saturating_add(chains[g]).min(UNITS_CAP)).max().unwrap_or(0);
    }
    chains
}

/// Which functions test the stack, or lead to one that does or to code outside the module.
fn needs_stack(functions: &[FunctionFacts], tests: &[bool]) -> Vec<bool> {
    let mut callers = vec![Vec::new(); functions.len()];
    for (f, facts) in functions.iter().enumerate() {
        for &callee in &facts.callees {
            callers[callee as usize].push(f);
        }
    }
    let mut needs: Vec<bool> = (0..functions.len()).map(|f| tests[f] || functions[f].calls_out).collect();
    let mut pending: Vec<usize> = (0..functions.len()).filter(|&f| needs[f]).collect();
    while let Some(f) = pending.pop() {
        for &caller in &callers[f] {
            if !needs[caller] {
                needs[caller] = true;
                pending.push(caller);
            }
        }
    }
    needs
}

/// Strongly connected components (Tarjan's algorithm with an explicit stack, since graphs may be deep).
struct Components {
    callees_first: Vec<usize>,
    in_cycle: Vec<bool>,
}

struct Visit {
    function: usize,
    next_callee: usize,
}

impl Components {
    fn of(functions: &[FunctionFacts]) -> Self {
        const UNSEEN: usize = usize::MAX;
        let count = functions.len();
        let mut found = Self { callees_first: Vec::with_capacity(count), in_cycle: vec![false; count] };
        let (mut index, mut low) = (vec![UNSEEN; count], vec![0; count]);
        let (mut open, mut is_open) = (Vec::new(), vec![false; count]);
        let mut seen = 0;
        for root in 0..count {
            if index[root] != UNSEEN {
                continue;
            }
            let mut visits = vec![Visit { function: root, next_callee: 0 }];
            while let Some(visit) = visits.last_mut() {
                let f = visit.function;
                if index[f] == UNSEEN {
                    (index[f], low[f]) = (seen, seen);
                    seen += 1;
                    open.push(f);
                    is_open[f] = true;
                }
                if let Some(&callee) = functions[f].callees.get(visit.next_callee) {
                    visit.next_callee += 1;
                    let callee = callee as usize;
                    if index[callee] == UNSEEN {
                        visits.push(Visit { function: callee, next_callee: 0 });
                    } else if is_open[callee] {
                        low[f] = low[f].min(index[callee]);
                    }
                    continue;
                }
                visits.pop();
                if let Some(caller) = visits.last() {
                    low[caller.function] = low[caller.function].min(low[f]);
                }
                if low[f] == index[f] {
                    found.close(f, &mut open, &mut is_open, functions);
                }
            }
        }
        found
    }

    /// Takes the finished component whose first function is `root` off the stack.
    fn close(&mut self, root: usize, open: &mut Vec<usize>, is_open: &mut [bool], functions: &[FunctionFacts]) {
        let start = open.iter().rposition(|&f| f == root).expect("a root is open");
        let calls_itself = functions[root].callees.iter().any(|&callee| callee as usize == root);
        let cycle = open.len() - start > 1 || calls_itself;
        for f in open.drain(start..) {
            is_open[f] = false;
            self.in_cycle[f] = cycle;
            self.callees_first.push(f);
        }
    }
}
