//! Devices as people read them.

use std::fmt::Write;

use poai_vulkan::device::{Description, Features};
use poai_vulkan::kernels::Step;
use poai_vulkan::proof::{Failure, Speed, Verdict};
use serde::Serialize;

use super::quantity::bytes;

/// A device, and what is known of it.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    #[serde(flatten)]
    pub(crate) device: Description,
    #[serde(flatten)]
    pub(crate) state: State,
}

/// What came of the proof.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum State {
    /// It ended.
    Proven {
        #[serde(rename = "proof")]
        verdict: Verdict,
        speed: Option<Speed>,
    },
    /// It did not, so that the device serves nothing.
    Unproven {
        #[serde(rename = "unproven")]
        reason: String,
    },
}

/// A paragraph for each device, or why there is none.
pub(crate) fn words(found: &[Found], absent: Option<&str>) -> String {
    if found.is_empty() {
        return format!("no device: {}\n", absent.unwrap_or("no driver of this machine offers one"));
    }
    found.iter().map(paragraph).collect::<Vec<_>>().join("\n")
}

fn paragraph(Found { device, state }: &Found) -> String {
    let driver = &device.driver;
    let mut text = format!("{} ({})\n", device.name, device.kind);
    let mut row = |name: &str, what: String| {
        let _ = writeln!(text, "  {name:<7}  {what}");
    };
    // Some drivers say nothing of themselves but their name.
    let named = format!("{} {}", driver.name, driver.info);
    row("driver", format!("{}, Vulkan {}", named.trim(), driver.vulkan));
    row("memory", bytes(device.memory_bytes));
    row("offers", offers(device.features));
    match state {
        State::Unproven { reason } => row("proof", format!("none: {reason}; it serves nothing")),
        State::Proven { verdict, speed } => {
            match verdict.step {
                Some(step) => row("proof", format!("passed; fused step: {}", step.name())),
                None => row("proof", "failed; it serves nothing".to_owned()),
            }
            for failure in &verdict.failures {
                row("", reason(failure));
            }
            row("", undecorated(verdict));
            if let Some(speed) = speed {
                row("speed", gigaflops(*speed));
            }
        }
    }
    text
}

fn offers(features: Features) -> String {
    let named = [
        (features.nearest_even, "rounding to nearest"),
        (features.special_values, "special values kept"),
        (features.integer_dot, "dots of bytes"),
        (features.fused, "a fused step"),
    ];
    let offered: Vec<_> = named.into_iter().filter(|&(offered, _)| offered).map(|(_, name)| name).collect();
    if offered.is_empty() { "nothing beyond Vulkan 1.2".to_owned() } else { offered.join(", ") }
}

fn reason(failure: &Failure) -> String {
    let step = failure.step.map(Step::name).map(|name| format!(" with {name}")).unwrap_or_default();
    format!("not {}{step}: {}", failure.check, failure.reason)
}

fn undecorated(verdict: &Verdict) -> String {
    if verdict.undecorated.is_empty() {
        return "unmarked shaders come out right too: this driver takes no liberties".to_owned();
    }
    format!("unmarked shaders come out wrong: {}", verdict.undecorated.join(", "))
}

/// A fused step counts as two operations.
fn gigaflops(speed: Speed) -> String {
    format!("{:.2} GFLOP/s, multiplying {side} × {side}", speed.million_steps as f64 * 2.0 / 1e3, side = speed.side)
}

#[cfg(test)]
mod tests {
    use poai_vulkan::device::{Driver, Kind};

    use super::*;

    fn device(name: &str) -> Description {
        let driver =
            Driver { name: "maker".to_owned(), info: "1.2.3".to_owned(), version: 7, vulkan: "1.3.0".to_owned() };
        Description {
            name: name.to_owned(),
            kind: Kind::Discrete,
            uuid: "00".repeat(16),
            driver,
            memory_bytes: 24 << 30,
            features: Features { nearest_even: true, special_values: true, integer_dot: false, fused: false },
        }
    }

    #[test]
    fn a_device_reads_well_whatever_came_of_it() {
        let failure =
            |check: &str, step| Failure { check: check.to_owned(), step, reason: "1 of 9 cases differ".to_owned() };
        let good = Verdict {
            step: Some(Step::Emulated),
            failures: vec![failure("triples", Some(Step::Fma))],
            undecorated: vec!["reassociation".to_owned(), "chains".to_owned()],
        };
        let bad = Verdict { step: None, failures: vec![failure("loops", None)], undecorated: Vec::new() };
        let speed = Some(Speed { side: 512, million_steps: 1_234_567 });
        let found = [
            Found { device: device("Good"), state: State::Proven { verdict: good, speed } },
            Found { device: device("Bad"), state: State::Proven { verdict: bad, speed: None } },
            Found { device: device("Gone"), state: State::Unproven { reason: "the device was lost".to_owned() } },
        ];
        insta::assert_snapshot!("devices", words(&found, None));
        assert_eq!(words(&[], Some("no loader")), "no device: no loader\n");
    }
}
