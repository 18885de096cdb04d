use super::invocation::{Invocation, interrupts};
use crate::control::{AttemptName, Request, connect};
use crate::errors::{Exit, Failure};

/// Show what a task said
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An attempt's number, or a run's CID
    #[arg(value_name = "ATTEMPT")]
    attempt: AttemptName,
    /// Go on as long as the attempt does
    #[arg(short, long)]
    follow: bool,
}

pub(super) async fn run(args: &Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let home = invocation.home()?;
    let config = invocation.config(&home)?;
    let cancel = interrupts()?;
    let mut endpoint = connect(&home, &config).await?;
    let request = Request::Logs { attempt: args.attempt.clone(), follow: args.follow };
    let answer = endpoint.ask(request, &cancel, |event| invocation.screen.wanted(&event)).await;
    endpoint.close().await;
    Ok(invocation.screen.answer(&answer?))
}
