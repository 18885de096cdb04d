use std::collections::BTreeSet;

use crate::arithmetic::Binary;

/// How the words of a buffer, or of workgroup memory, are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Plain,
    /// Changed at once by operations on `u32`, or on numbers of either sign.
    Unsigned,
    /// Changed at once by operations on `i32`.
    Signed,
}

impl Words {
    /// What can be changed by these operations; none if that is no one type.
    pub(super) fn of(changes: &BTreeSet<Binary>) -> Option<Self> {
        let has = |ops: [Binary; 2]| ops.iter().any(|op| changes.contains(op));
        match (has([Binary::MinSigned, Binary::MaxSigned]), has([Binary::MinUnsigned, Binary::MaxUnsigned])) {
            (true, true) => None,
            (true, false) => Some(Self::Signed),
            (false, true) => Some(Self::Unsigned),
            (false, false) if changes.is_empty() => Some(Self::Plain),
            (false, false) => Some(Self::Unsigned),
        }
    }

    /// The type of one.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Plain => "u32",
            Self::Unsigned => "atomic<u32>",
            Self::Signed => "atomic<i32>",
        }
    }

    /// The word at a place.
    pub(super) fn load(self, place: &str) -> String {
        match self {
            Self::Plain => place.to_owned(),
            Self::Unsigned => format!("atomicLoad(&{place})"),
            Self::Signed => format!("bitcast<u32>(atomicLoad(&{place}))"),
        }
    }

    /// A statement that puts a word to a place.
    pub(super) fn store(self, place: &str, word: &str) -> String {
        match self {
            Self::Plain => format!("{place} = {word};"),
            Self::Unsigned => format!("atomicStore(&{place}, {word});"),
            Self::Signed => format!("atomicStore(&{place}, bitcast<i32>({word}));"),
        }
    }

    /// A statement that changes the word at a place.
    pub(super) fn change(self, op: Binary, place: &str, word: &str) -> String {
        let name = match op {
            Binary::AddInteger => "atomicAdd",
            Binary::And => "atomicAnd",
            Binary::Or => "atomicOr",
            Binary::ExclusiveOr => "atomicXor",
            Binary::MinSigned | Binary::MinUnsigned => "atomicMin",
            Binary::MaxSigned | Binary::MaxUnsigned => "atomicMax",
            _ => unreachable!("compiled to operations whose order cannot show"),
        };
        let word = if self == Self::Signed { format!("bitcast<i32>({word})") } else { word.to_owned() };
        format!("{name}(&{place}, {word});")
    }
}
