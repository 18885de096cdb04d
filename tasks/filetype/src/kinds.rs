//! The kinds that there are, as the model's makers list them: `scripts/labels.py` made the table.

/// The table: see `scripts/labels.py` for its columns.
const TABLE: &str = include_str!("../data/labels.tsv");

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kind {
    pub(crate) label: &'static str,
    /// The least score at which the model is believed.
    pub(crate) needed: f32,
    /// The label that it is told as.
    pub(crate) told: &'static str,
    pub(crate) group: &'static str,
    pub(crate) mime: &'static str,
    pub(crate) is_text: bool,
    pub(crate) description: &'static str,
}

/// All kinds, the model's own first and in its order.
pub(crate) fn all() -> impl Iterator<Item = Kind> {
    TABLE.lines().map(|line| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().expect("a line of the table has seven columns");
        Kind {
            label: next(),
            needed: next().parse().expect("a number of the table"),
            told: next(),
            group: next(),
            mime: next(),
            is_text: next() == "text",
            description: next(),
        }
    })
}

/// The kind of a label.
pub(crate) fn named(label: &str) -> Kind {
    all().find(|kind| kind.label == label).expect("every label that is told stands in the table")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let kinds: Vec<_> = all().collect();
        assert_eq!(kinds.iter().position(|kind| kind.label == "rust"), Some(156));
        for kind in &kinds {
            assert_eq!(named(kind.told).told, kind.told, "{}", kind.label);
            assert!((0.5..1.0).contains(&kind.needed), "{}", kind.label);
        }
        assert_eq!(named("empty").mime, "inode/x-empty");
    }
}
