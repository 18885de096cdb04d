use super::guest;
use super::invocation::{Invocation, interrupts};
use crate::control::{Answer, CheckState, CheckWords, Request, connect};
use crate::errors::{Exit, Failure};

/// Look at what this machine offers and enforces: sandbox, disk, keys, compiler
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let home = invocation.home()?;
    let config = invocation.config(&home)?;
    let cancel = interrupts()?;
    let mut endpoint = connect(&home, &config).await?;
    let answer = invocation.ask_endpoint(&mut endpoint, Request::Doctor, &cancel).await;
    endpoint.close().await;
    let mut answer = answer?;
    if let Answer::Doctor(doctor) = &mut answer {
        // The compiler is the author's, not the daemon's.
        doctor.checks.push(wasm_target());
    }
    Ok(invocation.screen.answer(&answer))
}

fn wasm_target() -> CheckWords {
    let here = std::env::current_dir().unwrap_or_default();
    let (state, about) = match guest::has_target(&here) {
        Ok(true) => (CheckState::Good, "wasm32-wasip2 is installed".to_owned()),
        Ok(false) => (CheckState::Weak, "wasm32-wasip2 is not installed; `poai build` adds it".to_owned()),
        Err(failure) => (CheckState::Weak, format!("tasks in Rust cannot be built: {failure}")),
    };
    CheckWords { name: "compiler".into(), state, about }
}
