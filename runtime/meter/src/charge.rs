//! Where a function charges, and how much: the charge points of its body.
//!
//! A point opens at entry, at every loop head and at each arm of an `if`; a block shares its parent's. A branch to
//! a frame makes the points of that frame and of those inside it *stale*, since what follows may now be skipped:
//! the next instruction with a cost opens a new one. So a run that ends well is charged exactly the sum of the costs
//! of the instructions that it executed.

use wasmparser::Operator;

/// A place where fuel is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// The index of the instruction before which it stands, counting every instruction of the body.
    pub(crate) at: usize,
    /// Fuel charged here.
    pub(crate) cost: u64,
    /// Whether the sign is tested here: at entry and loop heads, so that no path runs on for ever.
    pub(crate) checked: bool,
}

/// Finds the points of one function body, instruction by instruction.
pub(crate) struct ChargePlan {
    points: Vec<Point>,
    frames: Vec<Frame>,
    /// Branches so far that still make points stale: (target frame, number of the branch), both increasing. A newer
    /// branch to the same frame or further out covers an older one.
    branches: Vec<(usize, u64)>,
    branch_count: u64,
    position: usize,
}

#[derive(Clone, Copy)]
struct Frame {
    kind: FrameKind,
    /// The point that code in this frame is charged to, unless stale.
    point: usize,
    /// How many branches there were when that point opened.
    opened_after: u64,
    /// Whether some branch goes to this frame.
    is_target: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    /// A function's body or a block: entered once from above, so it may share a point with what surrounds it.
    Block,
    /// A loop or an arm of an `if`.
    Own,
}

impl ChargePlan {
    pub(crate) fn new() -> Self {
        let entry = Point { at: 0, cost: 0, checked: true };
        let body = Frame { kind: FrameKind::Block, point: 0, opened_after: 0, is_target: false };
        Self { points: vec![entry], frames: vec![body], branches: Vec::new(), branch_count: 0, position: 0 }
    }

    /// Takes the next instruction and its cost.
    pub(crate) fn visit(&mut self, op: &Operator<'_>, cost: u64) {
        self.charge(cost);
        match op {
            Operator::Block { .. } => {
                let parent = *self.top();
                self.frames.push(Frame { kind: FrameKind::Block, is_target: false, ..parent });
            }
            Operator::Loop { .. } => self.enter(true),
            Operator::If { .. } => self.enter(false),
            Operator::Else => {
                self.frames.pop();
                self.enter(false);
            }
            Operator::End => self.leave(),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => self.branch(*relative_depth),
            Operator::BrTable { targets } => {
                for target in targets.targets().map_while(Result::ok) {
                    self.branch(target);
                }
                self.branch(targets.default());
            }
            Operator::Return | Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => {
                self.branch(u32::try_from(self.frames.len() - 1).expect("nesting is limited"));
            }
            _ => {}
        }
        self.position += 1;
    }

    /// Passes over an instruction that no path leads to: it costs nothing.
    pub(crate) fn skip(&mut self) {
        self.position += 1;
    }

    /// The points that charge something, in the order of the code.
    pub(crate) fn finish(self) -> Vec<Point> {
        self.points.into_iter().filter(|point| point.cost > 0).collect()
    }

    fn charge(&mut self, cost: u64) {
        if cost == 0 || self.frames.is_empty() {
            return;
        }
        if self.is_stale() {
            let point = self.open(self.position, false);
            let opened_after = self.branch_count;
            let top = self.top_mut();
            top.point = point;
            top.opened_after = opened_after;
        }
        let point = self.top().point;
        self.points[point].cost += cost;
    }

    /// Enters a loop or an arm, whose point stands right after the instruction that opens it.
    fn enter(&mut self, checked: bool) {
        let point = self.open(self.position + 1, checked);
        self.frames.push(Frame { kind: FrameKind::Own, point, opened_after: self.branch_count, is_target: false });
    }

    fn leave(&mut self) {
        let stale = self.is_stale();
        let inner = self.frames.pop().expect("validated: each end has its frame");
        while self.branches.last().is_some_and(|&(target, _)| target >= self.frames.len()) {
            self.branches.pop();
        }
        // What follows a block that nothing branches to runs exactly when the block's last point did.
        let continues = inner.kind == FrameKind::Block && !inner.is_target && !stale;
        if continues && !self.frames.is_empty() && self.is_stale() {
            let top = self.top_mut();
            top.point = inner.point;
            top.opened_after = inner.opened_after;
        }
    }

    fn branch(&mut self, relative_depth: u32) {
        let target = self.frames.len() - 1 - relative_depth as usize;
        self.frames[target].is_target = true;
        while self.branches.last().is_some_and(|&(older, _)| older >= target) {
            self.branches.pop();
        }
        self.branch_count += 1;
        self.branches.push((target, self.branch_count));
    }

    fn is_stale(&self) -> bool {
        self.branches.last().is_some_and(|&(_, number)| number > self.top().opened_after)
    }

    fn open(&mut self, at: usize, checked: bool) -> usize {
        self.points.push(Point { at, cost: 0, checked });
        self.points.len() - 1
    }

    fn top(&self) -> &Frame {
        self.frames.last().expect("a frame is open until the last end")
    }

    fn top_mut(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a frame is open until the last end")
    }
}
