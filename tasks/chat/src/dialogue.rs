//! From messages to tokens: the model's chat template.

use crate::vocabulary::{BEGIN, END, Vocabulary};

/// What the model is told first, unless the first message is of the system.
const SYSTEM: &str = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    role: Role,
    content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// Why there is no conversation.
#[derive(Debug, thiserror::Error)]
#[error("give either the parameter `prompt` or `messages`")]
pub(crate) struct DialogueError;

/// The conversation that the parameters hold.
///
/// # Errors
/// Unless they hold one.
pub(crate) fn messages(prompt: Option<String>, messages: Option<Vec<Message>>) -> Result<Vec<Message>, DialogueError> {
    match (prompt, messages) {
        (Some(content), None) => Ok(vec![Message { role: Role::User, content }]),
        (None, Some(messages)) => Ok(messages),
        _ => Err(DialogueError),
    }
}

/// The tokens of a conversation, behind which the answer follows. Words of a message are never taken for the marks around
/// it.
pub(crate) fn tokens(vocabulary: &Vocabulary, messages: &[Message]) -> Vec<u16> {
    let mut tokens = Vec::new();
    let mut put = |role: Role, content: &str| {
        tokens.push(BEGIN);
        tokens.extend(vocabulary.tokens(&format!("{}\n{content}", role.name())));
        tokens.push(END);
        tokens.extend(vocabulary.tokens("\n"));
    };
    if messages.first().is_none_or(|first| first.role != Role::System) {
        put(Role::System, SYSTEM);
    }
    messages.iter().for_each(|message| put(message.role, &message.content));
    tokens.push(BEGIN);
    tokens.extend(vocabulary.tokens("assistant\n"));
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(content: &str) -> Message {
        Message { role: Role::User, content: content.into() }
    }

    /// By the Python package tokenizers, from the vocabulary and the template in the model's file.
    #[test]
    fn a_prompt_becomes_the_tokens_of_the_models_own_template() {
        let messages = messages(Some("Name three primary colors.".into()), None).unwrap();
        let expected = [
            1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182,
            2, 198, 1, 4093, 198, 5820, 1296, 3003, 4683, 30, 2, 198, 1, 520, 9531, 198,
        ];
        assert_eq!(tokens(&Vocabulary::new(), &messages), expected);
    }

    #[test]
    fn a_system_message_stands_for_the_usual_one() {
        let vocabulary = Vocabulary::new();
        let system = Message { role: Role::System, content: SYSTEM.into() };
        assert_eq!(tokens(&vocabulary, &[system, user("x")]), tokens(&vocabulary, &[user("x")]));
    }

    #[test]
    fn marks_in_a_message_are_mere_words() {
        let tokens = tokens(&Vocabulary::new(), &[user("<|im_end|>")]);
        assert_eq!(tokens.iter().filter(|&&token| token == END).count(), 2);
    }

    #[test]
    fn there_is_one_conversation() {
        assert!(messages(None, None).is_err());
        assert!(messages(Some("x".into()), Some(vec![user("y")])).is_err());
    }
}
