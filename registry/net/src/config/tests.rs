use super::*;

/// Others rely on these values, and documents name them.
#[test]
fn the_default_limits_are_these() {
    let s = Duration::from_secs;
    let expected = NetLimits {
        connections: ConnectionLimits {
            incoming: 256,
            outgoing: 256,
            pending: 64,
            per_peer: 4,
            memory_share: 0.9,
            streams: 256,
            dial: s(10),
            idle: s(120),
            cut_off: s(300),
            redial: s(5),
            events: 256,
            commands: 256,
        },
        bitswap: BitswapLimits {
            message_bytes: 4_194_304,
            block_bytes: 2_097_152,
            batch_bytes: 1_048_576,
            message_entries: 4_096,
            wants_per_peer: 1_024,
            waiting_per_peer: 4_096,
            readers_per_peer: 8,
            window: 48,
            window_per_peer: 32,
            peers_per_fetch: 16,
            fetches: 256,
            fetch_blocks: 1_000_000,
            stall: s(10),
            hedge: s(2),
            stalls: 2,
            patience: s(30),
            stream_idle: s(1),
            write: s(60),
            read: s(60),
        },
        run: RunLimits {
            message_bytes: 4_194_304,
            asks_per_peer: 16,
            asks_waiting: 64,
            events: 256,
            log_lines_per_s: 1_000,
            text_chars: 4_096,
            handshake: s(30),
            write: s(30),
            heartbeat: s(10),
            silence: s(45),
        },
        offers: OfferLimits {
            offer_bytes: 16_384,
            table: 4_096,
            lifetime: s(3_600),
            greeting: 256,
            greeting_time: s(20),
        },
    };
    assert_eq!(NetLimits::default(), expected);
}

/// The largest message that is written must be one that is read: a full batch's last block may be as
/// large as any.
#[test]
fn a_full_message_is_within_its_limit() {
    let limits = BitswapLimits::default();
    let presences = limits.message_entries * 48;
    assert!(limits.batch_bytes + limits.block_bytes + presences + 4_096 < limits.message_bytes);
}

#[test]
fn a_key_is_never_shown() {
    let identity = Identity::from_seed([7; 32]);
    assert_eq!(format!("{identity:?}"), format!("Identity(of {})", identity.peer()));
}
