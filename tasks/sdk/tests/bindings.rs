//! `src/bindings.rs` and `src/compute/bindings.rs` are what the generator makes of `wit/`. Renew them by
//! `POAI_RENEW=1 cargo test -p poai-task --test bindings`.

use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

/// The part of the world `poai:task/task` that the standard library does not bring itself.
const SDK_WORLD: &str = "
package poai:sdk;

world sdk {
    include poai:task/task-imports@0.1.0;
    include wasi:nn/ml@0.2.0-rc-2024-10-28;
    export run: func() -> result<_, string>;
}";

/// What tasks with kernels import besides: apart, so that no other task's bytes depend on it.
const COMPUTE_WORLD: &str = "
package poai:sdk;

world compute {
    include poai:compute/imports@0.1.0;
}";

fn generated(text: &str, name: &str, module: &str) -> String {
    let mut resolve = Resolve::default();
    resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).expect("wit/ parses");
    let sdk = resolve.push_str("sdk.wit", text).expect("the world parses");
    let world = resolve.select_world(&[sdk], Some(name)).expect("the world is there");
    let options = wit_bindgen_rust::Opts {
        format: true,
        pub_export_macro: true,
        default_bindings_module: Some(module.into()),
        runtime_path: Some("wit_bindgen::rt".into()),
        generate_all: true,
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).expect("bindings are generated");
    let (_, bytes) = files.iter().next().expect("one file is generated");
    let code = std::str::from_utf8(bytes).expect("Rust is UTF-8");
    format!("// @generated from wit/ by tests/bindings.rs.\n{code}")
}

#[test]
fn bindings_are_those_of_the_contract() {
    for (path, generated) in [
        ("src/bindings.rs", generated(SDK_WORLD, "sdk", "poai_task::bindings")),
        ("src/compute/bindings.rs", generated(COMPUTE_WORLD, "compute", "poai_task::compute::bindings")),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("POAI_RENEW").is_some() {
            std::fs::write(&file, &generated).expect("the file can be written");
        }
        let committed = std::fs::read_to_string(&file).expect("the file can be read");
        assert!(committed == generated, "wit/ has changed: renew {path} as this file's head says");
    }
}
