//! Answers, failures and events in words.

use std::fmt::Write;

use super::quantity::{bytes, count, date, microseconds};
use crate::control::*;
use crate::errors::Failure;
use crate::events::{Event, LogLevel};

/// Effects whose numbers a line has room for.
const INDICES_SHOWN: usize = 12;

/// An answer's words: the result itself, and notes beside it.
pub(crate) fn answer(answer: &Answer) -> (String, String) {
    match answer {
        Answer::Published(published) => (publish(published), String::new()),
        Answer::Ran(run) => run_words(run),
        Answer::Detached(detached) => {
            let notes =
                format!("follow it with `poai logs -f {0}`, wait for it with `poai wait {0}`", detached.attempt);
            (format!("attempt {}  run {}", detached.attempt, detached.run), notes)
        }
        Answer::Attempts(attempts) => (attempts_words(attempts), String::new()),
        Answer::LogsEnded(_) => (String::new(), String::new()),
        Answer::Cancelled(cancel) if cancel.cancelled => {
            (format!("attempt {} is cancelled", cancel.attempt), String::new())
        }
        Answer::Cancelled(cancel) => (format!("attempt {} had ended: {}", cancel.attempt, cancel.state), String::new()),
        Answer::Verified(verified) => (verify(verified), String::new()),
        Answer::Shown(shown) => (show(shown), String::new()),
        Answer::Listed(listed) => (list(listed), String::new()),
        Answer::Pulled(pulled) => {
            let place = pulled.output.as_deref().map_or_else(String::new, |output| format!(" to {output}"));
            (
                format!(
                    "{}  {}{place}, {} of it fetched",
                    pulled.cid,
                    bytes(pulled.bytes),
                    bytes(pulled.fetched_bytes)
                ),
                String::new(),
            )
        }
        Answer::Models(listed) if listed.models.is_empty() => ("no model is here yet".into(), String::new()),
        Answer::Models(listed) => (models(&listed.models), String::new()),
        Answer::PulledModels(pulled) if pulled.models.is_empty() => ("it has no models".into(), String::new()),
        Answer::PulledModels(pulled) => {
            (models(&pulled.models), format!("{} of it fetched", bytes(pulled.fetched_bytes)))
        }
        Answer::Pinned(pin) => {
            (format!("{} is {}", pin.cid, if pin.pinned { "pinned" } else { "no longer pinned" }), String::new())
        }
        Answer::Collected(collected) => (collect(collected), String::new()),
        Answer::Exported(exported) => (
            format!("{}  {} blocks, {}", exported.output, count(exported.blocks), bytes(exported.bytes)),
            String::new(),
        ),
        Answer::Imported(imported) => {
            (imported.roots.join("\n"), format!("{} blocks, {}", count(imported.blocks), bytes(imported.bytes)))
        }
        Answer::Key(key) => (key_words(key), String::new()),
        Answer::Delegated(delegated) => (
            format!(
                "{}\n{} may act for {} until {}",
                delegated.output,
                delegated.host,
                delegated.account,
                date(delegated.until_s * 1000)
            ),
            String::new(),
        ),
        Answer::Status(status) => (status_words(status), String::new()),
        Answer::Doctor(doctor) => (doctor_words(doctor), String::new()),
        Answer::Described(described) => (described.program.clone(), String::new()),
        Answer::Stopped(stopped) => (format!("the daemon (process {}) stops", stopped.stopped), String::new()),
    }
}

/// A failure's words: what was wrong, and what to do.
pub(crate) fn failure(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("error: {}\n hint: {hint}", failure.message),
        None => format!("error: {}", failure.message),
    }
}

/// An event's words, if it has any worth a line.
pub(super) fn event(event: &Event, quiet: bool) -> Option<String> {
    let loud = match event {
        Event::Log { level, message } => return log_line(*level, message, quiet),
        Event::Notice { message } => message.clone(),
        Event::HostFailed { host, reason } => format!("{host}: {reason}; trying another host"),
        Event::Verdict(verdict) => match (&verdict.verdict, &verdict.first_difference) {
            (VerdictWord::Same | VerdictWord::SameBySample, _) => {
                format!("replayed by {}: the same claim", verdict.host)
            }
            (VerdictWord::Differs, difference) => {
                format!(
                    "replayed by {}: ANOTHER claim, first difference: {}",
                    verdict.host,
                    difference.as_deref().unwrap_or("unknown")
                )
            }
        },
        Event::Dropped { count } => format!("{count} events were not shown: they came too fast"),
        _ => return None,
    };
    (!quiet).then_some(loud)
}

fn log_line(level: LogLevel, message: &str, quiet: bool) -> Option<String> {
    match level {
        LogLevel::Trace | LogLevel::Debug => None,
        LogLevel::Info => (!quiet).then(|| message.to_owned()),
        LogLevel::Warn => (!quiet).then(|| format!("warning: {message}")),
        LogLevel::Error => Some(format!("task error: {message}")),
    }
}

fn publish(published: &PublishAnswer) -> String {
    format!(
        "published {} {}\n  package  {}\n  program  {}",
        published.name, published.version, published.package, published.program
    )
}

/// A plain program's stdout has been printed: everything else is notes.
fn run_words(run: &RunAnswer) -> (String, String) {
    let mut text = String::new();
    let ending = match (&run.outcome.kind, &run.outcome.message, &run.outcome.trap) {
        (OutcomeKind::Ok, _, _) => "ok".to_owned(),
        (OutcomeKind::Failed, Some(message), _) => format!("failed: {message}"),
        (OutcomeKind::Trapped, _, Some(trap)) => format!("trapped: {trap}"),
        (kind, _, _) => format!("{kind:?}").to_lowercase(),
    };
    let _ =
        writeln!(text, "{ending}  {} fuel, {}{}", count(run.fuel), microseconds(run.telemetry.wall_us), origin(run));
    for (name, output) in &run.outputs {
        let _ = writeln!(text, "  {name}  {}  {}", output.cid, bytes(output.bytes));
    }
    let mut ids = format!("run      {}\nclaim    {}\nreceipt  {}", run.run, run.claim, run.receipt);
    for verdict in &run.verdicts {
        let word = if verdict.verdict == VerdictWord::Same { "same" } else { "DIFFERS" };
        let _ = write!(ids, "\nverdict  {word} by {}", verdict.host);
    }
    if run.plain { (String::new(), format!("{text}{ids}")) } else { (text, ids) }
}

fn origin(run: &RunAnswer) -> String {
    match (&run.cached_from, &run.host) {
        (Some(why), _) => format!(", known already ({why})"),
        (None, Some(host)) => format!(", on {host}"),
        (None, None) => String::new(),
    }
}

fn attempts_words(answer: &AttemptsAnswer) -> String {
    if answer.attempts.is_empty() {
        return "no attempts".into();
    }
    let mut rows = vec![["#".into(), "STATE".into(), "STARTED".into(), "ON".into(), "TARGET".into(), "RUN".into()]];
    for attempt in &answer.attempts {
        rows.push([
            attempt.attempt.to_string(),
            attempt.state.clone(),
            date(attempt.started_ms),
            attempt.on.clone(),
            attempt.target.clone(),
            attempt.run.clone(),
        ]);
    }
    table(&rows)
}

fn verify(verified: &VerifyAnswer) -> String {
    let mut text = match (&verified.verdict, &verified.first_difference) {
        (VerdictWord::Same, _) => format!("same\n  claim    {}", verified.claim),
        (VerdictWord::SameBySample, _) => format!("no difference in a sample\n  claim    {}", verified.claim),
        (VerdictWord::Differs, difference) => format!(
            "differs, first in: {}\n  claim    {}\n  replay   {}",
            difference.as_deref().unwrap_or("unknown"),
            verified.claim,
            verified.found
        ),
    };
    let _ = write!(text, "\n  run      {}\n  verdict  {}", verified.run, verified.signed);
    if let Some(key) = &verified.receipt_key {
        let _ = write!(text, "\n  receipt  signed by {key}");
    }
    if let Some(sample) = &verified.sample {
        text.push_str(&sample_words(sample));
    }
    text
}

fn sample_words(sample: &SampleWords) -> String {
    let indices: Vec<_> = sample.indices.iter().take(INDICES_SHOWN).map(u64::to_string).collect();
    let more = if sample.recomputed > indices.len() as u64 { ", …" } else { "" };
    let mut text = format!("\n  computed {} of {} effects", count(sample.recomputed), count(sample.effects));
    if !indices.is_empty() {
        let _ = write!(text, ": {}{more}", indices.join(", "));
    }
    if sample.unrecorded > 0 {
        let _ = write!(text, "\n           {} of them since their results are not recorded", count(sample.unrecorded));
    }
    let _ = write!(text, "\n  seed     {}, for {} in 1,000,000", sample.seed, count(u64::from(sample.per_million)));
    text
}

fn show(shown: &ShowAnswer) -> String {
    let mut text = format!("{}  {}\n", shown.kind, shown.cid);
    let object = serde_json::to_string_pretty(&shown.object).expect("a JSON value has a text");
    text.push_str(&object);
    for (what, cids) in &shown.related {
        for cid in cids {
            let _ = write!(text, "\n{what}  {cid}");
        }
    }
    text
}

fn list(listed: &ListAnswer) -> String {
    if listed.entries.is_empty() {
        return "nothing here yet".into();
    }
    let rows: Vec<_> = listed
        .entries
        .iter()
        .map(|entry| {
            let size = entry.bytes.map_or_else(String::new, bytes);
            [entry.kind.clone(), entry.name.clone(), size, entry.cid.clone(), entry.about.clone().unwrap_or_default()]
        })
        .collect();
    table(&rows)
}

/// A model a line, with whose it is.
fn models(models: &[ModelWords]) -> String {
    let row = |model: &ModelWords| {
        let owner = model.package.as_ref().unwrap_or(&model.program).clone();
        [model.name.clone(), model.format.clone(), bytes(model.bytes), model.cid.clone(), owner]
    };
    table(&models.iter().map(row).collect::<Vec<_>>())
}

fn collect(collected: &CollectAnswer) -> String {
    let mut text = format!(
        "removed {} blocks, {}; kept {} blocks, {}",
        count(collected.removed_blocks),
        bytes(collected.removed_bytes),
        count(collected.kept_blocks),
        bytes(collected.kept_bytes)
    );
    if let Some(damaged) = collected.damaged_blocks {
        let _ = write!(text, "; {} damaged", count(damaged));
    }
    text
}

fn key_words(key: &KeyAnswer) -> String {
    let mut text = format!("account  {}\nhost     {}\npeer     {}", key.account, key.host, key.peer);
    if let (Some(account), Some(until_s)) = (&key.acts_for, key.until_s) {
        let _ = write!(text, "\nacts for {account} until {}", date(until_s * 1000));
    }
    text
}

fn status_words(status: &StatusAnswer) -> String {
    let daemon = status.daemon.map_or_else(|| "none".to_owned(), |process| format!("process {process}"));
    let mut text = format!(
        "home     {}\nprogram  poai {}, {}\ndaemon   {daemon}\npeer     {}\nruns     {} running, {} waiting\nmodels   {} kernels, {} threads a run\nstore    {} blocks, {}",
        status.home,
        status.version,
        status.engine,
        status.peer,
        status.running,
        status.waiting,
        status.kernels,
        status.threads,
        count(status.store_blocks),
        bytes(status.store_bytes)
    );
    if let Some(device) = &status.device {
        let _ = write!(text, "\ndevice   {device}");
    }
    for address in &status.addresses {
        let _ = write!(text, "\nlistens  {address}");
    }
    if let Some(gateway) = &status.gateway {
        let _ = write!(text, "\ngateway  {gateway}");
    }
    if let Some(kubo) = &status.kubo {
        let _ = write!(text, "\nkubo     {kubo}");
    }
    for peer in &status.peers {
        let _ = write!(
            text,
            "\nwith     {}  {}  in {}, out {}",
            peer.peer,
            peer.agent,
            bytes(peer.received_bytes),
            bytes(peer.sent_bytes)
        );
    }
    for offer in &status.offers {
        let open = if offer.open { "anybody's runs" } else { "named runs only" };
        let _ = write!(
            text,
            "\noffer    {}  {} free, {open}, {} fuel/s",
            offer.peer,
            offer.free_slots,
            count(offer.fuel_per_s)
        );
        if offer.price > 0 {
            let _ = write!(text, ", asks {} per 10^9 fuel", count(offer.price));
        }
        for device in &offer.devices {
            let _ = write!(text, ", models by {device}");
        }
    }
    text
}

fn doctor_words(doctor: &DoctorAnswer) -> String {
    let rows: Vec<_> = doctor
        .checks
        .iter()
        .map(|check| {
            let state = match check.state {
                CheckState::Good => "ok",
                CheckState::Weak => "weak",
                CheckState::Bad => "BAD",
            };
            [state.to_owned(), check.name.clone(), check.about.clone()]
        })
        .collect();
    table(&rows)
}

/// Rows with aligned columns; the last column runs free.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let lines = rows.iter().map(|row| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
