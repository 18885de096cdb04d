//! Loops that a driver may cut short, and indices that lie outside.

use super::check::{Check, Run};
use super::numbers::{bits, canonical};

pub(super) fn checks() -> Vec<Check> {
    vec![loops(), bounds(), workgroup_memory()]
}

/// Loops run to their end, which some drivers put at 65,535 turns; nested ones too.
fn loops() -> Check {
    let turns: [u32; 4] = [1, 65_535, 65_537, 70_001];
    let sum = |turns: u32| (0..turns).fold(0.5f32, |sum, turn| sum + (turn & 3) as f32);
    let expected =
        turns.iter().flat_map(|&turns| [turns as f32, sum(turns), (turns / 256 * 256) as f32]).map(canonical).collect();
    let result = |most: u32| {
        format!(
            "fn result(i: u32) -> f32 {{
                let turns = min(given[i / 3u], {most}u);
                var count = 0u;
                var sum = 0.5;
                if i % 3u == 2u {{
                    for (var outer = 0u; outer < turns / 256u; outer++) {{
                        for (var inner = 0u; inner < 256u; inner++) {{ count++; }}
                    }}
                    return f32(count);
                }}
                for (var turn = 0u; turn < turns; turn++) {{
                    count++;
                    sum = sum + f32(turn & 3u);
                }}
                return select(sum, f32(count), i % 3u == 0u);
            }}"
        )
    };
    Check::each("loops", "", &result(1 << 30), turns.to_vec(), expected).planted("", &result(65_535))
}

/// What lies behind a buffer reads as zero, and cannot be written.
fn bounds() -> Check {
    let inside = [3.0f32, 5.0, 7.0, 11.0];
    let indices: [u32; 8] = [0, 3, 4, 5, 1 << 20, 1 << 31, u32::MAX - 1, u32::MAX];
    let given: Vec<u32> = bits(&inside).into_iter().chain(indices).collect();
    let last = *given.last().expect("there are indices");
    let read = |index: u32| usize::try_from(index).ok().and_then(|index| given.get(index)).map_or(0, |&bits| bits);
    // The index of the case is read through, then a write behind the end is tried; 13 numbers in all are expected.
    let mut expected: Vec<u32> = indices.iter().map(|&index| canonical(f32::from_bits(read(index)))).collect();
    expected.push(canonical(f32::from_bits(last)));
    let result = |reach: &str| {
        format!(
            "fn result(i: u32) -> f32 {{
                let index = given[4u + i];
                if i > 7u {{ return number(11u); }}
                found[index | 0x40000000u] = 0x41414141u;
                return number({reach});
            }}"
        )
    };
    Check::each("bounds", "", &result("index"), given, expected).planted("", &result("min(index, 3u)"))
}

/// Workgroup memory starts as zeros, also after another kernel used it, and barriers order its reads and writes.
fn workgroup_memory() -> Check {
    let source = |fill: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read> given: array<u32>;
            @group(0) @binding(1) var<storage, read_write> found: array<u32>;
            var<workgroup> shared_words: array<u32, 128>;
            @compute @workgroup_size(64)
            fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) place: u32) {{
                let before = shared_words[64u + (place * 7u) % 64u];
                shared_words[place] = given[id.x];
                workgroupBarrier();
                found[id.x] = {fill} + shared_words[63u - place];
                workgroupBarrier();
                shared_words[64u + place] = id.x + 1u;
            }}"
        )
    };
    let given: Vec<u32> = (0..1024).map(|i| i * 2_654_435 + 1).collect();
    let expected = given.chunks(64).flat_map(|group| group.iter().rev().copied().collect::<Vec<_>>()).collect();
    Check {
        name: "workgroup-memory",
        source: source("before"),
        planted: Some(source("1u")),
        runs: vec![Run { inputs: vec![given], before: None, expected, groups: [16, 1, 1] }],
    }
}
