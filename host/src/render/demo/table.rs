//! What both reports consist of.

use std::fmt::Write;

use super::super::quantity::bytes;
use crate::demo::report::{PeerRow, RunRow};

/// Characters of a CID's end that tell it from the others of a table.
const TAIL: usize = 8;

pub(super) fn tail(cid: &str) -> &str {
    let start = cid.char_indices().rev().nth(TAIL - 1).map_or(0, |(index, _)| index);
    &cid[start..]
}

/// Columns of equal width; numbers and times end at the same place.
pub(super) fn align<const COLUMNS: usize>(table: &[[String; COLUMNS]]) -> String {
    const RIGHT: [&str; 2] = ["FUEL", "TIME"];
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            let cell = if RIGHT.contains(&table[0][column].as_str()) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:width$}")
            };
            line.push_str(&cell);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Every name of a run in full, to be copied.
pub(super) fn cids(row: &RunRow) -> String {
    let RunRow { name, host, run, replay, .. } = row;
    let mut text = format!("{name} on {host}\n");
    for (what, cid) in
        [("run", &run.run), ("claim", &run.claim), ("receipt", &run.receipt), ("verdict", &replay.signed)]
    {
        let _ = writeln!(text, "  {what:8} {cid}");
    }
    for (name, output) in &run.outputs {
        let _ = writeln!(text, "  {name:8} {}", output.cid);
    }
    text
}

/// How much each peer got from the others.
pub(super) fn fetched(peers: &[PeerRow]) -> String {
    let fetched: Vec<_> = peers.iter().map(|peer| format!("{} {}", peer.name, bytes(peer.received_bytes))).collect();
    format!("Fetched from each other: {}.\n", fetched.join(", "))
}

/// What to type next: for each peer that is named, a command. `demo` is how the demo was called.
pub(super) fn further(
    kept: Option<&str>,
    program: &str,
    peers: &[PeerRow],
    demo: &str,
    commands: &[(&str, String)],
) -> String {
    let Some(kept) = kept else {
        return format!(
            "\nThe peers have ended and their homes are gone. To keep them and look further: poai {demo} --keep DIR\n"
        );
    };
    let mut text = format!("\nThe peers have ended; their homes are in {kept}. Look further:\n");
    let home = |name: &str| peers.iter().find(|peer| peer.name == name).map_or("", |peer| peer.home.as_str());
    for (peer, words) in commands {
        let _ = writeln!(text, "  {program} --home {} {words}", home(peer));
    }
    text
}
