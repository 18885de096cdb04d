//! A small model, at once and token by token; and files that are no such models.

use std::path::Path;
use std::sync::Arc;
use std::{env, fs};

use half::f16;
use poai_numerics::Kernels;

use super::super::file::tests::Writer as FileWriter;
use super::*;
use crate::op::product::trial::{noise, values};
use crate::{Budget, Cpu, ModelLimits, Session};

/// Two layers of two heads that share keys, of 16 elements each, over ten tokens; of all kinds of weights.
fn tiny() -> FileWriter {
    let mut file = FileWriter::default();
    file.text("general.architecture", "llama");
    for (name, size) in [
        ("block_count", 2),
        ("context_length", 12),
        ("embedding_length", 32),
        ("feed_forward_length", 64),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
    ] {
        file.size(&format!("llama.{name}"), size);
    }
    let mut seed = 0;
    let mut floats = |rows: usize, columns: usize| {
        seed += 1;
        values(&noise(&[rows, columns], seed))
    };
    let mut tensor = |file: &mut FileWriter, name: &str, [rows, columns]: [usize; 2], kind: u32| {
        let weights = floats(rows, columns);
        let bytes: Vec<u8> = match kind {
            0 => weights.iter().flat_map(|x| x.to_le_bytes()).collect(),
            1 => weights.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
            // A scale, a minimum of Q4_1, and quants that are the weights' low bits.
            _ => (weights.chunks(32))
                .flat_map(|block| {
                    let scale = f16::from_f32(0.01).to_le_bytes();
                    let minimum = f16::from_f32(-0.07).to_le_bytes();
                    let quants = block.iter().map(|x| (x * 8_388_608.0) as i32 as u8);
                    let count = if kind == 8 { 32 } else { 16 };
                    let front = if kind == 3 { [scale, minimum].concat() } else { scale.to_vec() };
                    front.into_iter().chain(quants.take(count)).collect::<Vec<_>>()
                })
                .collect(),
        };
        file.tensor(name, &[columns as u64, rows as u64], kind, &bytes);
    };
    tensor(&mut file, "token_embd.weight", [10, 32], 8);
    for layer in 0..2 {
        for (part, sizes, kind) in [
            ("attn_q", [32, 32], 0),
            ("attn_k", [16, 32], 1),
            ("attn_v", [16, 32], 2),
            ("attn_output", [32, 32], 3),
            ("ffn_gate", [64, 32], 3),
            ("ffn_up", [64, 32], 8),
            ("ffn_down", [32, 64], 2),
        ] {
            tensor(&mut file, &format!("blk.{layer}.{part}.weight"), sizes, kind);
        }
        for part in ["attn_norm", "ffn_norm"] {
            file.tensor(&format!("blk.{layer}.{part}.weight"), &[32], 0, &1f32.to_le_bytes().repeat(32));
        }
    }
    file.tensor("output_norm.weight", &[32], 0, &2f32.to_le_bytes().repeat(32));
    file
}

fn read(file: &FileWriter) -> Result<Graph, ModelError> {
    super::super::read(file.finish(), &ModelLimits::default())
}

/// Logits of tokens behind a past, and the new past.
fn step(session: &Session, tokens: &[i64], position: i64, past: &[Tensor]) -> (Tensor, Vec<Tensor>) {
    let tokens = Tensor::new(&[1, tokens.len()], tokens);
    let mut inputs = vec![("tokens", tokens), ("position", Tensor::new(&[1], &[position]))];
    inputs.extend(["past_key.0", "past_value.0", "past_key.1", "past_value.1"].into_iter().zip(past.to_vec()));
    let mut results = session.run(&inputs, &mut Budget::UNBOUNDED.clone()).unwrap();
    let past = results.split_off(1);
    (results.remove(0), past)
}

#[test]
fn a_text_at_once_gives_the_bits_of_token_by_token() {
    let tokens = [3i64, 1, 4, 1, 5, 9, 2, 6];
    let nothing = vec![Tensor::new::<f32>(&[1, 1, 0, 16], &[]); 4];
    let mut first: Option<Tensor> = None;
    for (kernels, threads) in [(Kernels::Auto, 1), (Kernels::Scalar, 2)] {
        let cpu = Arc::new(Cpu::new(kernels, threads).unwrap());
        let session = Session::new(read(&tiny()).unwrap(), cpu).unwrap();
        let (logits, past) = step(&session, &tokens, 0, &nothing);
        assert_eq!(logits.shape(), [1, 8, 10]);
        assert!(values(&logits).iter().all(|logit| logit.is_finite() && logit.abs() > 0.0));
        assert_eq!(first.get_or_insert(logits.clone()), &logits, "by {kernels}");

        let mut stepped = (Vec::new(), nothing.clone());
        for (position, token) in tokens.iter().enumerate() {
            let (logits, past) = step(&session, &[*token], position as i64, &stepped.1);
            stepped.0.extend(values(&logits));
            stepped.1 = past;
        }
        assert_eq!(values(&logits), stepped.0, "by {kernels}");
        assert_eq!(past, stepped.1, "by {kernels}");
    }
}

#[test]
fn what_a_model_does_not_have_is_refused() {
    assert!(read(&tiny()).is_ok());
    let refused = |file: &mut FileWriter| read(file).unwrap_err().to_string();
    assert!(refused(tiny().tensor("blk.2.attn_q.weight", &[1], 0, &[0; 4])).contains("blk.2.attn_q.weight"));
    assert!(refused(tiny().text("llama.rope.scaling.type", "yarn")).contains("llama.rope.scaling.type"));
    assert!(refused(tiny().size("llama.rope.scaling.type", 0)).contains("llama.rope.scaling.type"));
    assert!(refused(tiny().float("llama.rope.scaling.factor", 2.0)).contains("llama.rope.scaling.factor"));
    assert!(refused(tiny().size("llama.rope.dimension_count", 0)).contains("turned"));
    assert!(refused(FileWriter::default().text("general.architecture", "mamba")).contains("mamba"));
    assert!(refused(FileWriter::default().text("general.architecture", "llama")).contains("block_count"));
}

/// Any byte may be wrong: a file is read, or refused, and nothing else.
#[test]
fn damaged_files_are_read_or_refused() {
    let file = tiny().finish();
    // Metadata and the tensors' places, which weights follow.
    for place in 0..2048 {
        for flipped in [0x01, 0x80, 0xff] {
            let mut damaged = file.to_vec();
            damaged[place] ^= flipped;
            if let Err(error) = super::super::read(damaged.into(), &ModelLimits::default()) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

/// What fuzzing starts from. `POAI_RENEW_VECTORS=1 cargo test -p poai-graph gguf` writes the file anew.
#[test]
fn the_corpus_has_this_model() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/fuzz_gguf/blocks.gguf");
    let file = tiny().finish();
    if env::var_os("POAI_RENEW_VECTORS").is_some() {
        fs::write(&path, &file).unwrap();
    }
    assert!(fs::read(&path).unwrap() == file, "{} is another model", path.display());
}
