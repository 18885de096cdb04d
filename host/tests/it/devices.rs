use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::claims::CHAT;
use crate::command::{Home, PATIENCE, finish_within, wait_until};
use crate::model::{floats, npy};
use crate::programs::{build, task, tasks};

/// A home whose commands find the two software drivers, with the verdicts that this process has them proven by once.
pub(crate) fn with_drivers() -> Home {
    static PROVEN: OnceLock<Home> = OnceLock::new();
    let proven = PROVEN.get_or_init(|| {
        let home = with_unproven_drivers();
        answered(&home);
        home
    });
    let home = with_unproven_drivers();
    let devices = home.path().join("devices");
    fs::create_dir_all(&devices).unwrap();
    for verdict in fs::read_dir(proven.path().join("devices")).unwrap() {
        let verdict = verdict.unwrap();
        fs::copy(verdict.path(), devices.join(verdict.file_name())).unwrap();
    }
    home
}

/// A home whose commands find the two software drivers that the Vulkan crate's script brings, and prove them.
fn with_unproven_drivers() -> Home {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/vulkan/scripts/drivers.sh");
    let output = Command::new(script).arg(concat!(env!("CARGO_TARGET_TMPDIR"), "/../vulkan-drivers")).output().unwrap();
    assert!(output.status.success(), "no drivers: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let variable = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap().to_owned()
    };
    let home = Home::new().with("VK_DRIVER_FILES", variable("VK_DRIVER_FILES"));
    home.with("LD_LIBRARY_PATH", variable("LD_LIBRARY_PATH"))
}

/// How often a driver that has not answered is asked: it has no verdict, and is proven again at the next call. Lavapipe
/// is silent once in a while on a machine under load.
const ATTEMPTS: usize = 3;

/// What `poai devices` answers once all drivers have.
fn answered(home: &Home) -> Value {
    let mut answer = Value::Null;
    for _ in 0..ATTEMPTS {
        let exit;
        (exit, answer) = home.json(["devices"]);
        assert_eq!(exit, 0, "{answer}");
        let devices = answer["devices"].as_array().unwrap();
        if devices.iter().all(|device| device["unproven"].is_null()) {
            break;
        }
    }
    answer
}

#[test]
fn a_machine_without_a_driver_has_no_device_and_that_is_no_error() {
    let home = Home::new().with("VK_DRIVER_FILES", "/of/no/driver.json");
    let (exit, answer) = home.json(["devices"]);
    assert_eq!((exit, &answer["devices"]), (0, &json!([])), "{answer}");
    let said = home.run(["devices"]);
    assert_eq!(said.exit, 0);
    assert!(said.stdout.starts_with(b"no device: "), "{}", String::from_utf8_lossy(&said.stdout));
}

#[test]
fn devices_are_shown_with_their_proof() {
    let home = with_unproven_drivers();
    let first = answered(&home);
    let devices = first["devices"].as_array().unwrap();
    let names: Vec<&str> = devices.iter().map(|device| device["name"].as_str().unwrap()).collect();
    assert!(names.iter().any(|name| name.contains("llvmpipe")), "{names:?}");
    assert!(names.iter().any(|name| name.contains("SwiftShader")), "{names:?}");
    for device in devices {
        assert_eq!(device["proof"]["step"], "emulated", "{device}");
        assert!(device["speed"]["million_steps"].as_u64() > Some(0), "{device}");
    }
    assert_eq!(first["absent"], Value::Null);

    // Verdicts are kept, and so are the speeds beside them, which no second proof would measure alike.
    let (_, second) = home.json(["devices"]);
    assert_eq!(second, first);
    assert_eq!(fs::read_dir(home.path().join("devices")).unwrap().count(), 2);

    let words = String::from_utf8(home.run(["devices"]).stdout).unwrap();
    assert!(words.contains("passed; fused step: emulated"), "{words}");
    assert!(words.contains("not triples with fma: "), "{words}");
}

#[test]
fn a_device_that_is_named_and_not_there_is_no_host() {
    for (home, words) in [
        (Home::new().with("VK_DRIVER_FILES", "/of/no/driver.json"), "this machine has no device \"geforce\": "),
        (with_drivers(), "this machine has no device \"geforce\": it has "),
    ] {
        let (exit, answer) =
            home.json(["host", "--listen", "/ip4/127.0.0.1/tcp/0", "--no-mdns", "--device", "geforce"]);
        assert_eq!(answer["error"]["kind"], "config", "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().starts_with(words), "{answer}");
        assert!(exit != 0 && answer["error"]["hint"].as_str().unwrap().contains("poai devices"), "{answer}");
    }
}

#[test]
fn a_run_names_a_device_of_this_machine() {
    let home = Home::new().with("VK_DRIVER_FILES", "/of/no/driver.json");
    build(&home, "hello");
    let path = task("hello");
    let run = |more: &[&str]| {
        let (exit, answer) = home.json([&["run", path.to_str().unwrap(), "--no-cache"], more].concat());
        (exit, answer["error"]["kind"].clone(), answer["error"].to_string())
    };
    let (_, kind, words) = run(&["--device", "geforce"]);
    assert_eq!(kind, "config", "{words}");
    assert!(["no device", "geforce", "poai devices"].iter().all(|part| words.contains(part)), "{words}");
    let (_, kind, words) = run(&["--device", "vulkan:3"]);
    assert!(kind == "not-found" && words.contains("no Vulkan device 3"), "{words}");
    let (exit, _, words) = run(&["--device", "auto", "--on", "network"]);
    assert!(exit == 2 && words.contains("the run is another's"), "{words}");
    assert_eq!(run(&["--device", "auto"]).0, 0, "what finds no GPU leaves the processor alone");
    let _daemon = home.daemon::<&str>([]);
    let (exit, _, words) = run(&["--device", "cpu"]);
    assert!(exit == 2 && words.contains("this home's daemon") && words.contains("poai host --device"), "{words}");
}

#[test]
fn a_hosts_offer_names_its_device_and_asks_for_it() {
    let (one, other) = (with_drivers(), Home::new());
    let one = one.with("POAI_HOST_PRICE", "5").with("POAI_HOST_DEVICE_PRICE", "37");
    let host = one.daemon(["--accept", "any", "--device", "SwiftShader"]);
    let _other = other.daemon(["--peer", &host.address()]);
    let offers = || other.json(["status"]).1["offers"].as_array().unwrap().clone();
    wait_until(|| offers().iter().any(|offer| offer["peer"] == host.peer()));
    for offer in offers().iter().filter(|offer| offer["peer"] == host.peer()) {
        let devices = offer["devices"].as_array().unwrap();
        assert!(devices.len() == 1 && devices[0].as_str().unwrap().contains("SwiftShader"), "{offer}");
        assert_eq!(offer["price"], 42, "{offer}");
    }
}

/// What `tasks/claims.json` pins of a task, however it is computed. Pip brings the models.
#[test]
fn models_come_to_their_pinned_claims_on_every_device() {
    let pins: Value = serde_json::from_slice(&fs::read(task("claims.json")).unwrap()).unwrap();
    let input = |name: &str, file: &str| vec!["--input".to_owned(), format!("{name}={}", task(file).display())];
    let cases = [
        ("filetype", input("file", "ocr/data/page.png")),
        ("vad", input("audio", "vad/data/speech.wav")),
        ("embed", input("sentences", "embed/data/sentences.txt")),
        ("chat", CHAT.map(String::from).to_vec()),
        ("ocr", input("image", "ocr/data/page.png")),
    ];
    for device in ["SwiftShader", "llvmpipe"] {
        let home = with_drivers().with("POAI_NUMERICS_DEVICE", device).with("POAI_NUMERICS_DEVICE_FROM", "0");
        // A page, or an answer, takes SwiftShader minutes: it computes the same models of small inputs below.
        let takes_long = |name: &str| device == "SwiftShader" && ["ocr", "chat"].contains(&name);
        for (name, arguments) in cases.iter().filter(|(name, _)| !takes_long(name)) {
            build(&home, name);
            let mut command = home.command(["--json", "run", task(name).to_str().unwrap(), "--no-cache"]);
            command.args(arguments);
            // Lavapipe takes its time to compile.
            let ended = finish_within(2 * PATIENCE, command, home.scratch(), || {});
            let ran = ended.json();
            assert_eq!((ended.exit, &ran["claim"]), (0, &pins[*name]["claim"]), "{name} on {device}: {ran}");
            assert!(ran["telemetry"]["device"].as_str().unwrap().contains(device), "{ran}");
        }
    }
}

/// The two models of `tasks/ocr`, of a small image.
#[test]
fn ocrs_models_have_the_same_bits_on_every_device() {
    let home = with_drivers().with("POAI_NUMERICS_DEVICE_FROM", "0");
    let pixels: Vec<f32> = (0..3 * 64 * 64).map(|at| ((at * at) % 251) as f32 / 125.0 - 1.0).collect();
    let image = home.file("image.npy", &npy("<f4", "(1, 3, 64, 64)", &floats(&pixels)));
    expect_the_same_of_models(&home, "ocr", &[format!("x={}", image.display())]);
}

/// The model of `tasks/chat`, of three tokens and nothing before them.
#[test]
fn chats_model_has_the_same_bits_on_every_device() {
    let home = with_drivers().with("POAI_NUMERICS_DEVICE_FROM", "0");
    let integers = |values: &[i64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let tokens = home.file("tokens.npy", &npy("<i8", "(1, 3)", &integers(&[1, 4093, 198])));
    let position = home.file("position.npy", &npy("<i8", "(1,)", &integers(&[0])));
    let nothing = home.file("nothing.npy", &npy("<f4", "(1, 3, 0, 64)", &[]));
    let mut inputs = vec![format!("tokens={}", tokens.display()), format!("position={}", position.display())];
    for layer in 0..30 {
        inputs.extend(["key", "value"].map(|kind| format!("past_{kind}.{layer}={}", nothing.display())));
    }
    expect_the_same_of_models(&home, "chat", &inputs);
}

/// Whatever a task's models make of inputs, the processor and both devices make.
fn expect_the_same_of_models(home: &Home, name: &str, inputs: &[String]) {
    build(home, name);
    let models = fs::read_dir(task(name).join("target/models")).unwrap().map(|entry| entry.unwrap().path());
    for model in models.collect::<Vec<_>>() {
        let computed = |device: &str| {
            let mut command = home.command(["--json", "model", "run", model.to_str().unwrap(), "--device", device]);
            command
                .args(inputs.iter().flat_map(|input| ["--input", input]))
                .arg("--output")
                .arg(home.scratch().join("out"));
            let ended = finish_within(2 * PATIENCE, command, home.scratch(), || {});
            let answer = ended.json();
            assert_eq!(ended.exit, 0, "{answer}");
            let digests = answer["outputs"].as_object().unwrap().values().map(|output| output["sha256"].clone());
            (digests.collect::<Vec<_>>(), answer["fuel"].clone())
        };
        let expected = computed("cpu");
        assert!(!expected.0.is_empty());
        for device in ["vulkan:0", "vulkan:1"] {
            assert_eq!(computed(device), expected, "{} on {device}", model.display());
        }
    }
}

/// Their kernels run on the device, as the run's log says. One that is out of fuel there ends as on the processor, and the
/// device serves on.
#[test]
fn tasks_own_kernels_come_to_their_pinned_claims_on_every_device() {
    let pins: Value = serde_json::from_slice(&fs::read(task("claims.json")).unwrap()).unwrap();
    let mut out_of_fuel = Vec::new();
    for device in ["cpu", "SwiftShader", "llvmpipe"] {
        let home = with_drivers();
        let run = |name: &str, arguments: &[&str]| {
            build(&home, name);
            let mut command =
                home.command(["--json", "run", task(name).to_str().unwrap(), "--no-cache", "--seed", "1"]);
            command.args(["--device", device]).args(arguments);
            finish_within(2 * PATIENCE, command, home.scratch(), || {})
        };
        // Before the last dispatch ends.
        let fuel = (pins["nbody"]["fuel"].as_u64().unwrap() * 9 / 10).to_string();
        let ended = run("nbody", &["--fuel", &fuel]).json();
        assert_eq!(ended["fuel"].to_string(), fuel, "{ended}");
        out_of_fuel.push(ended["claim"].clone());
        if device == "cpu" {
            continue;
        }
        for (name, entry_point, arguments) in
            [("nbody", "step_forward", &[][..]), ("matmul", "multiply", &["--param", "rows=70"])]
        {
            let ended = run(name, arguments);
            let ran = ended.json();
            assert_eq!((ended.exit, &ran["claim"]), (0, &pins[name]["claim"]), "{name} on {device}: {ran}");
            assert!(ran["telemetry"]["device"].as_str().unwrap().contains(device), "{ran}");
            let said = ended
                .stderr
                .lines()
                .any(|line| line.contains(&format!("kernel {entry_point} runs on ")) && line.contains(device));
            assert!(said, "{name} on {device}: {}", ended.stderr);
        }
    }
    assert!(out_of_fuel[0].is_string() && out_of_fuel.iter().all(|claim| *claim == out_of_fuel[0]), "{out_of_fuel:?}");
}

/// On every driver; one that is missing fails here.
#[test]
fn a_task_computed_on_a_device_is_verified_on_the_processor() {
    let home = with_drivers();
    build(&home, "nn-check");
    let mut command = home.command(["--json", "demo", "--gpu", "--tasks"]);
    command.arg(tasks()).env("TMPDIR", home.scratch());
    let ended = finish_within(3 * PATIENCE, command, home.scratch(), || {});
    let report = ended.json();
    assert_eq!(ended.exit, 0, "{report}\n{}", ended.stderr);
    let rows = report["devices"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["device"].as_str().unwrap()).collect();
    for driver in ["llvmpipe", "SwiftShader"] {
        assert!(names.iter().any(|name| name.contains(driver)), "{names:?}\n{}", ended.stderr);
    }
    for row in rows {
        assert_eq!((&row["verifier_kernels"], &row["replay"]["verdict"]), (&json!("scalar"), &json!("same")), "{row}");
        assert_eq!(row["replay"]["found"], row["run"]["claim"], "{row}");
        // All devices come to one claim, and receipts name who computed.
        assert_eq!(row["run"]["claim"], rows[0]["run"]["claim"], "{row}");
        let computed = row["run"]["telemetry"]["device"].as_str().unwrap();
        assert!(computed.starts_with(row["device"].as_str().unwrap()), "{row}");
    }
}
