//! Lavapipe and SwiftShader, as `scripts/drivers.sh` brings them.

use std::collections::HashMap;
use std::fs::File;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs, str, thread};

use poai_vulkan::device::{VulkanDevice, list};
use tempfile::TempDir;

/// Names the driver in a child of the test process.
const DRIVER: &str = "POAI_TEST_VULKAN_DRIVER";

/// What a child prints, in a folder of its own.
const PRINTED: &str = "printed";

/// Ids of validation messages that are let pass, each with its reason.
const NAMED: [(&str, &str); 1] = [(
    "VUID-StandaloneSpirv-None-10684",
    "naga gives arrays of workgroup memory a stride, which the layer has come to object to and no driver looks at",
)];

/// A driver that has not answered is asked again, as `poai devices` does at its next call: lavapipe is silent once in a
/// while on a machine under load. A wrong answer is never asked for twice.
const ATTEMPTS: usize = 3;

/// How long one test may take on one driver. It is longer than a device's own patience.
const PATIENCE: Duration = Duration::from_secs(150);

/// How often a child is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// Runs the test `name`, which is the caller, on both drivers: a loader reads its environment once, and a driver that
/// crashes must not take the other tests with it, so each runs in a process of its own.
pub(crate) fn on_each(name: &str, test: impl FnOnce(&str, VulkanDevice)) {
    if let Ok(driver) = env::var(DRIVER) {
        let candidates = list().expect("the driver starts");
        assert_eq!(candidates.len(), 1, "{driver}: {candidates:?}");
        let device = VulkanDevice::open(&candidates[0]).expect("the device opens");
        return test(&driver, device);
    }
    let tries: Vec<_> = drivers().into_iter().map(|driver| (driver, Try::begin(name, driver))).collect();
    for (driver, first) in tries {
        let mut ended = first.end();
        for _ in 1..ATTEMPTS {
            if ended.answered {
                break;
            }
            ended = Try::begin(name, driver).end();
        }
        assert_passed(name, driver.0, &ended);
    }
}

/// A test that runs on a driver in a process of its own.
struct Try {
    child: Child,
    /// Of what it prints.
    folder: TempDir,
    begun: Instant,
}

/// What came of it.
struct Ended {
    passed: bool,
    /// Whether the driver answered at all.
    answered: bool,
    text: String,
}

impl Try {
    fn begin(name: &str, (driver, file): (&str, &str)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let printed = File::create(folder.path().join(PRINTED)).expect("a file");
        let program = env::current_exe().expect("a test knows its program");
        let mut command = Command::new(program);
        command.env(DRIVER, driver).env("VK_DRIVER_FILES", file).env("VK_LOADER_LAYERS_DISABLE", "~implicit~");
        command.env("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation");
        for name in ["VK_LAYER_PATH", "LD_LIBRARY_PATH"] {
            command.env(name, &environment()[name]);
        }
        command.args([name, "--exact", "--nocapture", "--test-threads=1"]);
        command.stdout(printed.try_clone().expect("a file")).stderr(printed);
        Self { child: command.spawn().expect("this program starts"), folder, begun: Instant::now() }
    }

    fn end(mut self) -> Ended {
        let status = loop {
            match self.child.try_wait().expect("the child was started") {
                None if self.begun.elapsed() < PATIENCE => thread::sleep(INTERVAL),
                status => break status,
            }
        };
        if status.is_none() {
            self.child.kill().expect("the child was started");
            self.child.wait().expect("the child was started");
        }
        let text = fs::read(self.folder.path().join(PRINTED)).expect("the child's file");
        let text = String::from_utf8_lossy(&text).into_owned();
        let passed = status.is_some_and(|status| status.success());
        Ended { passed, answered: status.is_some() && (passed || !text.contains("TimedOut")), text }
    }
}

fn assert_passed(name: &str, driver: &str, ended: &Ended) {
    let text = &ended.text;
    assert!(ended.answered, "{name} on {driver}: no answer, {ATTEMPTS} times\n{text}");
    assert!(ended.passed, "{name} on {driver}:\n{text}");
    assert!(text.contains("1 passed"), "{name} is no test of this program:\n{text}");
    let message = text.lines().find(|line| line.contains("VUID-") && !NAMED.iter().any(|(id, _)| line.contains(id)));
    assert_eq!(message, None, "{name} on {driver}: the validation layer objects:\n{text}");
}

/// Each driver's name and file.
fn drivers() -> Vec<(&'static str, &'static str)> {
    let files: Vec<_> = environment()["VK_DRIVER_FILES"].split(':').collect();
    let [lavapipe, swiftshader] = files[..] else { panic!("two drivers are wanted, not {files:?}") };
    vec![("lavapipe", lavapipe), ("swiftshader", swiftshader)]
}

/// What the script prints: once a process, and under the script's own lock.
fn environment() -> &'static HashMap<String, String> {
    static ENVIRONMENT: OnceLock<HashMap<String, String>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/drivers.sh");
        let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/../vulkan-drivers");
        let output = Command::new(script).arg(folder).output().expect("the script starts");
        assert!(output.status.success(), "no drivers: {}", String::from_utf8_lossy(&output.stderr));
        let lines = str::from_utf8(&output.stdout).expect("it prints text").lines();
        lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    })
}
