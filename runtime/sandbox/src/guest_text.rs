//! Text that a guest wrote, made fit to be shown.

/// Bytes of one line that is shown.
pub(crate) const MAX_LINE_BYTES: usize = 4 << 10;

/// The text as one line without control characters, cut at a character's boundary.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MAX_LINE_BYTES));
    for c in text.chars() {
        let shown = match c {
            '\n' | '\t' | '\r' => ' ',
            c if c.is_control() || is_direction(c) => continue,
            c => c,
        };
        if line.len() + shown.len_utf8() > MAX_LINE_BYTES {
            break;
        }
        line.push(shown);
    }
    line
}

/// The text without control characters, its lines kept.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !(c.is_control() || is_direction(*c))).collect()
}

/// Characters that reorder what surrounds them: a log line must not disguise another.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_gone() {
        for (text, shown) in [
            ("plain", "plain"),
            ("\u{1b}[2Jcleared", "[2Jcleared"),
            ("two\nlines\r\n", "two lines  "),
            ("c1 \u{9b}31m", "c1 31m"),
            ("rtl \u{202e}gpj.exe", "rtl gpj.exe"),
            ("grüße 日本", "grüße 日本"),
        ] {
            assert_eq!(one_line(text), shown);
        }
    }

    #[test]
    fn a_message_keeps_its_lines_only() {
        assert_eq!(printable("two\r\nlines\u{7} and\u{202e} more\0"), "two\nlines and more");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let line = one_line(&"€".repeat(MAX_LINE_BYTES));
        assert_eq!(line.len(), MAX_LINE_BYTES - MAX_LINE_BYTES % "€".len());
    }
}
