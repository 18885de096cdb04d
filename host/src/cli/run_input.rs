//! What the arguments of a run are, as text.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cid::Cid;
use poai_net::{Multiaddr, PeerId};
use poai_objects::InputName;
use rustix::fs::FileType;

use crate::control::{Place, Source};

/// `NAME=FILE|DIR|CID`. What parses as a CID and is no file here is a CID.
pub(super) fn input(text: &str) -> Result<(InputName, Source), String> {
    let (name, value) = pair(text)?;
    let name = name.parse().map_err(|error: poai_objects::ObjectError| error.to_string())?;
    let is_cid = !value.contains('/') && Cid::try_from(value.as_str()).is_ok() && !Path::new(&value).exists();
    Ok((name, if is_cid { Source::Cid(value) } else { Source::Path(PathBuf::from(value)) }))
}

/// `K=V`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form NAME=VALUE")),
    }
}

/// `local`, `network`, or a peer.
pub(super) fn place(text: &str) -> Result<Place, String> {
    match text {
        "local" => Ok(Place::Local),
        "network" => Ok(Place::Network),
        peer if peer.parse::<PeerId>().is_ok() || peer.parse::<Multiaddr>().is_ok() => Ok(Place::Peer(peer.to_owned())),
        _ => Err(format!("{text:?} is neither `local`, `network`, a peer id nor a multiaddr")),
    }
}

/// A multiaddr.
pub(super) fn multiaddr(text: &str) -> Result<String, String> {
    match text.parse::<Multiaddr>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{text:?} is no multiaddr such as /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…: {error}")),
    }
}

/// `500ms`, `30s`, `5m`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let refuse = || format!("{text:?} is no duration: write for instance 500ms, 30s, 5m or 2h");
    let number: u64 = number.parse().map_err(|_| refuse())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(refuse()),
    };
    match number.checked_mul(milliseconds) {
        Some(0) => Err("a duration is above zero".into()),
        Some(total) if total <= 366 * 24 * 3_600_000 => Ok(Duration::from_millis(total)),
        _ => Err(format!("{text:?} is more than a year")),
    }
}

/// Whether a target is a path rather than a name: it has a `/`, begins with a `.`, or ends in `.wasm` or `.car`.
pub(super) fn is_path(text: &str) -> bool {
    text.contains('/') || text.starts_with('.') || text.ends_with(".wasm") || text.ends_with(".car")
}

/// Whether standard input is a pipe or a file: not a terminal, not a device, not closed.
pub(super) fn stdin_is_piped() -> bool {
    let stdin = std::io::stdin();
    let kind = rustix::fs::fstat(stdin.as_fd()).map(|about| FileType::from_raw_mode(about.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::RegularFile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_exactly() {
        for (text, milliseconds) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in ["", "5", "s", "-1s", "0s", "1d", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn inputs_are_paths_or_cids() {
        let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
        assert_eq!(input(&format!("a={cid}")).unwrap().1, Source::Cid(cid.into()));
        assert_eq!(input(&format!("a=./{cid}")).unwrap().1, Source::Path(format!("./{cid}").into()));
        assert_eq!(input("a=b=c").unwrap().1, Source::Path("b=c".into()));
        for text in ["a", "=b", "../a=b", "a/b=c"] {
            assert!(input(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_told_from_a_name() {
        for (text, path) in
            [("hello", false), ("hello@1.0", false), (".", true), ("./hello", true), ("a/b", true), ("app.wasm", true)]
        {
            assert_eq!(is_path(text), path, "{text}");
        }
    }
}
