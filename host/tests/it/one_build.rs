//! README's two commands share one build: a crate of the program has the same features in both.

use std::collections::BTreeSet;
use std::process::Command;

/// Each crate with its features, as `cargo tree` resolves them along these kinds of edges.
fn crates_along(edges: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--no-dedupe", "--prefix", "none"])
        .args(["--format", "{p} features: {f}", "--edges", edges])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8(tree.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn tests_ask_no_crate_of_the_program_for_other_features() {
    let program = crates_along("normal,build");
    let tests = crates_along("normal,build,dev");

    assert!(program.iter().any(|line| line.starts_with("wasmtime v")), "{program:#?}");
    let only_in_program: Vec<_> = program.difference(&tests).collect();
    assert!(
        only_in_program.is_empty(),
        "built again by `cargo test` with more features; ask for those in [dependencies] too: {only_in_program:#?}"
    );
}
