//! Workers from outside: real processes, confined for real, killed for real.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "../execution/components.rs"]
#[expect(dead_code, reason = "most of it serves the other tests")]
mod components; // tasks in text, made into components
mod confinement; // each layer, and a guest's way out
mod content; // a store of the tests
mod loss; // what the death of a worker costs
mod models; // wasi-nn in workers
mod pool; // runs, warm and cold
mod programs; // components in text

use std::path::PathBuf;

/// The worker of the tests: an example, which `cargo test` builds.
fn executable() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let worker = test.parent().unwrap().parent().unwrap().join("examples/worker");
    assert!(
        worker.exists(),
        "{} is missing: `cargo test -p poai-sandbox` builds it, `cargo test --test workers` does not",
        worker.display()
    );
    worker
}
