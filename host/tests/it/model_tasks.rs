//! Tasks with models: what they answer to real input, beside what the models' own libraries answer.
//!
//! `poai build` brings the models by pip; without it, or without an index of packages, these tests fail and say so.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::Home;
use crate::programs::task;

const RUST: &str = r"use std::collections::BTreeMap;

/// How often each word occurs.
pub fn counted(text: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}
";

/// Numbers of one of MiniLM's vectors.
const MINILM: usize = 384;

/// Runs a task on a file, and gives the folder of its outputs.
fn outputs(home: &Home, name: &str, input: &str, file: &Path) -> PathBuf {
    let out = tempfile::tempdir_in(home.scratch()).unwrap().keep().join("out");
    let input = format!("{input}={}", file.display());
    let folder = task(name);
    let words = ["run", folder.to_str().unwrap(), "--input", &input, "--output", out.to_str().unwrap()];
    let (exit, ran) = home.json(words);
    assert_eq!(
        (exit, ran["outcome"]["kind"].as_str()),
        (0, Some("ok")),
        "{name}, which pip brings the model of: {ran}"
    );
    out
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Magika 1.0.3's own answers for the same files.
#[test]
fn filetype_says_what_magika_says() {
    // One file "a.txt" of six bytes, stored.
    let zip = concat!(
        "504b03041400000000000000210020303a36060000000600000005000000612e74787468656c6c6f0a504b0102140314000000000000",
        "00210020303a360600000006000000050000000000000000000000800100000000612e747874504b0506000000000100010033000000",
        "290000000000"
    );
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    let zip: Vec<u8> = zip.as_bytes().as_chunks().0.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect();
    let home = Home::new();
    for (file, label, score) in [
        (task("ocr/data/page.png"), "png", 0.999_996),
        (task("vad/data/speech.wav"), "wav", 0.999_981),
        (home.file("source", RUST.as_bytes()), "rust", 0.998_240),
        (home.file("archive", &zip), "zip", 0.528_260),
    ] {
        let found = json(&outputs(&home, "filetype", "file", &file).join("type"));
        assert_eq!(found["label"], label, "{found}");
        assert!((found["score"].as_f64().unwrap() - score).abs() < 1e-4, "{found}");
    }
}

/// What silero-vad 6.2.3 finds, with ONNX Runtime.
#[test]
fn vad_hears_speech_where_silero_does() {
    let home = Home::new();
    let out = outputs(&home, "vad", "audio", &task("vad/data/speech.wav"));
    let found = json(&out.join("speech"));
    let speech = found["speech"].as_array().unwrap();
    let places: Vec<_> = speech.iter().map(|piece| (piece["start"].as_u64(), piece["end"].as_u64())).collect();
    assert_eq!(places, [(Some(3088), Some(24_304)), (Some(29_456), Some(42_480))], "{found}");
    let probabilities = floats(&std::fs::read(out.join("probabilities")).unwrap());
    assert_eq!(probabilities.len(), 174);
    // Every eighth.
    let expected = [
        0.01956, 0.00744, 0.99738, 0.99996, 0.99613, 0.99981, 0.99986, 0.99598, 0.99995, 0.99998, 0.99985, 0.99998,
        0.04941, 0.00616, 0.00483, 0.99925, 0.9999, 0.99999, 0.99999, 1.0, 0.9999, 0.02514,
    ];
    for (found, expected) in probabilities.iter().step_by(8).zip(expected) {
        assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
    }
}

/// RapidOCR 1.4.4's own lines; it leaves out spaces, too.
#[test]
fn ocr_reads_what_rapidocr_reads() {
    let home = Home::new();
    let out = outputs(&home, "ocr", "image", &task("ocr/data/page.png"));
    let expected = [
        "Proof of useful work",
        "The same bits on every computer",
        "whoever runs it: 2 + 2 = 4.",
        "InvoiceNo.20483",
        "Total:$1,299.50",
        "A line that is not quite level",
    ];
    let text = std::fs::read_to_string(out.join("text")).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    let lines = json(&out.join("lines"));
    // Where it sees the first line and the last one, in pixels.
    for (line, places) in [
        (0, [[42.0, 33.0], [390.0, 33.0], [390.0, 62.0], [42.0, 62.0]]),
        (5, [[49.0, 300.0], [444.0, 272.0], [447.0, 303.0], [51.0, 330.0]]),
    ] {
        let corners = lines[line]["corners"].as_array().unwrap();
        for (found, expected) in corners.iter().zip(places) {
            let near = (0..2).all(|axis| (found[axis].as_f64().unwrap() - expected[axis]).abs() <= 2.0);
            assert!(near, "{found} instead of {expected:?}");
        }
    }
}

/// ONNX Runtime's vectors of the same sentences: tasks/embed/scripts/reference.py wrote them.
#[test]
fn embed_places_sentences_where_minilm_does() {
    let home = Home::new();
    let out = outputs(&home, "embed", "sentences", &task("embed/data/sentences.txt"));
    let [found, expected] = [out.join("embeddings"), task("embed/data/reference.f32")].map(|file| {
        let numbers = floats(&std::fs::read(file).unwrap());
        numbers.chunks(MINILM).map(<[f32]>::to_vec).collect::<Vec<_>>()
    });
    assert_eq!(found.len(), 5);
    for (found, expected) in found.iter().zip(&expected) {
        assert!(cosine(found, expected) >= 0.9999);
    }
    let similarities = json(&out.join("similarities"));
    let alike = |one: usize, other: usize| similarities[one][other].as_f64().unwrap();
    assert!((alike(0, 1) - 0.5462).abs() < 1e-3 && (alike(2, 3) - 0.4385).abs() < 1e-3, "{similarities}");
    assert!((alike(0, 2) + 0.0607).abs() < 1e-3, "{similarities}");
}

/// Runs chat, and gives how it ended and the folder of its outputs.
fn chat(home: &Home, words: &[&str]) -> (Value, PathBuf) {
    let out = tempfile::tempdir_in(home.scratch()).unwrap().keep().join("out");
    let folder = task("chat");
    let start = ["run", folder.to_str().unwrap(), "--output", out.to_str().unwrap()];
    let (_, ran) = home.json(start.iter().chain(words));
    (ran, out)
}

/// What llama.cpp answers: tasks/chat/scripts/reference.py printed it. Of these answers' tokens none is so near to another
/// one that its rounding, which is not ours, decides.
#[test]
fn chat_says_what_llama_cpp_says() {
    let home = Home::new();
    for (prompt, text, tokens) in [
        (
            "Name three primary colors.",
            "The primary colors are:\n\nRed (R)\nBlue (B)\nYellow (Y)",
            &[
                504, 3003, 4683, 359, 42, 198, 198, 12869, 365, 66, 25, 198, 23390, 365, 50, 25, 198, 36086, 365, 73,
                25, 2,
            ][..],
        ),
        (
            "Why is the sky blue?",
            "The answer to this question lies in the intricate dance of light and color. The sky appears blue because of a \
             phenomenon known",
            &[
                504, 2988, 288, 451, 1962, 5721, 281, 260, 7564, 7180, 282, 1420, 284, 2380, 30, 378, 6376, 4541, 4461,
                975, 282, 253, 7613, 1343,
            ],
        ),
    ] {
        let (ran, out) = chat(&home, &["--param", &format!("prompt={prompt}"), "--param", "max_tokens=24"]);
        assert_eq!(ran["outcome"]["kind"], "ok", "chat, which pip brings the model of: {ran}");
        assert_eq!(std::fs::read_to_string(out.join("text")).unwrap(), text);
        assert_eq!(json(&out.join("tokens"))["generated"], serde_json::json!(tokens));
    }
}

/// A check computes all of an answer at once, and comes to the same bits, or says where they part.
#[test]
fn chat_checks_answers() {
    let home = Home::new();
    for drawn in [&[][..], &["--seed", "3", "--param", "temperature=1.2"]] {
        let run = |more: &[&str]| chat(&home, &[&["--param", "prompt=Hello!"], drawn, more].concat());
        let (made, out) = run(&["--param", "max_tokens=9"]);
        assert_eq!(made["outcome"]["kind"], "ok", "{made}");
        let [tokens, logits] = ["tokens", "logits"].map(|name| std::fs::read_to_string(out.join(name)).unwrap());
        let check = |tokens: &str, logits: &str, most: &str| {
            let [tokens, logits] = [("tokens", tokens), ("logits", logits)].map(|(name, content)| {
                format!("{name}={}", home.file(&format!("{name}-given"), content.as_bytes()).display())
            });
            run(&["--param", "mode=check", "--param", most, "--input", &tokens, "--input", &logits]).0
        };
        let checked = check(&tokens, &logits, "max_tokens=9");
        assert_eq!((&checked["outcome"], &checked["outputs"]), (&made["outcome"], &made["outputs"]), "{checked}");
        assert_ne!(checked["run"], made["run"]);

        let fourth = json(&out.join("tokens"))["generated"][3].as_u64().unwrap();
        let place = tokens.rfind(&format!(",{fourth},")).unwrap();
        let mut changed = tokens.clone();
        changed.replace_range(place + 1..place + 1 + fourth.to_string().len(), "504");
        let other = logits.replacen(|digit: char| digit != '0', "0", 1);
        for (tokens, logits, most, reason) in [
            (&changed, &logits, "max_tokens=9", "token 3 is 504"),
            (&tokens, &other, "max_tokens=9", "another digest"),
            (&tokens, &logits, "max_tokens=10", "breaks off behind 9 tokens"),
        ] {
            let found = check(tokens, logits, most);
            assert_eq!(found["outcome"]["kind"], "failed", "{found}");
            assert!(found["outcome"]["message"].as_str().unwrap().contains(reason), "{reason}: {found}");
        }
    }
}

fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let product =
        |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    product(one, other) / (product(one, one) * product(other, other)).sqrt()
}
