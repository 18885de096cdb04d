//! Named constants, and the sizes of arrays that they make.

use std::collections::BTreeMap;

use super::tokens::Token;
use super::within;
use crate::{KernelError, Limits};

/// What the constants of a source are, by name.
struct Constants<'a> {
    /// What stands between a constant's `=` and its `;`, of all constants of the name.
    values: BTreeMap<&'a str, Vec<&'a [Token<'a>]>>,
    /// How long they are written out; none while that is being found.
    lengths: BTreeMap<&'a str, Option<u64>>,
}

/// Bounds a source's length with its constants written out, and the sizes of its arrays.
pub(super) fn limit(tokens: &[Token<'_>]) -> Result<(), KernelError> {
    let mut constants = Constants { values: values(tokens), lengths: BTreeMap::new() };
    let length = constants.length(tokens, 0)?;
    within("words with constants written out", length, Limits::EXPANDED_TOKENS)?;
    for (place, pair) in tokens.windows(2).enumerate() {
        if pair == [Token::Word("array"), Token::Sign('<')]
            && let Some(size) = size(&tokens[place + 2..])
        {
            within("elements of an array", constants.bound(size, 0)?, Limits::ARRAY_ELEMENTS)?;
        }
    }
    Ok(())
}

/// Every `const NAME… = VALUE;`, wherever it stands.
fn values<'a>(tokens: &'a [Token<'a>]) -> BTreeMap<&'a str, Vec<&'a [Token<'a>]>> {
    let mut values: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (place, token) in tokens.iter().enumerate() {
        if let (Token::Word("const"), Some(Token::Word(name))) = (token, tokens.get(place + 1)) {
            let rest = &tokens[place + 2..];
            let rest = &rest[..rest.iter().position(|token| *token == Token::Sign(';')).unwrap_or(rest.len())];
            let begin = rest.iter().position(|token| *token == Token::Sign('=')).map_or(rest.len(), |place| place + 1);
            values.entry(*name).or_default().push(&rest[begin..]);
        }
    }
    values
}

/// What stands behind the comma of an `array<TYPE, SIZE>`, whose `array<` is left out; nothing if it has no size.
fn size<'a>(tokens: &'a [Token<'a>]) -> Option<&'a [Token<'a>]> {
    let (mut depth, mut begin) = (0_usize, None);
    for (place, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('<' | '(') => depth += 1,
            Token::Sign(',') if depth == 0 => begin = begin.or(Some(place + 1)),
            Token::Sign('>' | ')') if depth > 0 => depth -= 1,
            Token::Sign('>') => return begin.map(|begin| &tokens[begin..place]),
            Token::Sign(';' | '{' | '}') => break,
            _ => {}
        }
    }
    // It has no end: whatever it is, its size is no product.
    begin.map(|begin| &tokens[begin..])
}

impl<'a> Constants<'a> {
    fn length(&mut self, tokens: &[Token<'a>], depth: usize) -> Result<u64, KernelError> {
        within("constants of constants", depth as u64, Limits::NESTING as u64)?;
        let mut length = 0_u64;
        for token in tokens {
            let written_out = match token {
                Token::Word(name) => self.length_of(name, depth)?,
                _ => 1,
            };
            length = length.saturating_add(written_out);
        }
        Ok(length)
    }

    fn length_of(&mut self, name: &'a str, depth: usize) -> Result<u64, KernelError> {
        match self.lengths.get(name) {
            Some(Some(length)) => return Ok(*length),
            Some(None) => return Err(KernelError::unsupported("a constant of itself")),
            None => {}
        }
        let Some(values) = self.values.get(name).cloned() else { return Ok(1) };
        self.lengths.insert(name, None);
        let mut length = 1_u64;
        for value in values {
            length = length.saturating_add(self.length(value, depth + 1)?);
        }
        self.lengths.insert(name, Some(length));
        Ok(length)
    }

    /// A number that a size of literals, constants, sums and products is not above. Lengths have shown that no constant is
    /// made of itself.
    fn bound(&self, size: &[Token<'a>], depth: usize) -> Result<u64, KernelError> {
        let unknown = || KernelError::unsupported("an array whose size is more than a product or sum of constants");
        let mut terms = Vec::new();
        for token in size {
            match token {
                Token::Number(text) => terms.push(number(text).ok_or_else(unknown)?),
                Token::Word(name) if depth < Limits::NESTING => {
                    let values = self.values.get(name).ok_or_else(unknown)?;
                    let bounds = values.iter().map(|value| self.bound(value, depth + 1));
                    terms.push(bounds.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0));
                }
                Token::Sign('*' | '+' | '(' | ')' | ',') => {}
                _ => return Err(unknown()),
            }
        }
        // (a + 1) · (b + 1) is above both a + b and a · b.
        Ok(match terms[..] {
            [alone] => alone,
            _ => terms.into_iter().fold(1, |product, term| product.saturating_mul(term.saturating_add(1))),
        })
    }
}

/// An integer literal's value.
fn number(text: &str) -> Option<u64> {
    let digits = text.strip_suffix(['u', 'i']).unwrap_or(text);
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
}
