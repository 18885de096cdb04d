use curve25519_dalek::Scalar;
use ed25519_dalek::{Signer, SigningKey, Verifier};
use ipld_core::ipld::Ipld;
use poai_objects::{Envelope, Object, ObjectError, PublicKey, Receipt, SecretKey, Signature, Signed, Verdict};
use sha2::{Digest, Sha512};

use crate::samples;

/// The order of ed25519's group, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn signed() -> (Envelope, Vec<u8>) {
    let signed = Signed::sign(samples::receipt(), &samples::secret()).unwrap();
    (signed.envelope().clone(), samples::receipt().to_bytes())
}

/// The signature's 64 bytes, which are no part of the public interface, as the envelope holds them.
fn signature_bytes(envelope: &Envelope) -> [u8; 64] {
    let Ipld::Map(tagged) = serde_ipld_dagcbor::from_slice(&envelope.to_bytes()).unwrap() else { panic!() };
    let Ipld::Map(body) = &tagged["body"] else { panic!() };
    let Ipld::Bytes(bytes) = &body["signature"] else { panic!() };
    bytes.as_slice().try_into().unwrap()
}

fn signature(bytes: [u8; 64]) -> Signature {
    serde_bytes::ByteBuf::from(bytes.to_vec()).try_into().unwrap()
}

fn assert_forged(envelope: Envelope, payload: &[u8]) {
    match Signed::<Receipt>::open(envelope, payload) {
        Err(ObjectError::ForgedSignature { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_signed_opens() {
    let (envelope, payload) = signed();
    let envelope = Envelope::from_bytes(&envelope.to_bytes()).unwrap();
    let opened = Signed::<Receipt>::open(envelope.clone(), &payload).unwrap();
    assert_eq!(opened.object(), &samples::receipt());
    assert_eq!(opened.key(), &samples::secret().public());
    assert_eq!(opened.envelope(), &envelope);
    assert_eq!(opened.into_object(), samples::receipt());
}

#[test]
fn the_signed_bytes_are_the_documented_ones() {
    let (envelope, _) = signed();
    let message = [b"poai signature v1\0poai/receipt\0", &envelope.payload.to_bytes()[..]].concat();
    let expected = SigningKey::from_bytes(&[7; 32]).sign(&message);
    assert_eq!(signature_bytes(&envelope), expected.to_bytes());
}

#[test]
fn every_changed_bit_of_a_signature_is_forged() {
    let (envelope, payload) = signed();
    let bytes = signature_bytes(&envelope);
    for bit in 0..512 {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_forged(Envelope { signature: signature(changed), ..envelope.clone() }, &payload);
    }
}

#[test]
fn a_malleable_signature_is_forged() {
    // s + L names the same scalar; only a lax verifier takes it.
    let (envelope, payload) = signed();
    let mut bytes = signature_bytes(&envelope);
    let mut carry = 0;
    for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert_forged(Envelope { signature: signature(bytes), ..envelope }, &payload);
}

#[test]
fn a_signature_with_a_point_of_small_order_is_forged() {
    // R = identity and s = k·a satisfy the equation that lax verifiers check, for every such message
    // of the key's owner: two signatures by which verifiers disagree.
    let (envelope, payload) = signed();
    let message = [b"poai signature v1\0poai/receipt\0", &envelope.payload.to_bytes()[..]].concat();
    let secret = SigningKey::from_bytes(&[7; 32]);
    let identity = [&[1][..], &[0; 31]].concat();
    let hash = Sha512::new().chain_update(&identity).chain_update(secret.verifying_key()).chain_update(&message);
    let s = Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) * secret.to_scalar();
    let bytes: [u8; 64] = [&identity[..], s.as_bytes()].concat().try_into().unwrap();
    let lax = ed25519_dalek::Signature::from_bytes(&bytes);
    secret.verifying_key().verify(&message, &lax).unwrap();
    assert_forged(Envelope { signature: signature(bytes), ..envelope }, &payload);
}

#[test]
fn another_key_did_not_sign() {
    let (envelope, payload) = signed();
    let key = SecretKey::from_seed(&[8; 32]).public();
    assert_forged(Envelope { key, ..envelope }, &payload);
}

#[test]
fn a_signature_is_worth_nothing_elsewhere() {
    let (envelope, payload) = signed();
    // On another payload of the kind.
    let other = Receipt { package: None, ..samples::receipt() };
    let error = Signed::<Receipt>::open(envelope.clone(), &other.to_bytes()).unwrap_err();
    assert!(matches!(error, ObjectError::WrongCid { .. }), "{error}");
    let moved = Envelope { payload: other.id().into(), ..envelope.clone() };
    assert_forged(moved, &other.to_bytes());
    // As another kind.
    let error = Signed::<Verdict>::open(envelope.clone(), &payload).unwrap_err();
    assert_eq!(error.to_string(), "this is a poai/receipt, not a poai/verdict");
    let renamed = Envelope { payload_kind: "poai/verdict".into(), ..envelope.clone() };
    assert!(matches!(Signed::<Verdict>::open(renamed, &payload), Err(ObjectError::ForgedSignature { .. })));
    // Over bytes that are no receipt, by the right key: signed, and still refused.
    let claim = Signed::sign(samples::claim(), &samples::secret()).unwrap();
    let error = Signed::<Receipt>::open(claim.envelope().clone(), &samples::claim().to_bytes()).unwrap_err();
    assert!(matches!(error, ObjectError::WrongKind { .. }), "{error}");
}

#[test]
fn what_others_refuse_is_not_signed() {
    let mut receipt = samples::receipt();
    receipt.telemetry.device = "x".repeat(1_000);
    assert!(matches!(Signed::sign(receipt, &samples::secret()), Err(ObjectError::TooLarge { .. })));
}

#[test]
fn weak_and_strange_keys_are_refused() {
    let from_hex = |digits: &str| -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    };
    for (digits, expected) in [
        // The eight points of small order, for which a signature is easily made.
        ("0100000000000000000000000000000000000000000000000000000000000000", "weak"),
        ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "weak"),
        ("0000000000000000000000000000000000000000000000000000000000000000", "weak"),
        ("0000000000000000000000000000000000000000000000000000000000000080", "weak"),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "weak"),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", "weak"),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "weak"),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "weak"),
        // Other spellings of a point: y + p, and the sign of an x that is 0.
        ("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "canonical"),
        ("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "canonical"),
        ("0100000000000000000000000000000000000000000000000000000000000080", "canonical"),
        // y = 2 has no x.
        ("0200000000000000000000000000000000000000000000000000000000000000", "not a point"),
    ] {
        let error = PublicKey::from_bytes(&from_hex(digits)).unwrap_err().to_string();
        assert!(error.contains(expected), "{digits}: {error}");
    }
    assert!(PublicKey::from_bytes(&[0; 31]).unwrap_err().to_string().contains("32 bytes"));
}

#[test]
fn a_secret_key_is_not_shown() {
    let key = samples::secret();
    assert_eq!(format!("{key:?}"), format!("SecretKey(of {})", key.public()));
    assert_eq!(key.to_seed(), [7; 32]);
}
