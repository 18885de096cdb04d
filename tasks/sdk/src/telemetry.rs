//! Log and progress: for whoever watches the run, never part of its result.

use crate::bindings::poai::task::telemetry;

/// How much a line of log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// What helps its author.
    Debug,
    /// What people want to know.
    Info,
    /// Something is odd, and the work goes on.
    Warn,
    /// Something is wrong.
    Error,
}

/// Logs one line. Usually by [`info!`](crate::info) and its siblings.
pub fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => telemetry::Level::Trace,
        Level::Debug => telemetry::Level::Debug,
        Level::Info => telemetry::Level::Info,
        Level::Warn => telemetry::Level::Warn,
        Level::Error => telemetry::Level::Error,
    };
    telemetry::log(level, message);
}

/// Says how far the run is: `done` of `total` units of work (`None` if unknown), and what is being done.
pub fn progress(done: u64, total: impl Into<Option<u64>>, what: &str) {
    telemetry::progress(done, total.into(), what);
}

/// Logs what matters to nobody but a debugger; arguments as [`format!`]'s.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::log($crate::Level::Trace, &::std::format!($($message)+)) };
}

/// Logs what helps the task's author; arguments as [`format!`]'s.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log($crate::Level::Debug, &::std::format!($($message)+)) };
}

/// Logs what people want to know; arguments as [`format!`]'s.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log($crate::Level::Info, &::std::format!($($message)+)) };
}

/// Logs that something is odd; arguments as [`format!`]'s.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log($crate::Level::Warn, &::std::format!($($message)+)) };
}

/// Logs that something is wrong; arguments as [`format!`]'s.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::log($crate::Level::Error, &::std::format!($($message)+)) };
}
