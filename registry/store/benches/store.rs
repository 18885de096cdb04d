//! Puts and gets against plain files of the same data, in the same run.
//!
//! `cargo bench -p poai-store` prints a table and writes `target/bench/store.json`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

use poai_store::unixfs::{FileReader, FileWriter, LayoutLimits};
use poai_store::{RAW, Store, StoreLimits, Verified};
use poai_testing::bench::{self, Line};

/// Bytes that each measurement moves.
const TOTAL_BYTES: usize = 256 << 20;
/// Each measurement is the best of these, since the disk is others' too.
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo's own flags (`--bench`, a filter) choose nothing here.
    let folder = bench::folder()?;
    let mut lines = Vec::new();
    for (label, block_bytes) in [("256KiB", 256 << 10), ("1MiB", 1 << 20)] {
        let data = noise(TOTAL_BYTES);
        let mut best = [0_f64; 6];
        for _ in 0..ROUNDS {
            let scratch = tempfile::tempdir_in(&folder)?;
            let speeds = round(scratch.path(), &data, block_bytes)?;
            best.iter_mut().zip(speeds).for_each(|(best, speed)| *best = best.max(speed));
        }
        let [put, get, import, read, plain_write, plain_read] = best;
        for (what, value, peer, peer_value) in [
            ("put", put, "plain files, one sync", plain_write),
            ("get", get, "plain files, not checked", plain_read),
            ("file-write", import, "plain files, one sync", plain_write),
            ("file-read", read, "plain files, not checked", plain_read),
        ] {
            lines.push(Line::higher(format!("{what}/{label}"), value, "MB/s").beside(peer, peer_value));
        }
    }
    Ok(bench::report("store", &lines)?)
}

/// The speeds of put, get, file write, file read, and of the plain files' write and read, MB/s.
fn round(dir: &Path, data: &[u8], block_bytes: usize) -> Result<[f64; 6], Box<dyn std::error::Error>> {
    let plain = dir.join("plain");
    fs::create_dir(&plain)?;
    let names: Vec<_> = (0..data.len() / block_bytes).map(|number| plain.join(number.to_string())).collect();
    let plain_write = speed(data.len(), || {
        for (name, part) in names.iter().zip(data.chunks(block_bytes)) {
            File::create_new(name)?.write_all(part)?;
        }
        rustix::fs::syncfs(File::open(&plain)?)?;
        Ok(())
    })?;
    let plain_read = speed(data.len(), || {
        let mut buffer = Vec::with_capacity(block_bytes);
        for name in &names {
            buffer.clear();
            File::open(name)?.read_to_end(&mut buffer)?;
        }
        Ok(())
    })?;

    let store = Store::open(dir.join("blocks"), StoreLimits::default())?;
    let mut cids = Vec::new();
    // Naming the bytes, which hashes them, is part of it.
    let put = speed(data.len(), || {
        for part in data.chunks(block_bytes) {
            let block = Verified::of(RAW, part.to_vec())?;
            store.put_lazily(&block)?;
            cids.push(*block.cid());
        }
        Ok(store.sync()?)
    })?;
    let get = speed(data.len(), || cids.iter().try_for_each(|cid| store.need(cid).map(drop)).map_err(Into::into))?;

    let files = Store::open(dir.join("files"), StoreLimits::default())?;
    let held = files.in_use();
    let mut root = None;
    let import = speed(data.len(), || {
        let mut file = FileWriter::new(&files, &held);
        data.chunks(block_bytes).try_for_each(|part| file.append(part))?;
        root = Some(file.finish()?.cid);
        Ok(files.sync()?)
    })?;
    let root = root.ok_or("the file was written")?;
    let mut reader = FileReader::open(&files, &root, &LayoutLimits::default())?;
    let read = speed(data.len(), || {
        let mut buffer = vec![0; block_bytes];
        let mut offset = 0;
        while offset < reader.size_bytes() {
            offset += reader.read_at(offset, &mut buffer)? as u64;
        }
        Ok(())
    })?;
    Ok([put, get, import, read, plain_write, plain_read])
}

fn speed(
    bytes: usize,
    mut work: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let begin = Instant::now();
    work()?;
    Ok(bytes as f64 / 1e6 / begin.elapsed().as_secs_f64())
}

/// Bytes that no disk compresses.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}
