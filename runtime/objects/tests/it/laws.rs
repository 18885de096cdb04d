//! What holds for every object: one form, one CID, and nothing near it that means the same.

use std::fmt::Debug;

use poai_objects::codec::kind_of;
use poai_objects::{
    Claim, DecodeLimits, Delegation, Envelope, Object, Offer, Package, Program, Receipt, Run, SampledVerdict,
    TraceChunk, TraceRoot, Verdict,
};
use proptest::prelude::*;

use crate::{samples, strategies};

fn decodes_to_itself<T: Object + PartialEq + Debug>(object: &T) {
    let (_, bytes) = object.seal().unwrap();
    assert_eq!(bytes, object.to_bytes());
    assert_eq!(kind_of(&bytes, &DecodeLimits::default()).unwrap(), (T::KIND.to_owned(), T::VERSION));
    assert_eq!(&T::from_bytes(&bytes).unwrap(), object);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decode_undoes_encode(
        program in strategies::program(), package in strategies::package(), run in strategies::run(),
        claim in strategies::claim(), receipt in strategies::receipt(), verdict in strategies::verdict(),
        sampled in strategies::sampled_verdict(),
        offer in strategies::offer(), delegation in strategies::delegation(),
        chunk in strategies::trace_chunk(), root in strategies::trace_root(),
    ) {
        decodes_to_itself(&program);
        decodes_to_itself(&package);
        decodes_to_itself(&run);
        decodes_to_itself(&claim);
        decodes_to_itself(&receipt);
        decodes_to_itself(&verdict);
        decodes_to_itself(&sampled);
        decodes_to_itself(&offer);
        decodes_to_itself(&delegation);
        decodes_to_itself(&chunk);
        decodes_to_itself(&root);
    }

    #[test]
    fn claims_differ_first_where_they_differ(one in strategies::claim(), other in strategies::claim()) {
        prop_assert_eq!(one.first_difference(&one), None);
        prop_assert_eq!(one.first_difference(&other).is_none(), one.to_bytes() == other.to_bytes());
        prop_assert_eq!(one.first_difference(&other), other.first_difference(&one));
    }
}

/// Whether some bytes are an object of this kind; if they are, they are its only form.
fn is_object(kind: &str, bytes: &[u8]) -> bool {
    fn check<T: Object>(bytes: &[u8]) -> bool {
        T::from_bytes(bytes).inspect(|object| assert_eq!(object.to_bytes(), bytes)).is_ok()
    }
    match kind {
        Program::KIND => check::<Program>(bytes),
        Package::KIND => check::<Package>(bytes),
        Run::KIND => check::<Run>(bytes),
        Claim::KIND => check::<Claim>(bytes),
        Receipt::KIND => check::<Receipt>(bytes),
        Verdict::KIND => check::<Verdict>(bytes),
        SampledVerdict::KIND => check::<SampledVerdict>(bytes),
        Offer::KIND => check::<Offer>(bytes),
        Delegation::KIND => check::<Delegation>(bytes),
        TraceRoot::KIND => check::<TraceRoot>(bytes),
        TraceChunk::KIND => check::<TraceChunk>(bytes),
        Envelope::KIND => check::<Envelope>(bytes),
        other => panic!("a sample of the unknown kind {other}"),
    }
}

#[test]
fn every_change_of_a_byte_is_refused_or_another_object() {
    for sample in samples::all() {
        assert!(is_object(sample.kind, &sample.bytes), "{}", sample.name);
        for at in 0..sample.bytes.len() {
            for change in [0x01, 0x20, 0x80, 0xff] {
                let mut bytes = sample.bytes.clone();
                bytes[at] ^= change;
                is_object(sample.kind, &bytes);
            }
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    for sample in samples::all() {
        for end in 0..sample.bytes.len() {
            assert!(!is_object(sample.kind, &sample.bytes[..end]), "{} cut at {end}", sample.name);
        }
        let longer = [&sample.bytes[..], &[0]].concat();
        assert!(!is_object(sample.kind, &longer), "{} and a byte", sample.name);
    }
}
