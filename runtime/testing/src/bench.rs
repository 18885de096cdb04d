//! What a bench tells: the table that it prints, and the file `target/bench/GROUP.json` that scripts compare.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    name: String,
    value: f64,
    unit: &'static str,
    better: &'static str,
    peer: Option<&'static str>,
    peer_value: Option<f64>,
    ratio: Option<f64>,
    goal: Option<f64>,
}

impl Line {
    /// A speed or a rate: more is better.
    #[must_use]
    pub fn higher(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self::new(name.into(), value, unit, "higher")
    }

    /// A cost: less is better.
    #[must_use]
    pub fn lower(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self::new(name.into(), value, unit, "lower")
    }

    fn new(name: String, value: f64, unit: &'static str, better: &'static str) -> Self {
        Self { name, value, unit, better, peer: None, peer_value: None, ratio: None, goal: None }
    }

    /// Beside what something else came to at the same work, in the same unit.
    #[must_use]
    pub fn beside(self, peer: &'static str, peer_value: f64) -> Self {
        let ratio = Some(self.value / peer_value);
        Self { peer: Some(peer), peer_value: Some(peer_value), ratio, ..self }
    }

    /// With the value that is to be reached.
    #[must_use]
    pub fn goal(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }
}

/// The folder of benches' results, which is made if need be: also a place on this disk for what they work on.
///
/// # Errors
/// As [`fs::create_dir_all`].
pub fn folder() -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Prints a group's table and writes its file.
///
/// # Errors
/// If the file cannot be written.
#[expect(clippy::print_stdout, reason = "a bench tells its results")]
pub fn report(group: &str, lines: &[Line]) -> io::Result<()> {
    println!("{:<32} {:>12} {:<7} {:>10} {:>12} {:>7}  peer", "name", "value", "unit", "goal", "peer's", "ratio");
    let shown = |number: Option<f64>, digits| number.map_or(String::new(), |number| format!("{number:.digits$}"));
    for Line { name, value, unit, peer, peer_value, ratio, goal, .. } in lines {
        let (goal, peer_value, ratio) = (shown(*goal, 2), shown(*peer_value, 3), shown(*ratio, 2));
        let peer = peer.unwrap_or_default();
        println!("{name:<32} {value:>12.3} {unit:<7} {goal:>10} {peer_value:>12} {ratio:>7}  {peer}");
    }
    fs::write(folder()?.join(format!("{group}.json")), serde_json::to_vec_pretty(lines)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_documented_fields() {
        let line = Line::lower("start", 3.0, "ms").beside("nothing at all", 2.0).goal(4.0);
        let expected = serde_json::json!({
            "name": "start", "value": 3.0, "unit": "ms", "better": "lower",
            "peer": "nothing at all", "peer_value": 2.0, "ratio": 1.5, "goal": 4.0,
        });
        assert_eq!(serde_json::to_value(line).expect("it is plain data"), expected);
    }
}
