//! What a path means below a folder: text alone, since there are no links.

use super::super::bindings::wasi::filesystem::types::ErrorCode;

/// Bytes of a path.
const MAX_BYTES: usize = 4_096;

/// The path from the root of the tree that `base` lies in. It may not leave `base`.
pub(super) fn below(base: &str, path: &str) -> Result<String, ErrorCode> {
    if path.is_empty() {
        return Err(ErrorCode::NoEntry);
    }
    if path.len() > MAX_BYTES {
        return Err(ErrorCode::NameTooLong);
    }
    if path.contains('\0') {
        return Err(ErrorCode::IllegalByteSequence);
    }
    if path.starts_with('/') {
        return Err(ErrorCode::NotPermitted);
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or(ErrorCode::NotPermitted)?),
            part => parts.push(part),
        }
    }
    let base = Some(base).filter(|base| !base.is_empty());
    let whole = base.into_iter().chain(parts).collect::<Vec<_>>().join("/");
    // From the root too: whoever opened a folder may go on from there.
    if whole.len() > MAX_BYTES { Err(ErrorCode::NameTooLong) } else { Ok(whole) }
}

/// The parts of a path that [`below`] gave.
pub(super) fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_its_folder() {
        for (base, path, expected) in [
            ("", "a", Ok("a")),
            ("", ".", Ok("")),
            ("b", ".", Ok("b")),
            ("b", "a//c/./d/", Ok("b/a/c/d")),
            ("b", "a/../c", Ok("b/c")),
            ("b", "..", Err(ErrorCode::NotPermitted)),
            ("b/c", "a/../../d", Err(ErrorCode::NotPermitted)),
            ("", "/etc/passwd", Err(ErrorCode::NotPermitted)),
            ("", "", Err(ErrorCode::NoEntry)),
            ("", "a\0b", Err(ErrorCode::IllegalByteSequence)),
        ] {
            assert_eq!(below(base, path), expected.map(str::to_owned), "{base} {path}");
        }
        assert_eq!(below("", &"x".repeat(MAX_BYTES + 1)), Err(ErrorCode::NameTooLong));
        assert_eq!(below("b", &"x".repeat(MAX_BYTES - 1)), Err(ErrorCode::NameTooLong));
    }
}
