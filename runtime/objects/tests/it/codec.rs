//! Bytes that no poai program writes, and what is said about them.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use poai_objects::codec::{DAG_CBOR, RAW, cid_of, decode, decode_value, encode, verify};
use poai_objects::{Claim, DecodeLimits, Link, Object, Receipt, Run};

use crate::samples;

fn refusal_of<T: Object>(bytes: &[u8]) -> String {
    match T::from_bytes(bytes) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

fn assert_refused(bytes: &[u8], expected: &str) {
    let error = refusal_of::<Claim>(bytes);
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
}

/// `{"body": BODY, "kind": "poai/claim", "version": 1}`
fn claim_with(body: &[u8]) -> Vec<u8> {
    [b"\xa3\x64body", body, b"\x64kind\x6apoai/claim\x67version\x01"].concat()
}

#[test]
fn forms_that_dag_cbor_does_not_have_are_refused() {
    let link = |prefix: &[u8]| [prefix, &[0x58, 37, 0], &cid_of(RAW, b"").to_bytes()].concat();
    for (body, expected) in [
        (vec![0x9f, 0xff], "indefinite length"),
        (vec![0xbf, 0xff], "indefinite length"),
        (vec![0x7f, 0x61, b'a', 0xff], "indefinite length"),
        (vec![0x5f, 0xff], "indefinite length"),
        (vec![0x1c], "reserved kind"),
        (vec![0x18, 0x17], "shortest form"),
        (vec![0x19, 0x00, 0xff], "shortest form"),
        (vec![0x1a, 0x00, 0x00, 0xff, 0xff], "shortest form"),
        (vec![0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "shortest form"),
        (vec![0x78, 0x01, b'a'], "shortest form"),
        (vec![0x98, 0x00], "shortest form"),
        (vec![0xf9, 0x3c, 0x00], "float"),
        (vec![0xfa, 0, 0, 0, 0], "float"),
        (vec![0xfb, 0, 0, 0, 0, 0, 0, 0, 0], "float"),
        (vec![0xf7], "simple value"),
        (vec![0xf8, 0x20], "simple value"),
        (vec![0xe0], "simple value"),
        (vec![0x62, 0xc3, 0x28], "not UTF-8"),
        (vec![0xa1, 0x01, 0x01], "key that is not a text"),
        (vec![0xa2, 0x61, b'b', 1, 0x61, b'a', 1], "out of order"),
        (vec![0xa2, 0x62, b'a', b'a', 1, 0x61, b'b', 1], "out of order"),
        (vec![0xa2, 0x61, b'a', 1, 0x61, b'a', 1], "one twice"),
        (link(&[0xc1]), "tag other than 42"),
        (link(&[0xd8, 43]), "tag other than 42"),
        (vec![0xd8, 42, 0x61, b'a'], "not a byte string"),
        (vec![0xd8, 42, 0x42, 1, 1], "leading zero"),
        (vec![0xd8, 42, 0x41, 0], "leading zero"),
    ] {
        assert_refused(&claim_with(&body), expected);
    }
    assert_refused(&[claim_with(&[0xa0]), vec![0]].concat(), "bytes after its end");
    assert_refused(&[], "ends too early");
    // In place, but of another type.
    for body in [&[0xa0][..], &[0x80], &[0x01], &[0xf6], b"\x64text", &link(&[0xd8, 42])] {
        assert_refused(&claim_with(body), "not a valid poai/claim");
    }
}

#[test]
fn hostile_sizes_cost_nothing() {
    for (bytes, expected) in [
        (vec![0x81; 1 << 20], "limit depth of 16"),
        ([0xa1, 0x61, b'a'].repeat(1_000), "limit depth of 16"),
        (vec![0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "ends too early"),
        (vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "ends too early"),
        (vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "ends too early"),
        (vec![0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "ends too early"),
        (vec![0xd8, 42, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "ends too early"),
        (vec![0; (1 << 20) + 1], "limit bytes of 1048576"),
        ([&[0x99, 0x40, 0x01][..], &[0xd8, 42, 0x42, 0, 1].repeat(16_385)].concat(), "limit links of 16384"),
    ] {
        assert_refused(&bytes, expected);
    }
}

#[test]
fn limits_are_the_callers() {
    let bytes = samples::run().to_bytes();
    let whole = DecodeLimits { bytes: bytes.len(), depth: 3, links: 3 };
    decode::<Run>(&bytes, &whole).unwrap();
    for tighter in [
        DecodeLimits { bytes: bytes.len() - 1, ..whole },
        DecodeLimits { depth: 2, ..whole },
        DecodeLimits { links: 2, ..whole },
    ] {
        assert!(decode::<Run>(&bytes, &tighter).unwrap_err().to_string().contains("exceeds the limit"));
    }
    assert_eq!(DecodeLimits::default(), DecodeLimits { bytes: 1 << 20, depth: 16, links: 16_384 });
}

/// An object's bytes with its map changed by `edit`.
fn edited(bytes: &[u8], edit: impl FnOnce(&mut BTreeMap<String, Ipld>)) -> Vec<u8> {
    let Ipld::Map(mut tagged) = serde_ipld_dagcbor::from_slice(bytes).unwrap() else { panic!("not a map") };
    edit(&mut tagged);
    serde_ipld_dagcbor::to_vec(&Ipld::Map(tagged)).unwrap()
}

fn body(tagged: &mut BTreeMap<String, Ipld>) -> &mut BTreeMap<String, Ipld> {
    match tagged.get_mut("body") {
        Some(Ipld::Map(body)) => body,
        other => panic!("a body that is no map: {other:?}"),
    }
}

type Edit = fn(&mut BTreeMap<String, Ipld>);

#[test]
fn fields_are_exactly_those_of_the_type() {
    let claim = samples::claim().to_bytes();
    let edits: [(Edit, &str); 10] = [
        (|map| drop(map.insert("more".into(), Ipld::Null)), "unknown field `more`"),
        (|map| drop(body(map).insert("more".into(), Ipld::Null)), "unknown field `more`"),
        (|map| drop(body(map).insert("a\u{1b}[2J".into(), Ipld::Null)), "unknown field `a[2J`"),
        (|map| drop(body(map).remove("fuel")), "missing field `fuel`"),
        (|map| drop(map.remove("body")), "missing field `body`"),
        (|map| drop(map.remove("kind")), "missing field `kind`"),
        (|map| drop(body(map).insert("fuel".into(), Ipld::Null)), "another type of value"),
        (|map| drop(body(map).insert("fuel".into(), Ipld::Integer(-1))), "not a valid poai/claim"),
        (|map| drop(body(map).insert("outcome".into(), Ipld::String("perhaps".into()))), "unknown variant `perhaps`"),
        (|map| drop(body(map).insert("outputs".into(), Ipld::List(vec![]))), "another type of value"),
    ];
    for (edit, expected) in edits {
        assert_refused(&edited(&claim, edit), expected);
    }
}

#[test]
fn an_absent_optional_field_is_null() {
    let receipt = Receipt { package: None, ..samples::receipt() };
    let bytes = receipt.to_bytes();
    let with_null = edited(&bytes, |map| assert_eq!(body(map).get("package"), Some(&Ipld::Null)));
    assert_eq!(with_null, bytes);
    let left_out = edited(&bytes, |map| drop(body(map).remove("package")));
    assert!(refusal_of::<Receipt>(&left_out).contains("not in canonical form"));
}

#[test]
fn struct_fields_are_in_dag_cbor_order() {
    // Through the order-free data model and back: the same bytes.
    for sample in samples::all() {
        assert_eq!(edited(&sample.bytes, |_| {}), sample.bytes, "{}", sample.name);
    }
}

#[test]
fn another_kind_or_version_is_named() {
    let claim = samples::claim().to_bytes();
    assert_eq!(refusal_of::<Run>(&claim), "this is a poai/claim, not a poai/run");
    let newer = edited(&claim, |map| drop(map.insert("version".into(), Ipld::Integer(2))));
    assert_refused(&newer, "version 2 of poai/claim is not known here");
    let strange = edited(&claim, |map| drop(map.insert("kind".into(), Ipld::String("\u{7}x".repeat(500)))));
    assert_refused(&strange, "this is a xxxx");
}

#[test]
fn messages_are_decoded_by_the_rules_of_objects() {
    let limits = DecodeLimits::default();
    let message = Some((7_u8, "seven".to_owned()));
    let bytes = encode(&message);
    assert_eq!(decode_value::<Option<(u8, String)>>(&bytes, &limits, "message").unwrap(), message);
    let refused = |bytes: &[u8]| decode_value::<Vec<u8>>(bytes, &limits, "message").unwrap_err().to_string();
    assert_eq!(
        refused(&[0x81, 0x18, 7]),
        "not a valid message: it has a number or length that is not in the shortest form (at byte 1)"
    );
    assert_eq!(refused(&[0x81; 100]), "message exceeds the limit depth of 16");
    assert!(refused(&[0x81, 0x19, 1, 0]).starts_with("not a valid message: "));
}

#[test]
fn bytes_are_verified_against_any_sha2_256_cid() {
    let bytes = b"content";
    for codec in [DAG_CBOR, RAW] {
        let cid = cid_of(codec, bytes);
        verify(&cid, bytes).unwrap();
        assert!(verify(&cid, b"Content").unwrap_err().to_string().contains("hash to"));
    }
    let version_0 = cid::Cid::new_v0(*cid_of(RAW, bytes).hash()).unwrap();
    verify(&version_0, bytes).unwrap();
}

#[test]
fn cids_that_cannot_be_checked_name_nothing() {
    let digest = [0_u8; 32];
    for (code, size, expected) in [
        (0x12, 20, "does not have 32 bytes"),
        (0x12, 0, "does not have 32 bytes"),
        (0x00, 32, "not sha2-256"),
        (0x1b, 32, "not sha2-256"),
    ] {
        let hash = multihash::Multihash::wrap(code, &digest[..size]).unwrap();
        let cid = cid::Cid::new_v1(RAW, hash);
        assert!(Link::try_from(cid).unwrap_err().to_string().contains(expected));
        assert!(verify(&cid, b"").unwrap_err().to_string().contains(expected));
    }
    let raw = cid_of(RAW, b"");
    assert!(poai_objects::ClaimId::try_from(raw).unwrap_err().to_string().contains("not dag-cbor"));
    assert!(Link::try_from(cid_of(DAG_CBOR, b"")).unwrap_err().to_string().contains("neither dag-pb nor raw"));
    assert!("x".repeat(1_000).parse::<Link>().unwrap_err().to_string().contains("not a CID"));
}
