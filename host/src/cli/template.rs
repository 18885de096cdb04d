//! A new task's files: its own few, and a copy of the SDK beside them.

use poai_objects::PackageName;

/// Names that mean something else in the new folder, or to Rust.
pub(super) const RESERVED: [&str; 8] = ["poai-task", "poai-task-macros", "sdk", "test", "core", "std", "alloc", "self"];

/// Where `{{name}}` and `{{function}}` are filled in.
const OWN: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("package.toml", include_str!("template/package.toml.in")),
    ("README.md", include_str!("template/README.md.in")),
    ("src/lib.rs", include_str!("template/lib.rs.in")),
    (".gitignore", "/target\n"),
    ("rust-toolchain.toml", include_str!("template/rust-toolchain.toml.in")),
];

macro_rules! sdk {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../tasks/", $path)))),*]
    };
}

/// The SDK without its tests.
const SDK: [(&str, &str); 15] = sdk![
    "sdk/Cargo.toml",
    "sdk/macros/Cargo.toml",
    "sdk/macros/src/lib.rs",
    "sdk/src/bindings.rs",
    "sdk/src/compute.rs",
    "sdk/src/compute/bindings.rs",
    "sdk/src/entry.rs",
    "sdk/src/input.rs",
    "sdk/src/job.rs",
    "sdk/src/lib.rs",
    "sdk/src/nn.rs",
    "sdk/src/output.rs",
    "sdk/src/random.rs",
    "sdk/src/telemetry.rs",
    "sdk/src/window.rs",
];

/// Every file of a new task, by its path in the folder.
pub(super) fn files(name: &PackageName) -> Vec<(&'static str, String)> {
    let function = name.as_str().replace('-', "_");
    let fill = |text: &str| text.replace("{{name}}", name.as_str()).replace("{{function}}", &function);
    let own = OWN.iter().map(|(path, text)| (*path, fill(text)));
    own.chain(SDK.iter().map(|(path, text)| (*path, (*text).to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn sources(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn no_file_of_the_sdk_is_forgotten() {
        let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tasks");
        let mut expected = BTreeSet::from(["sdk/Cargo.toml".to_owned(), "sdk/macros/Cargo.toml".to_owned()]);
        sources(&tasks.join("sdk/src"), &tasks, &mut expected);
        sources(&tasks.join("sdk/macros/src"), &tasks, &mut expected);
        assert_eq!(SDK.iter().map(|(path, _)| (*path).to_owned()).collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn the_new_files_are_well_formed() {
        let files = files(&"my-task".parse().unwrap());
        let text = |wanted: &str| &files.iter().find(|(path, _)| *path == wanted).unwrap().1;
        assert!(text("src/lib.rs").contains("fn my_task("));
        assert!(files.iter().all(|(_, text)| !text.contains("{{name}}") && !text.contains("{{function}}")));
        for path in ["Cargo.toml", "package.toml", "rust-toolchain.toml"] {
            text(path).parse::<toml::Table>().unwrap();
        }
    }
}
