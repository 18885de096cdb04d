//! Lavapipe and SwiftShader, as `scripts/drivers.sh` brings them.

use std::collections::HashMap;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::{env, str};

use poai_vulkan::device::{VulkanDevice, list};

/// Names the driver in a child of the test process.
const DRIVER: &str = "POAI_TEST_VULKAN_DRIVER";

/// Ids of validation messages that are let pass, each with its reason.
const NAMED: [(&str, &str); 1] = [(
    "VUID-StandaloneSpirv-None-10684",
    "naga gives arrays of workgroup memory a stride, which the layer has come to object to and no driver looks at",
)];

/// Runs the test `name`, which is the caller, on both drivers: a loader reads its environment once, and a driver that
/// crashes must not take the other tests with it, so each runs in a process of its own.
pub(crate) fn on_each(name: &str, test: impl FnOnce(&str, VulkanDevice)) {
    if let Ok(driver) = env::var(DRIVER) {
        let candidates = list().expect("the driver starts");
        assert_eq!(candidates.len(), 1, "{driver}: {candidates:?}");
        let device = VulkanDevice::open(&candidates[0]).expect("the device opens");
        return test(&driver, device);
    }
    let children: Vec<_> = drivers().into_iter().map(|driver| (driver.0, spawn(name, driver))).collect();
    for (driver, child) in children {
        let output = child.wait_with_output().expect("the child was started");
        assert_passed(name, driver, &output);
    }
}

fn spawn(name: &str, (driver, file): (&str, &str)) -> Child {
    let program = env::current_exe().expect("a test knows its program");
    let mut command = Command::new(program);
    command.env(DRIVER, driver).env("VK_DRIVER_FILES", file).env("VK_LOADER_LAYERS_DISABLE", "~implicit~");
    command.env("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation");
    for name in ["VK_LAYER_PATH", "LD_LIBRARY_PATH"] {
        command.env(name, &environment()[name]);
    }
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("this program starts")
}

fn assert_passed(name: &str, driver: &str, output: &Output) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    assert!(output.status.success(), "{name} on {driver}: {}\n{text}", output.status);
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
