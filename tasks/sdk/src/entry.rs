//! The entry point: parameters in, an error's words out.

use std::error::Error;

use serde::de::DeserializeOwned;

/// A function that can be a task's entry point. `Arguments` tells its two forms apart.
pub trait EntryPoint<Arguments> {
    /// Runs it; an error becomes the words of the run's outcome.
    fn call(self) -> Result<(), String>;
}

impl<F, E> EntryPoint<()> for F
where
    F: FnOnce() -> Result<(), E>,
    E: Into<Box<dyn Error>>,
{
    fn call(self) -> Result<(), String> {
        self().map_err(|error| in_words(error.into().as_ref()))
    }
}

impl<F, P, E> EntryPoint<(P,)> for F
where
    F: FnOnce(P) -> Result<(), E>,
    P: DeserializeOwned,
    E: Into<Box<dyn Error>>,
{
    fn call(self) -> Result<(), String> {
        let params = crate::params().map_err(|error| in_words(&error))?;
        self(params).map_err(|error| in_words(error.into().as_ref()))
    }
}

/// What [`main`](crate::main) expands to calls this.
pub fn run<Arguments>(task: impl EntryPoint<Arguments>) -> Result<(), String> {
    task.call()
}

/// An error and its causes on one line. A cause that its parent already names is not repeated.
fn in_words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.ends_with(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the weights are unusable")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("they end after {0} bytes")]
    struct Inner(u64);

    #[test]
    fn an_error_is_told_with_its_causes() {
        assert_eq!(
            run(|| Err::<(), _>(Outer(Inner(7)))),
            Err("the weights are unusable: they end after 7 bytes".into())
        );
    }

    #[test]
    fn text_is_an_error_too() {
        assert_eq!(run(|| Err::<(), _>("no words")), Err("no words".into()));
        assert_eq!(run(|| Err::<(), _>(String::from("none"))), Err("none".into()));
        assert_eq!(run(|| -> crate::Result<()> { Ok(()) }), Ok(()));
    }
}
