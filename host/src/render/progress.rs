//! Bars on a terminal, for work that takes long.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::events::Event;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// The bars of one command; none where stderr is no terminal.
pub(super) struct Bars {
    all: Option<MultiProgress>,
    shown: HashMap<String, ProgressBar>,
}

impl Bars {
    pub(super) fn new(terminal: bool) -> Self {
        Self { all: terminal.then(MultiProgress::new), shown: HashMap::new() }
    }

    /// Shows an event as a bar, if it is of that sort. Without a terminal such events are not shown at all.
    pub(super) fn takes(&mut self, event: &Event) -> bool {
        match event {
            Event::Importing { what, done_bytes, total_bytes } => {
                self.bytes("reading", what, *done_bytes, *total_bytes)
            }
            Event::Writing { what, done_bytes, total_bytes } => self.bytes("writing", what, *done_bytes, *total_bytes),
            Event::Fetching { cid, done_bytes, total_bytes, from } => {
                let what = match from {
                    Some(from) => format!("{} from {}", tail(cid), tail(from)),
                    None => tail(cid),
                };
                self.bytes("fetching", &what, *done_bytes, *total_bytes);
            }
            Event::Progress { done, total, what } => self.units(what, *done, *total),
            Event::Queued { ahead } => self.spinner(format!("waiting for a slot, {ahead} ahead")),
            Event::LookingForHosts => self.spinner("looking for a host".into()),
            Event::Started { on } if on == "local" => self.spinner("running".into()),
            Event::Started { on } => self.spinner(format!("running on {}", tail(on))),
            _ => return false,
        }
        true
    }

    /// Prints something without tearing the bars.
    pub(super) fn above(&self, print: impl FnOnce()) {
        match &self.all {
            Some(all) => all.suspend(print),
            None => print(),
        }
    }

    pub(super) fn clear(&mut self) {
        for (_, bar) in self.shown.drain() {
            bar.finish_and_clear();
        }
    }

    fn bytes(&mut self, doing: &str, what: &str, done: u64, total: Option<u64>) {
        let template = if total.is_some() {
            "{prefix:>9} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta} left  {msg}"
        } else {
            "{prefix:>9} {spinner} {bytes} {bytes_per_sec}  {msg}"
        };
        self.bar(doing, template, done, total, what);
    }

    fn units(&mut self, what: &str, done: u64, total: Option<u64>) {
        let template = if total.is_some() {
            "{prefix:>9} {bar:24} {pos}/{len} {eta} left  {msg}"
        } else {
            "{prefix:>9} {spinner} {pos}  {msg}"
        };
        self.bar("task", template, done, total, what);
    }

    fn spinner(&mut self, what: String) {
        self.bar("state", "{spinner} {msg} {elapsed}", 0, None, &what);
    }

    fn bar(&mut self, name: &str, template: &str, done: u64, total: Option<u64>, message: &str) {
        let Some(all) = &self.all else { return };
        let bar = self.shown.entry(name.to_owned()).or_insert_with(|| {
            let bar = all.add(ProgressBar::no_length().with_prefix(name.to_owned()));
            bar.enable_steady_tick(TICK);
            bar
        });
        bar.set_style(ProgressStyle::with_template(template).expect("the templates are constants"));
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(done);
        bar.set_message(super::plain(message));
        if total.is_some_and(|total| done >= total)
            && let Some(bar) = self.shown.remove(name)
        {
            bar.finish_and_clear();
        }
    }
}

/// A CID's or peer's end, which tells it from others.
fn tail(text: &str) -> String {
    let start = text.char_indices().rev().nth(7).map_or(0, |(place, _)| place);
    if start == 0 { text.to_owned() } else { format!("…{}", &text[start..]) }
}
