use poai_objects::codec::{RAW, cid_of};
use proptest::prelude::*;

use super::*;

fn cid(number: u8) -> Cid {
    cid_of(RAW, &[number])
}

fn want(number: u8, priority: i32, kind: WantKind) -> Want {
    Want { cid: cid(number), priority, cancel: false, kind, send_dont_have: true }
}

fn cancel(number: u8) -> Want {
    Want { cancel: true, ..want(number, 0, WantKind::Block) }
}

#[test]
fn the_highest_priority_comes_first_and_batches_are_bounded() {
    let mut ledger = Ledger::new(100);
    for (number, priority) in [(1, 1), (2, 3), (3, 2)] {
        ledger.apply(&want(number, priority, WantKind::Block));
        ledger.found(&cid(number), 10);
    }
    let batch = ledger.next_batch(15, 100);
    assert_eq!((batch.blocks, batch.pending_bytes), (vec![cid(2), cid(3)], 10));
    assert_eq!(ledger.next_batch(15, 100).blocks, [cid(1)]);
    assert!(ledger.next_batch(15, 100).is_empty());
}

#[test]
fn what_is_lacking_is_told_once_and_sent_when_it_comes() {
    let mut ledger = Ledger::new(100);
    ledger.apply(&want(1, 1, WantKind::Block));
    ledger.lacking(&cid(1));
    ledger.lacking(&cid(1));
    assert_eq!(ledger.next_batch(100, 100).dont_haves, [cid(1)]);
    assert!(ledger.awaits(&cid(1)));
    ledger.found(&cid(1), 10);
    assert_eq!(ledger.next_batch(100, 100).blocks, [cid(1)]);
    assert!(!ledger.awaits(&cid(1)));
}

#[test]
fn a_cancelled_want_is_forgotten_wherever_it_is() {
    let mut ledger = Ledger::new(100);
    ledger.apply(&want(1, 1, WantKind::Block));
    ledger.apply(&cancel(1));
    ledger.found(&cid(1), 10);
    assert!(ledger.next_batch(100, 100).is_empty());
    ledger.apply(&want(2, 1, WantKind::Block));
    ledger.found(&cid(2), 10);
    ledger.apply(&cancel(2));
    assert_eq!(ledger.next_batch(100, 100), Batch::default());
}

#[test]
fn a_question_answered_by_a_block_on_its_way_adds_nothing_and_a_block_outranks_a_question() {
    let mut ledger = Ledger::new(100);
    ledger.apply(&want(1, 1, WantKind::Block));
    ledger.found(&cid(1), 10);
    ledger.apply(&want(1, 9, WantKind::Have));
    ledger.found(&cid(1), 10);
    assert_eq!((ledger.len(), ledger.next_batch(100, 100).blocks), (1, vec![cid(1)]));

    ledger.apply(&want(2, 1, WantKind::Have));
    ledger.found(&cid(2), 10);
    ledger.apply(&want(2, 1, WantKind::Block));
    ledger.found(&cid(2), 10);
    let batch = ledger.next_batch(100, 100);
    assert_eq!((batch.blocks, batch.haves), (vec![cid(2)], vec![]));
}

#[derive(Clone, Debug)]
enum Step {
    Want(u8, i32, bool),
    Cancel(u8),
    Found(u8, u64),
    Lacking(u8),
    Batch(u64, usize),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20u8, 0..5i32, any::<bool>()).prop_map(|(cid, priority, block)| Step::Want(cid, priority, block)),
        1 => (0..20u8).prop_map(Step::Cancel),
        3 => (0..20u8, 0..100u64).prop_map(|(cid, bytes)| Step::Found(cid, bytes)),
        1 => (0..20u8).prop_map(Step::Lacking),
        2 => (1..300u64, 1..10usize).prop_map(|(bytes, entries)| Step::Batch(bytes, entries)),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    /// Whatever a peer does, the ledger stays within its limits and its sum of bytes is right.
    #[test]
    fn the_books_balance(steps in prop::collection::vec(step(), 0..200)) {
        let mut ledger = Ledger::new(5);
        for step in steps {
            match step {
                Step::Want(number, priority, block) => {
                    ledger.apply(&want(number, priority, if block { WantKind::Block } else { WantKind::Have }));
                }
                Step::Cancel(number) => ledger.apply(&cancel(number)),
                Step::Found(number, bytes) => ledger.found(&cid(number), bytes),
                Step::Lacking(number) => ledger.lacking(&cid(number)),
                Step::Batch(bytes, entries) => {
                    let batch = ledger.next_batch(bytes, entries);
                    prop_assert!(batch.haves.len() + batch.dont_haves.len() <= entries);
                }
                Step::Clear => ledger.clear(),
            }
            let queued = ledger.queue.values().filter(|queued| queued.kind == WantKind::Block).map(|queued| queued.bytes);
            prop_assert_eq!(ledger.pending_bytes, queued.sum::<u64>());
            prop_assert_eq!(ledger.queue.len(), ledger.queued.len());
            prop_assert!(ledger.waiting.len() <= 5);
            prop_assert!(ledger.waiting_order.len() <= 10);
        }
        let all = ledger.next_batch(u64::MAX, usize::MAX);
        prop_assert_eq!(all.pending_bytes, 0);
        let mut blocks = all.blocks.clone();
        blocks.sort();
        blocks.dedup();
        prop_assert_eq!(blocks.len(), all.blocks.len());
    }
}

#[test]
fn dont_haves_are_bounded_by_what_is_read_at_once() {
    let mut ledger = Ledger::new(3);
    for number in 0..200 {
        ledger.apply(&want(number, 1, WantKind::Block));
        ledger.lacking(&cid(number));
    }
    // The reader stops when `len` says that the ledger is full.
    assert_eq!(ledger.len(), 200);
    assert_eq!(ledger.next_batch(100, 50).dont_haves.len(), 50);
}
