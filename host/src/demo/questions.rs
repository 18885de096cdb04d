//! What is asked of the tasks with models, as data, and how their answers read.

use serde::Deserialize;

/// Why an output is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Text(#[from] std::str::Utf8Error),
}

/// A task with a model, and a question to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// The task, a folder of poai's own.
    pub(super) task: &'static str,
    /// What is asked, in words.
    pub(super) words: &'static str,
    /// The input, by name, if it takes one.
    pub(super) input: Option<(&'static str, Matter)>,
    pub(super) params: &'static [(&'static str, &'static str)],
    /// The output with the answer.
    pub(super) output: &'static str,
    /// The answer in words, a line each, or why it is none.
    pub(super) read: fn(&[u8]) -> Result<Vec<String>, Unreadable>,
}

/// What an input consists of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Matter {
    /// A file of the task's folder.
    File(&'static str),
    /// A text of this program's.
    Text(&'static str),
}

/// Sentences of which the first two mean the same.
const SENTENCES: [&str; 3] = [
    "A man is playing the guitar on stage.",
    "Someone performs music with a stringed instrument.",
    "The stock market fell by two percent today.",
];

/// The same, as an input.
const SENTENCES_TEXT: &str = "A man is playing the guitar on stage.
Someone performs music with a stringed instrument.
The stock market fell by two percent today.
";

/// Every task that the demo runs, in order.
pub(super) const QUESTIONS: [Question; 3] = [
    Question {
        task: "filetype",
        words: "What is the file that this task was compiled from?",
        input: Some(("file", Matter::File("src/lib.rs"))),
        params: &[],
        output: "type",
        read: kind,
    },
    Question {
        task: "embed",
        words: "Which of three sentences mean the same?",
        input: Some(("sentences", Matter::Text(SENTENCES_TEXT))),
        params: &[],
        output: "similarities",
        read: similarities,
    },
    Question {
        task: "chat",
        words: "Name three primary colors.",
        input: None,
        params: &[("prompt", "Name three primary colors."), ("max_tokens", "24")],
        output: "text",
        read: text,
    },
];

/// The task filetype's answer.
fn kind(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    #[derive(Deserialize)]
    struct Found {
        label: String,
        description: String,
        score: f64,
    }
    let Found { label, description, score } = serde_json::from_slice(bytes)?;
    Ok(vec![format!("{label} ({description}), {:.1} % sure", score * 100.0)])
}

/// The task embed's answer: every two sentences once.
fn similarities(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    let rows: Vec<Vec<f64>> = serde_json::from_slice(bytes)?;
    let of_row = |(row, values): (usize, &Vec<f64>)| -> Vec<String> {
        let later = values.iter().zip(SENTENCES).skip(row + 1);
        later.map(|(value, other)| format!("{value:+.4}  {} ~ {other}", SENTENCES[row])).collect()
    };
    Ok(rows.iter().enumerate().take(SENTENCES.len()).flat_map(of_row).collect())
}

/// The task chat's answer, without empty lines.
fn text(bytes: &[u8]) -> Result<Vec<String>, Unreadable> {
    let lines = std::str::from_utf8(bytes)?.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_are_what_is_sent() {
        assert_eq!(SENTENCES_TEXT.lines().collect::<Vec<_>>(), SENTENCES);
    }

    #[test]
    fn answers_read_well() {
        let found = br#"{"label": "rust", "description": "Rust source", "group": "code", "score": 0.99824}"#;
        assert_eq!(kind(found).unwrap(), ["rust (Rust source), 99.8 % sure"]);
        let rows = b"[[1, 0.5462, -0.0607], [0.5462, 1, 0.01], [-0.0607, 0.01, 1]]";
        assert_eq!(
            similarities(rows).unwrap(),
            [
                format!("+0.5462  {} ~ {}", SENTENCES[0], SENTENCES[1]),
                format!("-0.0607  {} ~ {}", SENTENCES[0], SENTENCES[2]),
                format!("+0.0100  {} ~ {}", SENTENCES[1], SENTENCES[2]),
            ]
        );
        assert_eq!(text("These:\n\nRed\nGelb ¾\n".as_bytes()).unwrap(), ["These:", "Red", "Gelb ¾"]);
        assert!(kind(b"[]").is_err() && similarities(b"{}").is_err() && text(b"\xff").is_err());
    }
}
