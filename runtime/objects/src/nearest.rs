//! Hints for mistyped names.

/// Bytes up to which two names are compared: beyond, no typing error is likely.
const MAX_NAME_BYTES: usize = 64;

/// The known name that is most like a mistyped one, if any is much like it.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    let most = 1 + name.chars().count() / 4;
    let distances = known.filter(|known| known.len() <= MAX_NAME_BYTES).map(|known| (edits(name, known), known));
    distances.filter(|(edits, _)| *edits <= most).min().map(|(_, known)| known)
}

/// How many characters must be inserted, removed or replaced to make one text of the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, &b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}
