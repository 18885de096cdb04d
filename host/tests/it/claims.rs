//! The same run gives the same claim: pinned, in whatever surroundings, however often.
//!
//! `POAI_RENEW_CLAIMS=1 cargo test -p poai --test it claims` writes the pins anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::{Home, finish};
use crate::programs::task;

const RENEW: &str = "POAI_RENEW_CLAIMS";
/// How often the smallest run is repeated in one daemon.
const REPETITIONS: usize = 100;

/// What is said to the language model; with a temperature, so that the draw is pinned, too.
pub(crate) const CHAT: [&str; 8] = [
    "--param",
    "prompt=Name three primary colors.",
    "--param",
    "max_tokens=16",
    "--param",
    "temperature=0.7",
    "--seed",
    "1",
];

const SEEDED: [&str; 2] = ["--seed", "1"];

/// One pinned run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pin {
    run: String,
    claim: String,
    fuel: u64,
}

type Pins = BTreeMap<String, Pin>;

fn pins_file() -> PathBuf {
    task("claims.json")
}

/// What is executed for a pin. An input is a file, or an output of an earlier one.
struct Case {
    name: &'static str,
    target: PathBuf,
    arguments: Vec<String>,
    /// The earlier case whose output `weights` is an input.
    weights_of: Option<&'static str>,
}

fn cases(folder: &Path) -> Vec<Case> {
    let text = folder.join("text");
    std::fs::write(&text, "the quick brown fox jumps over the lazy dog\nthe end\n").unwrap();
    let case = |name, target: PathBuf, arguments: &[String], weights_of| Case {
        name,
        target,
        arguments: arguments.to_vec(),
        weights_of,
    };
    let input = |name: &str, file: &Path| [String::from("--input"), format!("{name}={}", file.display())];
    let data = |name: &str, file: &str| input(name, &task("digits").join("data").join(file));
    let train =
        [&[String::from("--seed"), "1".into()][..], &data("images", "train-images"), &data("labels", "train-labels")]
            .concat();
    let classify = [
        &[String::from("--param"), "mode=classify".into()][..],
        &data("images", "test-images"),
        &data("labels", "test-labels"),
    ]
    .concat();
    vec![
        case("hello", task("hello"), &["--param".into(), "name=Ada".into()], None),
        case("wordfreq", task("wordfreq"), &input("corpus", &text), None),
        case("wc", c_program(), &[&input("text", &text)[..], &["--".into(), "/in/text".into()]].concat(), None),
        case("nn-check", task("nn-check"), &[], None),
        // By kernels of their own.
        case("nbody", task("nbody"), &SEEDED.map(String::from), None),
        case(
            "matmul",
            task("matmul"),
            &[&SEEDED.map(String::from)[..], &["--param".into(), "rows=70".into()]].concat(),
            None,
        ),
        case("digits-train-1", task("digits"), &train, None),
        case("digits-train-2", task("digits"), &train, Some("digits-train-1")),
        case("digits-train-3", task("digits"), &train, Some("digits-train-2")),
        case("digits-classify", task("digits"), &classify, Some("digits-train-3")),
        // What pip brings the models of.
        case("filetype", task("filetype"), &input("file", &task("ocr/data/page.png")), None),
        case("vad", task("vad"), &input("audio", &task("vad/data/speech.wav")), None),
        case("ocr", task("ocr"), &input("image", &task("ocr/data/page.png")), None),
        case("embed", task("embed"), &input("sentences", &task("embed/data/sentences.txt")), None),
        case("chat", task("chat"), &CHAT.map(String::from), None),
    ]
}

/// The C program of tasks/plain, built once by its own script.
fn c_program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let output = Command::new(task("plain").join("build.sh")).arg("c").output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().into()
        })
        .clone()
}

/// Executes every case in a home, and gives what they came to.
fn execute(home: &Home, surroundings: impl Fn(&mut Command)) -> Pins {
    let mut pins = Pins::new();
    let mut weights = BTreeMap::new();
    for case in cases(home.scratch()) {
        let mut arguments =
            vec!["--json".to_owned(), "run".into(), case.target.display().to_string(), "--no-cache".into()];
        if let Some(earlier) = case.weights_of {
            arguments.extend(["--input".to_owned(), format!("weights={}", weights[earlier])]);
        }
        arguments.extend(case.arguments);
        let mut command = home.command(arguments);
        surroundings(&mut command);
        let ended = finish(command, home.scratch());
        let ran = ended.json();
        assert_eq!((ended.exit, &ran["cached"]), (0, &Value::Bool(false)), "{}: {ran}", case.name);
        if let Some(cid) = ran["outputs"]["weights"]["cid"].as_str() {
            weights.insert(case.name, cid.to_owned());
        }
        pins.insert(case.name.to_owned(), pin_of(&ran));
    }
    pins
}

fn pin_of(ran: &Value) -> Pin {
    let text = |field: &str| ran[field].as_str().unwrap().to_owned();
    Pin { run: text("run"), claim: text("claim"), fuel: ran["fuel"].as_u64().unwrap() }
}

/// Compares with the pins, unless they are being renewed.
fn assert_pinned(found: &Pins) {
    if std::env::var_os(RENEW).is_some() {
        return;
    }
    let file = pins_file();
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; {RENEW}=1 makes it", file.display()));
    let pinned: Pins = serde_json::from_str(&text).unwrap();
    let differing: Vec<_> = found.iter().filter(|(name, pin)| pinned.get(*name) != Some(*pin)).collect();
    assert!(
        differing.is_empty(),
        "if this is meant, raise the engine's version and renew the pins with {RENEW}=1: {differing:#?}"
    );
}

#[test]
fn claims_are_the_pinned_ones() {
    let found = execute(&Home::new(), |_| {});
    if std::env::var_os(RENEW).is_some() {
        let text = serde_json::to_string_pretty(&found).unwrap();
        return std::fs::write(pins_file(), format!("{text}\n")).unwrap();
    }
    assert_pinned(&found);
}

#[test]
fn surroundings_change_nothing() {
    let elsewhere = Home::new();
    let found = execute(&elsewhere, |command| {
        command
            .env("TZ", "Pacific/Chatham")
            .env("LANG", "tr_TR.UTF-8")
            .env("LC_ALL", "ar_EG.UTF-8")
            .env("RUST_LOG", "trace")
            .env("name", "Eve")
            .current_dir("/");
    });
    assert_pinned(&found);
}

#[test]
fn code_that_was_not_optimised_does_the_same() {
    let quick = Home::new().with("POAI_HOST_OPTIMISE", "false");
    assert_pinned(&execute(&quick, |_| {}));
}

#[test]
fn models_computed_in_software_come_to_the_same() {
    let home = Home::new().with("POAI_NUMERICS_KERNELS", "scalar").with("POAI_NUMERICS_THREADS", "3");
    for case in cases(home.scratch()).into_iter().filter(|case| ["nn-check", "chat"].contains(&case.name)) {
        let (exit, ran) = home
            .json(["run", case.target.to_str().unwrap()].into_iter().chain(case.arguments.iter().map(String::as_str)));
        assert_eq!(exit, 0, "{ran}");
        assert_pinned(&Pins::from([(case.name.to_owned(), pin_of(&ran))]));
    }
}

#[test]
fn a_hundred_times_the_same() {
    let home = Home::new();
    let _daemon = home.daemon([] as [&str; 0]);
    let (exit, published) = home.json(["publish".as_ref(), task("hello").as_os_str()]);
    assert_eq!(exit, 0, "{published}");
    let package = published["package"].as_str().unwrap();
    let arguments = ["run", package, "--param", "name=Ada", "--no-cache"];
    let first = pin_of(&home.json(arguments).1);
    for repetition in 1..REPETITIONS {
        assert_eq!(pin_of(&home.json(arguments).1), first, "repetition {repetition}");
    }
    assert_pinned(&Pins::from([("hello".to_owned(), first)]));
}
