use std::time::Duration;

/// What strangers may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GatewayLimits {
    /// Connections at once; others wait to be accepted.
    pub(crate) connections: usize,
    /// Answers at once; each may take a thread and 3 MiB of memory.
    pub(crate) answers: usize,
    /// How long a request waits for one of those places before it is turned away.
    pub(crate) place_wait: Duration,
    /// Bytes of a request's first line: a CID needs 60.
    pub(crate) line_bytes: usize,
    /// Bytes of a request's line and headers.
    pub(crate) head_bytes: usize,
    /// Headers of a request.
    pub(crate) headers: usize,
    /// From a request's first byte to its last; also from connecting to the first request's last.
    pub(crate) head_time: Duration,
    /// Between two requests on one connection.
    pub(crate) idle_time: Duration,
    /// For a client to take one piece of an answer, at most 256 KiB.
    pub(crate) piece_time: Duration,
    /// Blocks of one archive: 256 GiB of a file. Each is remembered while the archive is written, about 100 bytes.
    pub(crate) archive_blocks: u64,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            answers: 32,
            place_wait: Duration::from_secs(10),
            line_bytes: 2 << 10,
            head_bytes: 8 << 10,
            headers: 64,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(30),
            piece_time: Duration::from_secs(20),
            archive_blocks: 256 << 10,
        }
    }
}

/// Bytes that are sent at once, under one time limit.
pub(super) const PIECE_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/gateway.md names these.
    #[test]
    fn the_documented_limits_hold() {
        let limits = GatewayLimits::default();
        assert_eq!((limits.connections, limits.answers, limits.headers), (256, 32, 64));
        assert_eq!((limits.line_bytes, limits.head_bytes, limits.archive_blocks), (2_048, 8_192, 262_144));
        let seconds =
            [limits.place_wait, limits.head_time, limits.idle_time, limits.piece_time].map(|time| time.as_secs());
        assert_eq!(seconds, [10, 10, 30, 20]);
    }
}
