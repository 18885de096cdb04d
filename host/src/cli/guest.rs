//! Building guests: the same bytes in any folder. What that takes is docs/package.md.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::model_file;
use crate::errors::{Failure, Kind, plain};
use crate::package_file::{ComponentSource, Draft, PackageFile};

/// What guests are built for.
const TARGET: &str = "wasm32-wasip2";
/// Variables that would change the bytes.
const REMOVED: [&str; 3] = ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];
/// Groups of variables that would change the bytes.
const REMOVED_GROUPS: [&str; 4] = ["CARGO_PROFILE_", "CARGO_BUILD_", "CARGO_RESOLVER_", "CARGO_UNSTABLE_"];

/// Reads a task's folder, builds its component if it is a crate, and brings its models.
pub(crate) fn build(folder: &Path) -> Result<Draft, Failure> {
    let file = PackageFile::read(folder)?;
    let component = match &file.component {
        ComponentSource::File(path) => path.clone(),
        ComponentSource::Crate(folder) => build_crate(folder)?,
    };
    let mut models = BTreeMap::new();
    for (name, source) in &file.models {
        models.insert(name.clone(), model_file::bring(folder, name, source)?);
    }
    Ok(file.into_draft(component, models))
}

fn build_crate(folder: &Path) -> Result<PathBuf, Failure> {
    let layout = Layout::of(folder)?;
    add_target(folder)?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder).args([
        "build",
        "--release",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ]);
    if layout.workspace.join("Cargo.lock").exists() {
        cargo.arg("--locked");
    }
    set_environment(&mut cargo, &layout)?;
    let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| no_cargo(&error))?;
    let messages = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut components = Vec::new();
    for line in messages.lines() {
        let line = line.map_err(|error| no_cargo(&error))?;
        components.extend(components_in(&line, &layout.manifest));
    }
    let status = child.wait().map_err(|error| no_cargo(&error))?;
    if !status.success() {
        return Err(Failure::new(Kind::Build, format!("cargo could not build {}", folder.display()))
            .hint("see cargo's messages above"));
    }
    match <[PathBuf; 1]>::try_from(components) {
        Ok([component]) => Ok(component),
        Err(found) => Err(Failure::new(
            Kind::Build,
            format!("{} makes {} components, but a task is one", layout.manifest.display(), found.len()),
        )
        .hint("a crate has one binary, or a library of crate-type \"cdylib\"")),
    }
}

/// Where cargo says that things are.
struct Layout {
    manifest: PathBuf,
    workspace: PathBuf,
    target: PathBuf,
}

impl Layout {
    fn of(folder: &Path) -> Result<Self, Failure> {
        let output = Command::new("cargo")
            .current_dir(folder)
            .args(["metadata", "--format-version=1", "--no-deps"])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| no_cargo(&error))?;
        if !output.status.success() {
            return Err(Failure::new(Kind::Build, format!("{} is no Cargo package", folder.display()))
                .hint("see cargo's messages above"));
        }
        let unknown = || Failure::new(Kind::Build, "`cargo metadata` says something that poai does not understand");
        let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|_| unknown())?;
        let path = |key: &str| metadata[key].as_str().map(PathBuf::from).ok_or_else(unknown);
        let folder = folder.canonicalize().map_err(|error| Failure::file("open", folder, &error))?;
        Ok(Self {
            manifest: folder.join("Cargo.toml"),
            workspace: path("workspace_root")?,
            target: path("target_directory")?,
        })
    }
}

/// The `.wasm` files of one of cargo's messages, if it is about our package.
fn components_in(line: &str, manifest: &Path) -> Vec<PathBuf> {
    let Ok(message) = serde_json::from_str::<Value>(line) else { return Vec::new() };
    let ours = message["reason"] == "compiler-artifact"
        && message["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest);
    let files = message["filenames"].as_array().filter(|_| ours).into_iter().flatten();
    files.filter_map(Value::as_str).filter(|name| name.ends_with(".wasm")).map(PathBuf::from).collect()
}

fn set_environment(cargo: &mut Command, layout: &Layout) -> Result<(), Failure> {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if REMOVED.contains(&&*text) || REMOVED_GROUPS.iter().any(|group| text.starts_with(group)) {
            cargo.env_remove(&name);
        }
    }
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let home =
        home.ok_or_else(|| Failure::new(Kind::Build, "cargo's home is not known: neither CARGO_HOME nor HOME is set"))?;
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags = [
        "-Ctarget-feature=+simd128".to_owned(),
        remap(&home, "/cargo"),
        remap(&layout.workspace, "/task"),
        remap(&layout.target, "/task/target"),
    ];
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")).env("CARGO_INCREMENTAL", "0");
    Ok(())
}

/// Adds the target to the toolchain of the folder, if it lacks it.
fn add_target(folder: &Path) -> Result<(), Failure> {
    if has_target(folder)? {
        return Ok(());
    }
    let missing = |reason: &str| {
        Failure::new(Kind::Build, format!("Rust's target {TARGET} is missing{reason}"))
            .hint(format!("install it: `rustup target add {TARGET}`, or your system's package for it"))
    };
    let added = Command::new("rustup")
        .current_dir(folder)
        .args(["target", "add", TARGET])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match added {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(missing(", and rustup could not add it")),
        Err(_) => Err(missing(", and there is no rustup to add it")),
    }
}

/// Whether the toolchain that cargo uses in a folder has the target's standard library.
pub(crate) fn has_target(folder: &Path) -> Result<bool, Failure> {
    let output = Command::new("rustc")
        .current_dir(folder)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| no_cargo(&error))?;
    Ok(output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn no_cargo(error: &std::io::Error) -> Failure {
    Failure::new(Kind::Build, format!("Rust's cargo cannot be run: {}", plain(error)))
        .hint("install Rust from https://rustup.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_components_count() {
        let manifest = Path::new("/task/Cargo.toml");
        let message = |reason: &str, manifest: &str| {
            format!(r#"{{"reason":"{reason}","manifest_path":"{manifest}","filenames":["/t/a.wasm","/t/a.d"]}}"#)
        };
        assert_eq!(
            components_in(&message("compiler-artifact", "/task/Cargo.toml"), manifest),
            [Path::new("/t/a.wasm")]
        );
        assert!(components_in(&message("compiler-artifact", "/dep/Cargo.toml"), manifest).is_empty());
        assert!(components_in(&message("build-finished", "/task/Cargo.toml"), manifest).is_empty());
        assert!(components_in("not json", manifest).is_empty());
    }
}
