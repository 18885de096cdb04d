//! Words and how often they come up.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

/// How often each word came up. Ordered, so that equal texts give equal output.
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Adds the words of a text, a line at a time.
    ///
    /// # Errors
    /// The text cannot be read, or is not UTF-8.
    pub(crate) fn add_text(&mut self, mut text: impl BufRead) -> io::Result<()> {
        let mut line = String::new();
        while text.read_line(&mut line)? > 0 {
            for word in words(&line) {
                *self.0.entry(word).or_default() += 1;
            }
            line.clear();
        }
        Ok(())
    }

    /// The words and their counts: the most frequent first, equally frequent ones by their letters.
    pub(crate) fn ranked(&self) -> Vec<(&str, u64)> {
        let mut ranked: Vec<_> = self.0.iter().map(|(word, count)| (word.as_str(), *count)).collect();
        ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ranked
    }
}

/// A table for people: one word a line after its count.
pub(crate) fn write_table(mut to: impl Write, ranked: &[(&str, u64)]) -> io::Result<()> {
    for (word, count) in ranked {
        writeln!(to, "{count:>8} {word}")?;
    }
    to.flush()
}

/// The same for programs. Words have no comma and no quote, so none needs quoting.
pub(crate) fn write_csv(mut to: impl Write, ranked: &[(&str, u64)]) -> io::Result<()> {
    writeln!(to, "word,count")?;
    for (word, count) in ranked {
        writeln!(to, "{word},{count}")?;
    }
    to.flush()
}

/// The words of a line in small letters: runs of letters and digits, with apostrophes inside of them.
fn words(line: &str) -> impl Iterator<Item = String> {
    line.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &[u8]) -> io::Result<Counts> {
        let mut counts = Counts::default();
        counts.add_text(text)?;
        Ok(counts)
    }

    #[test]
    fn words_are_ranked_by_count_then_by_letters() {
        let counts = counted("The cat's hat — 'the' hat, THE end.\nÉté, été".as_bytes()).unwrap();
        assert_eq!(counts.ranked(), [("the", 3), ("hat", 2), ("été", 2), ("cat's", 1), ("end", 1)]);
    }

    #[test]
    fn tables_have_a_word_a_line() {
        let (mut table, mut csv) = (Vec::new(), Vec::new());
        let counts = counted(b"b a b").unwrap();
        write_table(&mut table, &counts.ranked()).unwrap();
        write_csv(&mut csv, &counts.ranked()).unwrap();
        assert_eq!(table, b"       2 b\n       1 a\n");
        assert_eq!(csv, b"word,count\nb,2\na,1\n");
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert_eq!(counted(b"a \xff b").err().unwrap().kind(), io::ErrorKind::InvalidData);
    }
}
