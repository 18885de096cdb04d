use std::rc::Rc;

/// What is known of a register, at a place of the program.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// The word of each invocation, by its index in the workgroup: it depends on nothing else.
    Known(Rc<[u32]>),
    /// The same word for all invocations that are here together.
    Uniform,
    /// Nothing.
    Varying,
}

impl Value {
    /// A word that all have.
    pub(super) fn constant(word: u32, invocations: usize) -> Self {
        Self::Known(vec![word; invocations].into())
    }

    /// Whether all have the same.
    pub(super) fn is_uniform(&self) -> bool {
        match self {
            Self::Known(words) => words.iter().all(|word| *word == words[0]),
            Self::Uniform => true,
            Self::Varying => false,
        }
    }

    /// The word that all have, if it is known.
    pub(super) fn known(&self) -> Option<u32> {
        match self {
            Self::Known(words) if self.is_uniform() => words.first().copied(),
            _ => None,
        }
    }

    /// What an operation makes of values, which are at most three.
    pub(super) fn of(operands: &[&Self], operation: impl Fn([u32; 3]) -> u32) -> Self {
        let known = |operand: &&Self| match operand {
            Self::Known(words) => Some(Rc::clone(words)),
            _ => None,
        };
        if let Some(known) = operands.iter().map(known).collect::<Option<Vec<_>>>() {
            let invocations = known.first().map_or(0, |words| words.len());
            let of = |index: usize| {
                let mut words = [0; 3];
                words.iter_mut().zip(&known).for_each(|(word, known)| *word = known[index]);
                operation(words)
            };
            return Self::Known((0..invocations).map(of).collect());
        }
        if operands.iter().all(|operand| operand.is_uniform()) { Self::Uniform } else { Self::Varying }
    }

    /// What holds whether all came the one way, or all the other.
    pub(super) fn or(&self, other: &Self) -> Self {
        if self == other {
            return self.clone();
        }
        if self.is_uniform() && other.is_uniform() { Self::Uniform } else { Self::Varying }
    }

    /// What holds after some came the one way and others the other, and it is not known who; it was written on a way.
    pub(super) fn parted(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) if a == b => self.clone(),
            _ => Self::Varying,
        }
    }

    /// What holds after the invocations for which `condition` is not zero came the one way, and the rest the other.
    pub(super) fn chosen(condition: &Rc<[u32]>, yes: &Self, no: &Self) -> Self {
        match (yes, no) {
            (Self::Known(yes), Self::Known(no)) => {
                let words = condition.iter().zip(yes.iter().zip(no.iter()));
                Self::Known(words.map(|(condition, (yes, no))| if *condition != 0 { *yes } else { *no }).collect())
            }
            _ => Self::Varying,
        }
    }
}
