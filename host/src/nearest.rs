//! Near misses: what somebody may have meant.

/// The candidate that takes the fewest edits from `given`, if they are few for its length.
pub(crate) fn nearest<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.map(|candidate| (edits(given, candidate), candidate)).min()?;
    (near.0 <= given.len().div_ceil(3)).then_some(near.1)
}

/// How many characters must be put in, taken out or changed to make one text of the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["hello", "digits", "wordfreq"];
        for (given, expected) in [("helo", Some("hello")), ("digit", Some("digits")), ("zzzzz", None), ("", None)] {
            assert_eq!(nearest(given, names.into_iter()), expected, "{given}");
        }
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, count) in [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "abc", 0), ("flaw", "lawn", 2)] {
            assert_eq!(edits(a, b), count);
            assert_eq!(edits(b, a), count);
        }
    }
}
