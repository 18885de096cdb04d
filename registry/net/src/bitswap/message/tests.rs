use proptest::prelude::*;

use super::*;

fn limits() -> BitswapLimits {
    BitswapLimits::default()
}

fn joined(message: &Message) -> Bytes {
    message.encode().concat().into()
}

fn decode(bytes: impl Into<Bytes>) -> Result<Message, Misdeed> {
    Message::decode(bytes.into(), &limits())
}

fn block(bytes: &'static [u8]) -> Verified {
    Verified::of(poai_store::RAW, bytes).unwrap()
}

fn sample() -> Message {
    let cid = *block(b"poai").cid();
    let want = Want { cid, priority: 7, cancel: false, kind: WantKind::Have, send_dont_have: true };
    Message {
        wants: vec![
            want.clone(),
            Want { cancel: true, priority: -1, kind: WantKind::Block, send_dont_have: false, ..want },
        ],
        full: true,
        blocks: vec![Block::of(block(b"poai"))],
        presences: vec![(cid, Presence::Have), (cid, Presence::DontHave)],
        pending_bytes: 300,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes as the specification's protobuf definition gives them, checked by hand.
#[test]
fn a_message_has_these_bytes() {
    let cid = "015512203fa434d934fdb1ebfdbb1f6fba77fba24b2d24a12d478380a7f7dfa07d1e358f";
    let expected = [
        // wantlist: an entry (block, priority 7, wantType Have, sendDontHave), a cancel of priority -1, full
        "0a65",
        &format!("0a2c0a24{cid}100720012801"),
        &format!("0a330a24{cid}10ffffffffffffffffff011801"),
        "1001",
        // blockPresences: have, which is zero and left out; don't have
        &format!("22260a24{cid}"),
        &format!("22280a24{cid}1001"),
        // pendingBytes: 300
        "28ac02",
        // payload: prefix (CIDv1, raw, sha2-256, 32 bytes), data
        "1a0c0a04015512201204",
        &hex(b"poai"),
    ];
    assert_eq!(hex(&joined(&sample())), expected.concat());
    assert_eq!(decode(joined(&sample())).unwrap(), sample());
}

#[test]
fn blocks_of_bitswap_1_0_0_are_read_as_cidv0() {
    let mut out = BytesMut::new();
    put_bytes(&mut out, 2, b"old");
    let block = decode(out).unwrap().blocks.remove(0).verify().unwrap();
    assert_eq!(hex(&block.cid().to_bytes()), "1220cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4");
    assert_eq!(block.cid().version(), Version::V0);
}

fn field(field: u64, bytes: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    put_bytes(&mut out, field, bytes);
    out.freeze()
}

fn number(field: u64, value: u64) -> Bytes {
    let mut out = BytesMut::new();
    put_number(&mut out, field, value);
    out.freeze()
}

#[test]
fn hostile_messages_are_refused_in_words() {
    let mut big = BytesMut::new();
    put_bytes(&mut big, 2, &vec![0; limits().block_bytes + 1]);
    let mut many = BytesMut::new();
    let mut entry = BytesMut::new();
    put_bytes(&mut entry, 1, &block(b"x").cid().to_bytes());
    for _ in 0..=limits().message_entries {
        put_bytes(&mut many, 4, &entry);
    }
    let cid = block(b"x").cid().to_bytes();
    for (what, bytes, expected) in [
        ("a block over the limit", big.freeze(), "it went over the limit block_bytes of 2097152"),
        ("too many presences", many.freeze(), "it went over the limit message_entries of 4096"),
        ("a cut-off varint", Bytes::from_static(&[0x0a, 0x80]), "it broke the protocol: a varint does not end"),
        ("an endless varint", Bytes::from_static(&[0xff; 16]), "it broke the protocol: a varint does not end"),
        (
            "a field beyond the end",
            Bytes::from_static(&[0x0a, 0x05, 0x00]),
            "it broke the protocol: a field is longer than its message",
        ),
        (
            "an unknown wire type",
            Bytes::from_static(&[0x0b]),
            "it broke the protocol: a field has an unknown wire type",
        ),
        ("a wantlist that is a number", number(1, 5), "it broke the protocol: a field of bytes has another wire type"),
        (
            "pending bytes that are bytes",
            field(5, b"x"),
            "it broke the protocol: a number's field has another wire type",
        ),
        ("a want without a CID", field(1, &field(1, &number(2, 5))), "it broke the protocol: a want names no block"),
        ("a malformed CID", field(1, &field(1, &field(1, &[0x01, 0x55]))), "it broke the protocol: a CID is malformed"),
        (
            "a CID and more",
            field(1, &field(1, &field(1, &[&cid[..], b"more"].concat()))),
            "it broke the protocol: a CID has bytes to spare",
        ),
        ("a block without a prefix", field(3, &field(2, b"x")), "it broke the protocol: a block has no prefix"),
        (
            "an unknown kind of want",
            field(1, &field(1, &[&field(1, &cid)[..], &number(4, 2)].concat())),
            "it broke the protocol: a want is of an unknown kind",
        ),
    ] {
        assert_eq!(decode(bytes).unwrap_err().to_string(), expected, "{what}");
    }
}

#[test]
fn unknown_fields_are_skipped() {
    let mut bytes = BytesMut::from(&joined(&sample())[..]);
    put_bytes(&mut bytes, 99, b"from the future");
    put_number(&mut bytes, 98, 7);
    bytes.extend_from_slice(&[97 << 3 & 0x7f | 1 | 0x80, 0x06, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(decode(bytes).unwrap(), sample());
}

#[test]
fn a_block_whose_hash_nobody_asks_for_is_none() {
    for prefix in [
        Prefix { version: 1, codec: 0x55, hash: 0x11, hash_bytes: 20 },
        Prefix { version: 1, codec: 0x55, hash: SHA2_256, hash_bytes: 20 },
        Prefix { version: 0, codec: 0x55, hash: SHA2_256, hash_bytes: 32 },
        Prefix { version: 2, codec: 0x55, hash: SHA2_256, hash_bytes: 32 },
    ] {
        assert_eq!(Block { prefix, data: Bytes::from_static(b"x") }.verify(), None, "{prefix:?}");
    }
}

fn any_cid() -> impl Strategy<Value = Cid> {
    any::<[u8; 4]>().prop_map(|bytes| poai_objects::codec::cid_of(0x55, &bytes))
}

fn any_message() -> impl Strategy<Value = Message> {
    let want = (any_cid(), any::<i32>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(cid, priority, cancel, have, send_dont_have)| {
            let kind = if have { WantKind::Have } else { WantKind::Block };
            Want { cid, priority, cancel, kind, send_dont_have }
        },
    );
    let block =
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Block::of(Verified::of(0x55, bytes).unwrap()));
    let presence =
        (any_cid(), any::<bool>()).prop_map(|(cid, has)| (cid, if has { Presence::Have } else { Presence::DontHave }));
    let list = |most| 0..most;
    (
        prop::collection::vec(want, list(20)),
        any::<bool>(),
        prop::collection::vec(block, list(5)),
        prop::collection::vec(presence, list(20)),
        0..i32::MAX as u32,
    )
        .prop_map(|(wants, full, blocks, presences, pending_bytes)| Message {
            wants,
            full,
            blocks,
            presences,
            pending_bytes,
        })
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(message in any_message()) {
        prop_assert_eq!(decode(joined(&message)).unwrap(), message);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = decode(bytes) {
            prop_assert_eq!(decode(joined(&message)).unwrap(), message);
        }
    }
}
