use crate::KernelError;

/// A piece of a source that is no space and no comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    /// A digit, and all letters, digits and points behind it.
    Number(&'a str),
    /// One character: `>>` is two.
    Sign(char),
}

/// A source's tokens. Outside of comments, it is ASCII: so spaces are what they seem, and names, too.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, KernelError> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest
                [rest.find(['\n', '\u{b}', '\u{c}', '\r', '\u{85}', '\u{2028}', '\u{2029}']).unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = after_comment(rest)?;
        } else if !first.is_ascii() {
            return Err(KernelError::unsupported("a source with letters beyond ASCII outside of comments"));
        } else if first.is_ascii_whitespace() || first == '\u{b}' {
            rest = &rest[1..];
        } else {
            let token = token(rest, first);
            tokens.push(token);
            rest = &rest[token.bytes()..];
        }
    }
    Ok(tokens)
}

impl Token<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::Word(text) | Self::Number(text) => text.len(),
            Self::Sign(_) => 1,
        }
    }
}

fn token(rest: &str, first: char) -> Token<'_> {
    let until = |belongs: fn(char) -> bool| &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())];
    match first {
        '0'..='9' => Token::Number(until(|c| c.is_ascii_alphanumeric() || c == '.')),
        'a'..='z' | 'A'..='Z' | '_' => Token::Word(until(|c| c.is_ascii_alphanumeric() || c == '_')),
        _ => Token::Sign(first),
    }
}

/// Comments of WGSL may lie inside each other.
fn after_comment(text: &str) -> Result<&str, KernelError> {
    let (mut rest, mut depth) = (text, 0_usize);
    loop {
        let open = rest.find("/*").unwrap_or(rest.len());
        let close = rest.find("*/").ok_or_else(|| KernelError::unsupported("a comment without end"))?;
        if open < close {
            depth += 1;
            rest = &rest[open + 2..];
        } else {
            depth -= 1;
            rest = &rest[close + 2..];
        }
        if depth == 0 {
            return Ok(rest);
        }
    }
}
