//! `src/bindings.rs` is what the generator makes of `wit/`. Renew it by
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

fn generated() -> String {
    let mut resolve = Resolve::default();
    resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).expect("wit/ parses");
    let sdk = resolve.push_str("sdk.wit", SDK_WORLD).expect("the world parses");
    let world = resolve.select_world(&[sdk], Some("sdk")).expect("the world is there");
    let options = wit_bindgen_rust::Opts {
        format: true,
        pub_export_macro: true,
        default_bindings_module: Some("poai_task::bindings".into()),
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
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bindings.rs");
    let generated = generated();
    if std::env::var_os("POAI_RENEW").is_some() {
        std::fs::write(&file, &generated).expect("src/bindings.rs can be written");
    }
    let committed = std::fs::read_to_string(&file).expect("src/bindings.rs can be read");
    assert!(committed == generated, "wit/ has changed: renew src/bindings.rs as this file's head says");
}
