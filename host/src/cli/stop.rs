use super::invocation::{Invocation, interrupts};
use crate::control::{Request, ask_daemon_of};
use crate::errors::{Exit, Failure};

/// Stop this home's daemon
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let home = invocation.home()?;
    let cancel = interrupts()?;
    let answer = ask_daemon_of(&home, Request::Stop, &cancel).await?;
    Ok(invocation.screen.answer(&answer))
}
