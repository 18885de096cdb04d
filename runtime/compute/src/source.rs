//! What is refused of a source before naga reads it, and what reading it must not have changed.
//!
//! naga is made for sources that somebody means well with: an expression as deep as it is long, a constant that names
//! another one twice, thirty times over, or an array of four billion zeros would take this process with it. And what it
//! can compute while reading, it computes with this machine's own `exp` and `sin`.

mod constants; // how long a source is when its constants are written out
mod tokens; // words, numbers and signs

use naga::{Expression, MathFunction, Module};
use tokens::{Token, tokens};

use crate::vocabulary::FUNCTIONS;
use crate::{KernelError, Limits};

/// A source that is short to read.
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    /// How often each function of [`FUNCTIONS`] is called.
    calls: Vec<usize>,
}

/// Words that begin what kernels do not have, and that naga should not even see.
const REFUSED: [&str; 6] = ["override", "enable", "requires", "diagnostic", "binding_array", "ptr"];

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, KernelError> {
        within("bytes of the source", text.len() as u64, Limits::SOURCE_BYTES as u64)?;
        let tokens = tokens(text)?;
        limit_depth(&tokens)?;
        if let Some(word) = REFUSED.iter().find(|word| tokens.contains(&Token::Word(word))) {
            return Err(KernelError::unsupported(format!("`{word}`")));
        }
        check_loops(&tokens)?;
        constants::limit(&tokens)?;
        let calls = FUNCTIONS.iter().map(|(name, ..)| calls(&tokens, name)).collect::<Result<_, _>>()?;
        Ok(Self { text, calls })
    }

    /// Refuses what was computed while the source was read: every call that it has is still to be made.
    pub(crate) fn check_calls(&self, module: &Module) -> Result<(), KernelError> {
        for ((name, function, _), &calls) in FUNCTIONS.iter().zip(&self.calls) {
            if calls != found(module, *function) {
                return Err(KernelError::instead(
                    format!("{name} of constants"),
                    "write the number, or give the constant to a variable first",
                ));
            }
        }
        Ok(())
    }
}

pub(crate) fn within(what: &'static str, found: u64, limit: u64) -> Result<(), KernelError> {
    if found <= limit { Ok(()) } else { Err(KernelError::TooLarge { what, found, limit }) }
}

/// Bounds the depth of all that naga reads by recursion.
fn limit_depth(tokens: &[Token<'_>]) -> Result<(), KernelError> {
    let (mut depth, mut length) = (0_usize, 0);
    for token in tokens {
        length += 1;
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if matches!(token, Token::Sign('{' | '}' | ';')) {
            length = 0;
        }
        within("brackets inside each other", depth as u64, Limits::NESTING as u64)?;
        within("words of one statement", length, Limits::STATEMENT_TOKENS as u64)?;
    }
    let elses = tokens.iter().filter(|token| **token == Token::Word("else")).count();
    within("times of `else`", elses as u64, Limits::ELSES as u64)
}

/// Refuses `var x: T;` in a loop, which naga gives a first value once, and WGSL in every turn.
fn check_loops(tokens: &[Token<'_>]) -> Result<(), KernelError> {
    let (mut braces, mut is_head) = (vec![false], false);
    for (place, token) in tokens.iter().enumerate() {
        let is_inside = braces.last().copied().unwrap_or_default();
        match token {
            Token::Word("for" | "while" | "loop") => is_head = true,
            Token::Sign('{') => braces.push(is_inside || std::mem::take(&mut is_head)),
            Token::Sign('}') => drop(braces.pop()),
            Token::Word("var") if is_inside => {
                let mut rest = tokens[place..].iter();
                if rest.find(|token| matches!(token, Token::Sign('=' | ';'))) != Some(&Token::Sign('=')) {
                    let what = "a variable in a loop that begins with nothing";
                    return Err(KernelError::instead(what, "give it a value, such as `= 0u`"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// How often a function is called. One of the kernel's own may not take its name.
fn calls(tokens: &[Token<'_>], name: &str) -> Result<usize, KernelError> {
    let mut calls = 0;
    for (place, pair) in tokens.windows(2).enumerate() {
        if pair == [Token::Word(name), Token::Sign('(')] {
            match place.checked_sub(1).map(|before| tokens[before]) {
                Some(Token::Word("fn")) => {
                    return Err(KernelError::unsupported(format!("a function of its own named {name}")));
                }
                _ => calls += 1,
            }
        }
    }
    Ok(calls)
}

/// How often a module computes a function.
fn found(module: &Module, function: MathFunction) -> usize {
    let functions = module.functions.iter().map(|(_, function)| function);
    let functions = functions.chain(module.entry_points.iter().map(|entry| &entry.function));
    let computes = |expression: &Expression| matches!(expression, Expression::Math { fun, .. } if *fun == function);
    functions.map(|function| function.expressions.iter().filter(|(_, expression)| computes(expression)).count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Source::new(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_naga_should_not_see_is_refused_by_name() {
        let doubling = |levels: usize| {
            let step = |level: usize| format!("const c{} = array(c{level}, c{level});", level + 1);
            format!("const c0 = 1;{}", (0..levels).map(step).collect::<String>())
        };
        for (text, expected) in [
            ("x".repeat(32_769), "bytes of the source: 32769, and 32768 are allowed"),
            (format!("fn f() {{ let a = {}1{}; }}", "(".repeat(64), ")".repeat(64)), "brackets inside each other: 65"),
            (format!("fn f() {{ let a = {}1; }}", "-".repeat(1_100)), "words of one statement: 1025"),
            (format!("const a = 1{};", " + 1".repeat(600)), "words of one statement: 1025"),
            (format!("fn f() {{ {} }}", "else if (x) {}".repeat(257)), "times of `else`: 257"),
            (doubling(30), "words with constants written out"),
            ("const a = b; const b = a;".into(), "a constant of itself is not for kernels"),
            ("var<private> a: array<f32, 65537>;".into(), "elements of an array: 65537"),
            ("const n = 4096; var<private> a: array<f32, n * n>;".into(), "elements of an array"),
            ("var<private> a: array<f32, 1 << 30>;".into(), "an array whose size is more than a product"),
            ("var<private> a: array<array<f32, 8>, 0xffffff>;".into(), "elements of an array: 16777215"),
            ("override n: u32 = 4;".into(), "`override` is not for kernels"),
            ("enable f16;".into(), "`enable` is not for kernels"),
            ("fn f(p: ptr<function, f32>) {}".into(), "`ptr` is not for kernels"),
            ("fn exp(x: f32) -> f32 { return x; }".into(), "a function of its own named exp is not for kernels"),
            (
                "fn f() { while (true) { if (true) { var x: u32; } } }".into(),
                "a variable in a loop that begins with nothing",
            ),
            ("const é = 1;".into(), "letters beyond ASCII"),
            ("/* /* */".into(), "a comment without end"),
        ] {
            let found = refusal(&text);
            assert!(found.contains(expected), "{}…: {found:?}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn ordinary_sources_pass() {
        for text in [
            "const tile = 16; const area = tile * tile; var<workgroup> a: array<f32, area>;",
            "const n: u32 = 8u; var<private> a: array<vec4<f32>, n>; // ω is a comment's",
            "alias Row = array<f32, 4 + 1>; fn f() { let a = array<i32, 3>(1, 2, 3); }",
            "fn f() { var a: array<u32, 4>; for (var i = 0; i < 3; i++) { var b = i; } var c: u32; }",
            "struct Params { length: u32, log: f32 } fn f(p: Params) -> f32 { return p.log; }",
        ] {
            assert_eq!(refusal(text), "", "{text}");
        }
    }
}
