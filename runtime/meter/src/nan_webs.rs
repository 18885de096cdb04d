//! Values and where they flow, for [`canonical_points`](crate::nan::canonical_points).

use crate::float_ops::Float;
use crate::nan::CanonicalPoints;

/// The value that is never a NaN, and the one whose bits must stay. Every value of these kinds is this one.
pub(crate) const NUMBER: u32 = 0;
pub(crate) const EXACT: u32 = 1;

enum Value {
    Number,
    Exact,
    /// Made by arithmetic at an instruction.
    Raw {
        float: Float,
        made_by: usize,
    },
    /// One of several; of their lanes, if the type of float is told.
    Phi {
        float: Option<Float>,
        sources: Vec<u32>,
    },
}

/// An operand that is seen.
pub(crate) struct Sight {
    pub(crate) node: u32,
    /// The instruction that pushed it, if it pushed nothing else.
    pub(crate) pushed_by: Option<usize>,
    /// The type of float that it is taken for, any NaN being as good as another; none if every bit is seen.
    pub(crate) as_float: Option<Float>,
}

/// All values of a function.
pub(crate) struct Graph {
    values: Vec<Value>,
    pub(crate) sights: Vec<Sight>,
}

impl Default for Graph {
    fn default() -> Self {
        Self { values: vec![Value::Number, Value::Exact], sights: Vec::new() }
    }
}

impl Graph {
    pub(crate) fn raw(&mut self, float: Float, made_by: usize) -> u32 {
        self.add(Value::Raw { float, made_by })
    }

    /// A phi node, whose sources are told by [`Self::flow`]. If it chooses lane by lane, `float` says of what: then its
    /// sources are that type of float, or exact.
    pub(crate) fn phi(&mut self, float: Option<Float>) -> u32 {
        self.add(Value::Phi { float, sources: Vec::new() })
    }

    fn add(&mut self, value: Value) -> u32 {
        self.values.push(value);
        u32::try_from(self.values.len() - 1).expect("values are limited by the body and the budget")
    }

    /// `from` may be what phi node `to` is.
    pub(crate) fn flow(&mut self, from: u32, to: u32) {
        if let Value::Phi { sources, .. } = &mut self.values[to as usize]
            && from != to
            && sources.last() != Some(&from)
        {
            sources.push(from);
        }
    }

    /// Decides where values are made canonical.
    pub(crate) fn resolve(&self) -> CanonicalPoints {
        let mut webs = self.webs();
        // A raw value that is seen, but that nothing pushed alone, can only be made canonical where it is made.
        for sight in &self.sights {
            if sight.pushed_by.is_none() && webs.is_due(sight) {
                webs.of(sight.node).is_exact = true;
            }
        }
        let mut points = CanonicalPoints::new();
        for sight in &self.sights {
            if webs.is_due(sight)
                && let (Some(pushed_by), Some(float)) = (sight.pushed_by, webs.of(sight.node).float)
            {
                points.insert(pushed_by, float);
            }
        }
        for (node, value) in (0u32..).zip(&self.values) {
            if let Value::Raw { float, made_by } = *value
                && webs.of(node).is_exact
            {
                points.insert(made_by, float);
            }
        }
        points
    }

    /// Joins each phi node that leads to a sight with its sources.
    fn webs(&self) -> Webs {
        let mut webs = Webs::new(&self.values);
        let mut seen = vec![false; self.values.len()];
        let mut pending: Vec<u32> = self.sights.iter().filter(|sight| self.matters(sight)).map(|s| s.node).collect();
        while let Some(node) = pending.pop() {
            if std::mem::replace(&mut seen[node as usize], true) {
                continue;
            }
            if let Value::Phi { sources, .. } = &self.values[node as usize] {
                for &source in sources {
                    match source {
                        NUMBER => {}
                        EXACT => webs.of(node).is_exact = true,
                        source => {
                            webs.join(node, source);
                            pending.push(source);
                        }
                    }
                }
            }
        }
        webs
    }

    /// A scalar taken for a float is one of that type; only a vector can be taken for what it is not.
    fn matters(&self, sight: &Sight) -> bool {
        !matches!(sight.as_float, Some(Float::F32 | Float::F64))
    }
}

/// Values that merge, and what is known of all of them together.
struct Webs {
    parents: Vec<u32>,
    webs: Vec<Web>,
}

#[derive(Clone, Copy, Default)]
struct Web {
    /// What its raw values are; none if there are none.
    float: Option<Float>,
    /// Whether an exact value is among them, or raw vectors of different lanes, so that raw ones must be made
    /// canonical where they are made.
    is_exact: bool,
}

impl Webs {
    fn new(values: &[Value]) -> Self {
        let webs = values
            .iter()
            .map(|value| match value {
                Value::Number => Web::default(),
                Value::Phi { float, .. } => Web { float: *float, is_exact: false },
                Value::Exact => Web { float: None, is_exact: true },
                Value::Raw { float, .. } => Web { float: Some(*float), is_exact: false },
            })
            .collect();
        Self { parents: (0u32..).take(values.len()).collect(), webs }
    }

    fn root(&mut self, mut node: u32) -> u32 {
        while self.parents[node as usize] != node {
            let grandparent = self.parents[self.parents[node as usize] as usize];
            self.parents[node as usize] = grandparent;
            node = grandparent;
        }
        node
    }

    fn of(&mut self, node: u32) -> &mut Web {
        let root = self.root(node);
        &mut self.webs[root as usize]
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        let (one, other) = (self.webs[a as usize], self.webs[b as usize]);
        let mixed = one.float.is_some() && other.float.is_some() && one.float != other.float;
        self.parents[a as usize] = b;
        self.webs[b as usize] =
            Web { float: one.float.or(other.float), is_exact: one.is_exact || other.is_exact || mixed };
    }

    /// Whether a sight sees a raw value that is not canonical yet.
    fn is_due(&mut self, sight: &Sight) -> bool {
        let web = *self.of(sight.node);
        !web.is_exact && web.float.is_some_and(|float| sight.as_float != Some(float))
    }
}
