//! The one place that reads this machine's clock for records and receipts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_s() -> u64 {
    now_ms() / 1000
}

/// A time in words, to the second: `Mon, 30 Nov 2026 16:00:00 GMT`.
pub(crate) fn words(at_ms: u64) -> String {
    // What the format cannot tell is past the year 9999.
    const LAST_S: u64 = 253_402_300_799;
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs((at_ms / 1000).min(LAST_S)))
}
