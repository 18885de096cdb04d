//! Bad input of every sort, each with the end that it must come to. No panic, no hang, no Debug print:
//! [`command`](crate::command) looks at whatever any command says.

mod components; // programs that are broken or hostile
mod homes; // full disks, unreadable configuration, two daemons
mod inputs; // what is given to runs
mod objects; // signatures, CIDs, archives
mod peers; // who lies, stalls or is not there

use serde_json::Value;

/// How a command must fail: its exit code, the kind of error, and a part of the message.
#[track_caller]
fn assert_error(name: &str, (exit, value): &(i32, Value), expected: (i32, &str, &str)) {
    let error = &value["error"];
    let found = (*exit, error["kind"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default());
    assert_eq!((found.0, found.1), (expected.0, expected.1), "{name}: {value}");
    assert!(found.2.contains(expected.2), "{name}: {:?} does not say {:?}", found.2, expected.2);
    assert_eq!(value["exit"], *exit, "{name}: {value}");
}
