//! JSON with one text for each value: RFC 8259 in, RFC 8785 out.
//!
//! A reader of its own, since a run's id depends on it: numbers are read by the standard library's
//! exact conversion whatever features other crates give `serde_json`, an integer that a double cannot
//! hold is seen as it was written, and a name that stands twice is seen at all.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use crate::codec::quoted;

/// Lists and objects inside each other.
pub(crate) const MAX_DEPTH: usize = 32;
/// The greatest integer that all JSON readers keep exactly, 2⁵³.
const MAX_INTEGER: f64 = 9_007_199_254_740_992.0;

/// Why a text has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JsonFlaw {
    /// It is not JSON.
    Syntax {
        /// What is wrong.
        reason: &'static str,
        /// The byte at which it was seen.
        at: usize,
    },
    /// It is JSON, but would not stay what it says.
    Refused {
        /// What is refused.
        reason: String,
    },
}

/// Reads one JSON value, which must be the whole text.
pub(crate) fn parse(text: &str) -> Result<Value, JsonFlaw> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() {
        return reader.syntax("there is more after the value");
    }
    Ok(value)
}

/// The canonical text of a value that [`parse`] made, or that holds no other numbers.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn syntax<T>(&self, reason: &'static str) -> Result<T, JsonFlaw> {
        Err(JsonFlaw::Syntax { reason, at: self.at })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips white space, then takes `byte` if it comes next.
    fn takes(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonFlaw> {
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                Err(JsonFlaw::Refused { reason: format!("lists and objects lie more than {MAX_DEPTH} deep") })
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => self.syntax("there is no value here"),
            None => self.syntax("the text ends too early"),
        }
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, JsonFlaw> {
        if !self.text[self.at..].starts_with(word) {
            return self.syntax("there is no value here");
        }
        self.at += word.len();
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Value, JsonFlaw> {
        self.at += 1;
        let mut items = Vec::new();
        if self.takes(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.takes(b']') {
                return Ok(Value::Array(items));
            }
            if !self.takes(b',') {
                return self.syntax("a ',' or ']' is missing");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonFlaw> {
        self.at += 1;
        let mut members = Map::new();
        if self.takes(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return self.syntax("a name in quotes is missing");
            }
            let name = self.string()?;
            if !self.takes(b':') {
                return self.syntax("a ':' is missing");
            }
            let value = self.value(depth + 1)?;
            if members.contains_key(&name) {
                return Err(JsonFlaw::Refused {
                    reason: format!("the name {:?} stands twice in one object", quoted(&name)),
                });
            }
            members.insert(name, value);
            if self.takes(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.takes(b',') {
                return self.syntax("a ',' or '}' is missing");
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonFlaw> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(plain) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') else {
                return self.syntax("a '\"' is missing");
            };
            string.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                _ => return self.syntax("a control character in a string is not escaped"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonFlaw> {
        self.at += 1;
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.syntax("there is no such escape"),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, JsonFlaw> {
        let unit = self.utf16_unit()?;
        if let Some(c) = char::from_u32(unit.into()) {
            return Ok(c);
        }
        if self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let pair = [unit, self.utf16_unit()?];
            if let Some(Ok(c)) = char::decode_utf16(pair).next() {
                return Ok(c);
            }
        }
        Err(JsonFlaw::Refused { reason: format!("a string has half of a surrogate pair, \\u{unit:04x}") })
    }

    fn utf16_unit(&mut self) -> Result<u16, JsonFlaw> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let unit = digits.and_then(|digits| {
            digits.iter().try_fold(0, |unit: u16, &digit| {
                let value = (digit as char).to_digit(16)?;
                Some(unit << 4 | u16::try_from(value).ok()?)
            })
        });
        let Some(unit) = unit else { return self.syntax("four hexadecimal digits are missing") };
        self.at += 4;
        Ok(unit)
    }

    fn digits(&mut self) -> Result<(), JsonFlaw> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.syntax("a digit is missing") } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Value, JsonFlaw> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1
        } else {
            self.digits()?
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.syntax("a number begins with a needless 0");
        }
        let integer_end = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        number_of(&self.text[start..self.at], self.at == integer_end)
    }
}

fn number_of(text: &str, is_written_as_integer: bool) -> Result<Value, JsonFlaw> {
    let refused = |why: &str| Err(JsonFlaw::Refused { reason: format!("the number {} {why}", quoted(text)) });
    let number: f64 = text.parse().expect("JSON's numbers are Rust's too");
    if !number.is_finite() {
        return refused("is too large");
    }
    // From 10²¹ on the canonical text has an exponent; below, it would be read as an integer again.
    let reads_as_integer = is_written_as_integer || (number.fract() == 0.0 && number.abs() < 1e21);
    if !reads_as_integer {
        return Ok(Value::Number(Number::from_f64(number).expect("it is finite")));
    }
    match text.parse::<i64>() {
        Ok(integer) if integer.unsigned_abs() <= MAX_INTEGER as u64 => Ok(integer.into()),
        Err(_) if !is_written_as_integer && number.abs() <= MAX_INTEGER => Ok((number as i64).into()),
        _ => refused("is an integer beyond ±2^53, which not every reader keeps exactly"),
    }
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            let number = number.as_f64().expect("every number came from a double, or an integer within ±2^53");
            out.push_str(ryu_js::Buffer::new().format_finite(number));
        }
        Value::String(string) => write_string(string, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| utf16_order(a, b));
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                separate(index, out);
                write_string(name, out);
                out.push(':');
                write_value(value, out);
            }
            out.push('}');
        }
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn utf16_order(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

fn write_string(string: &str, out: &mut String) {
    out.push('"');
    for c in string.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => out.push(plain),
        }
    }
    out.push('"');
}
