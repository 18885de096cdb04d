//! Bad input of every sort, each with the end that it must come to. No panic, no hang, no Debug print:
//! [`command`](crate::command) looks at whatever any command says.

mod components; // programs that are broken or hostile
mod homes; // full disks, unreadable configuration, two daemons
mod inputs; // what is given to runs
mod kernels; // what tasks bring for devices
mod objects; // signatures, CIDs, archives
mod peers; // who lies, stalls or is not there

use serde_json::Value;

/// How a command must fail: its exit code, the kind of error, and a part of the message.
type Failure<'a> = (i32, &'a str, &'a str);

/// Whatever did not end as it must, so that one run of a table tells all of it.
#[derive(Default)]
struct Surprises(Vec<String>);

impl Surprises {
    /// Notes a command that should have failed in a certain way, and did not.
    fn expect_failure(&mut self, name: &str, (exit, value): &(i32, Value), (code, kind, words): Failure<'_>) {
        let error = &value["error"];
        let message = error["message"].as_str().unwrap_or_default();
        let as_expected = *exit == code && error["kind"] == kind && message.contains(words) && value["exit"] == code;
        self.expect(as_expected, || format!("{name}: not exit {code}, {kind}, {words:?} but exit {exit}: {value}"));
    }

    fn expect(&mut self, as_expected: bool, surprise: impl FnOnce() -> String) {
        if !as_expected {
            self.0.push(surprise());
        }
    }
}

impl Drop for Surprises {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{}", self.0.join("\n"));
        }
    }
}
