//! Models in workers: confined, on threads, by every kernel.

use std::path::Path;
use std::process::Command;

use poai_objects::{Outcome, World};
use poai_sandbox::Kernels;
use poai_sandbox::worker::{Cancel, Workers};

use crate::content::{Case, config};

/// What tasks/nn-check does, with the models of its package, each one file, and its component.
fn check() -> (Case, Vec<u8>) {
    let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tasks");
    let arguments = ["build", "--release", "--locked", "--target", "wasm32-wasip2", "--package", "nn-check"];
    let built = Command::new(env!("CARGO")).args(arguments).current_dir(&tasks).env_remove("CARGO_TARGET_DIR").output();
    let built = built.unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let component = std::fs::read(tasks.join("target/wasm32-wasip2/release/nn-check.wasm")).unwrap();
    let model = |name: &str| std::fs::read(tasks.join("nn-check/models").join(name)).unwrap();
    let case = Case::of_world(World::Command, &component)
        .with_model("dense", "onnx", &model("dense.onnx"))
        .with_model("split", "onnx", &model("dense.onnx"))
        .with_model("tiny", "gguf", &model("tiny.gguf"))
        .with_model("broken", "onnx", &model("broken.onnx"))
        .with_model("elsewhere", "openvino", &model("dense.onnx"));
    (case, component)
}

#[test]
fn workers_of_every_kernel_do_what_is_done_here() {
    let (case, component) = check();
    let (here, kept_here) = case.run_here(&component);
    assert_eq!(here.outcome, Outcome::Ok, "{:?}", kept_here.words);
    case.blocks.asked_for();
    let home = tempfile::tempdir().unwrap();
    for kernels in Kernels::available() {
        let mut config = config(home.path(), |_| {});
        config.args.push(kernels.to_string().into());
        let workers = Workers::start(config).unwrap();
        for warm in [false, true] {
            let (ran, kept) = case.run_with(&workers, &Cancel::new().unwrap());
            let ran = ran.unwrap();
            assert_eq!(ran.warm, warm, "{kernels}");
            // One file of two names, and two more: each is mapped when a worker first needs it, and stays.
            assert_eq!(case.blocks.asked_for(), if warm { [0; 3] } else { [1; 3] }, "{kernels}");
            assert_eq!((ran.finished.fuel, ran.finished.trace), (here.fuel, here.trace.clone()), "{kernels}");
            assert_eq!(
                (kept.outputs, kept.effects),
                (kept_here.outputs.clone(), kept_here.effects.clone()),
                "{kernels}"
            );
        }
    }
}
