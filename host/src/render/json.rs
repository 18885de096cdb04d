//! Answers, failures and events as JSON, in the documented shapes.

use serde_json::{Value, json};

use crate::control::Answer;
use crate::errors::Failure;
use crate::events::Event;

/// An answer's own fields: the variant's name is not part of the shape.
pub(super) fn answer(answer: &Answer) -> String {
    match serde_json::to_value(answer).expect("answers have text keys and no float") {
        Value::Object(variant) => {
            variant.into_iter().map(|(_, fields)| fields).next().unwrap_or(Value::Null).to_string()
        }
        other => other.to_string(),
    }
}

pub(super) fn failure(failure: &Failure) -> String {
    let mut error = json!({ "kind": failure.kind, "message": failure.message });
    if let Some(hint) = &failure.hint {
        error["hint"] = Value::from(hint.as_str());
    }
    json!({ "error": error, "exit": failure.kind.exit() as u8 }).to_string()
}

pub(super) fn event(event: &Event) -> String {
    serde_json::to_string(event).expect("events have text keys and no float")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{CancelAnswer, PublishAnswer};
    use crate::errors::Kind;

    #[test]
    fn shapes_are_the_documented_ones() {
        let published = Answer::Published(PublishAnswer {
            package: "bafy1".into(),
            program: "bafy2".into(),
            name: "hello".into(),
            version: "1.0.0".into(),
            envelope: None,
        });
        assert_eq!(answer(&published), r#"{"name":"hello","package":"bafy1","program":"bafy2","version":"1.0.0"}"#);
        let cancelled = Answer::Cancelled(CancelAnswer { attempt: 1, cancelled: true, state: "running".into() });
        assert_eq!(answer(&cancelled), r#"{"attempt":1,"cancelled":true,"state":"running"}"#);
        assert_eq!(
            failure(&Failure::new(Kind::NoDaemon, "none").hint("start it")),
            r#"{"error":{"hint":"start it","kind":"no-daemon","message":"none"},"exit":1}"#
        );
        assert_eq!(event(&Event::Dropped { count: 2 }), r#"{"event":"dropped","count":2}"#);
    }
}
