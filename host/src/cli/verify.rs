use std::path::Path;

use super::invocation::{Invocation, absolute};
use super::run_input::{is_path, multiaddr, place};
use poai_objects::Sample;

use crate::control::{Place, Request, VerifyTarget};
use crate::errors::{Exit, Failure};

/// Replay a run, and compare: exit 0 if the claim is the same, 5 if it differs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A receipt's, claim's or run's CID, or an archive with one (see `export`)
    #[arg(value_name = "CID|FILE")]
    target: String,
    /// Where to replay: `local`, `network`, or a host's peer id
    #[arg(long, value_name = "PLACE", default_value = "local", value_parser = place)]
    on: Place,
    /// Compute only this share of the claim's effects again, drawn now, and take the other results from what the
    /// executor recorded: more than 0, at most 1. The verdict is then one of a sample
    #[arg(long, value_name = "SHARE", conflicts_with = "on", value_parser = per_million)]
    sample: Option<u32>,
    /// A peer to connect to
    #[arg(long = "peer", value_name = "MULTIADDR", value_parser = multiaddr)]
    peers: Vec<String>,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    let target = if is_path(&args.target) {
        VerifyTarget::File(absolute(Path::new(&args.target))?)
    } else {
        VerifyTarget::Cid(args.target)
    };
    invocation.ask(Request::Verify { target, on: args.on, per_million: args.sample, peers: args.peers }).await
}

/// A share such as `0.05`, in millionths.
fn per_million(text: &str) -> Result<u32, String> {
    let refuse = || format!("{text:?} is no share: write a number of at most six decimals, more than 0, at most 1");
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 6 || !is_number(whole) || !is_number(decimals) {
        return Err(refuse());
    }
    let millionths = format!("{whole}{decimals:0<6}").parse().map_err(|_| refuse())?;
    if (1..=Sample::ALL).contains(&millionths) { Ok(millionths) } else { Err(refuse()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_millionths() {
        for (text, expected) in [
            ("1", Some(1_000_000)),
            ("0.05", Some(50_000)),
            ("0.000001", Some(1)),
            ("1.0", Some(1_000_000)),
            ("0.", None),
            ("0", None),
            ("1.000001", None),
            ("0.0000001", None),
            (".5", None),
            ("-1", None),
            ("5e-1", None),
            ("99999999999", None),
        ] {
            assert_eq!(per_million(text).ok(), expected, "{text}");
        }
    }
}
