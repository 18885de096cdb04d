use poai_objects::codec::{RAW, cid_of};
use poai_objects::{Effect, Fuel, Object, TraceChunk, TraceRoot, TraceWriter};

fn effect(number: u64) -> Effect {
    let cid = |what: &str| cid_of(RAW, format!("{what} {number}").as_bytes());
    Effect { function: "f".into(), fuel: Fuel(number), arguments: cid("arguments"), results: cid("results") }
}

#[test]
fn a_trace_is_cut_into_chunks_of_1024() {
    for (count, chunks) in [(0, 0), (1, 1), (1_023, 1), (1_024, 1), (1_025, 2), (2_048, 2), (2_500, 3)] {
        let mut writer = TraceWriter::default();
        let mut written: Vec<TraceChunk> = (0..count).filter_map(|number| writer.push(effect(number))).collect();
        let (root, last) = writer.finish();
        written.extend(last);
        root.seal().unwrap();
        assert_eq!((root.count, root.chunks.len()), (count, chunks));
        assert_eq!(root.chunks, written.iter().map(Object::id).collect::<Vec<_>>());
        let effects = written.into_iter().flat_map(|chunk| chunk.effects);
        assert!(effects.eq((0..count).map(effect)));
    }
    assert_eq!(TraceWriter::default().finish(), (TraceRoot::default(), None));
}
