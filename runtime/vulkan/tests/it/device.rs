use std::thread;
use std::time::Duration;

use poai_vulkan::device::{Compute, DeviceError, Kind};
use poai_vulkan::spirv::{FloatControls, Shader};

use crate::drivers;

const DOUBLE: &str = "
@group(0) @binding(0) var<storage, read> given: array<u32>;
@group(0) @binding(1) var<storage, read_write> found: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&found) { found[id.x] = given[id.x] * 2u + found[id.x]; }
}";

const FUSED: &str = "
@group(0) @binding(0) var<storage, read_write> data: array<f32>;
@compute @workgroup_size(1) fn main() { data[0] = fma(data[0], data[1], data[2]); }";

#[test]
fn buffers_are_zeroed_written_and_read() {
    drivers::on_each("device::buffers_are_zeroed_written_and_read", |_, device| {
        let words: Vec<u32> = (0..1000).collect();
        // Memory that another buffer has left behind is zeros all the same.
        for _ in 0..3 {
            let buffer = device.buffer(1000).unwrap();
            assert_eq!(device.read(&buffer).unwrap(), vec![0; 1000]);
            device.write(&buffer, &words[..7]).unwrap();
            assert_eq!(device.read(&buffer).unwrap()[..9], [0, 1, 2, 3, 4, 5, 6, 0, 0]);
            device.write(&buffer, &words).unwrap();
        }
        let nothing = device.buffer(0).unwrap();
        device.write(&nothing, &[]).unwrap();
        assert_eq!(device.read(&nothing).unwrap(), Vec::<u32>::new());
        assert_eq!(device.write(&nothing, &[1]), Err(DeviceError::TooLarge { words: 1, limit: 0 }));
        assert!(matches!(device.buffer(usize::MAX), Err(DeviceError::TooLarge { words: usize::MAX, .. })));
    });
}

#[test]
fn what_waits_is_done_in_order() {
    drivers::on_each("device::what_waits_is_done_in_order", |_, device| {
        let kernel = device.kernel(&Shader::new(DOUBLE, FloatControls::default()).unwrap()).unwrap();
        let mut found = device.buffer(100).unwrap();
        let mut expected = vec![0u32; 100];
        // More than one submission takes, each from a buffer that the next could be given.
        for turn in 0..150u32 {
            let words: Vec<u32> = (0..100).map(|i| i * turn).collect();
            let given = if turn % 3 == 0 { device.filled(&words).unwrap() } else { device.shown(&words).unwrap() };
            device.run_later(&kernel, &[&given, &found], [2, 1, 1], 1 << (turn % 30)).unwrap();
            expected.iter_mut().zip(words).for_each(|(sum, word)| *sum += 2 * word);
            if turn % 40 == 0 {
                found = device.copied(&found).unwrap();
            }
        }
        assert_eq!(device.read(&found).unwrap(), expected);
        let refused = device.run_later(&kernel, &[&found], [1, 1, 1], 0);
        assert!(matches!(refused, Err(DeviceError::Refused(_))), "{refused:?}");
        assert_eq!(device.read(&found).unwrap(), expected);
    });
}

#[test]
fn kernels_run_and_wrong_calls_are_refused() {
    drivers::on_each("device::kernels_run_and_wrong_calls_are_refused", |_, device| {
        let kernel = device.kernel(&Shader::new(DOUBLE, FloatControls::default()).unwrap()).unwrap();
        let [given, found] = [device.buffer(100).unwrap(), device.buffer(100).unwrap()];
        device.write(&given, &(0..100).collect::<Vec<_>>()).unwrap();
        for turn in 1..=3 {
            device.run(&kernel, &[&given, &found], [2, 1, 1]).unwrap();
            let expected: Vec<u32> = (0..100).map(|i| i * 2 * turn).collect();
            assert_eq!(device.read(&found).unwrap(), expected);
        }
        for (buffers, groups) in [
            (vec![&given], [1, 1, 1]),
            (vec![&given, &found, &found], [1, 1, 1]),
            (vec![&given, &found], [u32::MAX, 1, 1]),
        ] {
            let refusal = device.run(&kernel, &buffers, groups);
            assert!(matches!(refusal, Err(DeviceError::Refused(_))), "{} of {groups:?}: {refusal:?}", buffers.len());
        }
        // A driver that has no instruction for the fused step is given none.
        let fused = Shader::new(FUSED, FloatControls { fused: true, ..FloatControls::default() }).unwrap();
        let refusal = DeviceError::Refused("a shader that asks for what the device does not declare".to_owned());
        let expected = if device.description().features.fused { Ok(()) } else { Err(refusal) };
        assert_eq!(device.kernel(&fused).map(drop), expected);
        // It serves on.
        device.run(&kernel, &[&given, &found], [0, 1, 1]).unwrap();
        assert_eq!(device.read(&found).unwrap()[99], 99 * 2 * 3);
    });
}

#[test]
fn a_device_says_what_it_is() {
    drivers::on_each("device::a_device_says_what_it_is", |driver, device| {
        let description = device.description();
        let known = match driver {
            "lavapipe" => Some("llvmpipe"),
            "swiftshader" => Some("SwiftShader"),
            _ => None,
        };
        if let Some(name) = known {
            assert!(description.name.contains(name), "{description:?}");
            assert_eq!(description.kind, Kind::Processor);
        }
        assert_eq!(description.uuid.len(), 32);
        assert!(description.memory_bytes > 1 << 20, "{description:?}");
        let read_back: poai_vulkan::device::Description =
            serde_json::from_str(&serde_json::to_string(description).unwrap()).unwrap();
        assert_eq!(read_back, *description);
    });
}

#[test]
fn a_device_that_does_not_answer_is_given_up() {
    const SPIN: &str = "
    @group(0) @binding(0) var<storage, read_write> data: array<u32>;
    @compute @workgroup_size(1)
    fn main() {
        var x = data[0];
        for (var i = 0u; i < data[1]; i++) { x = x * 1664525u + data[2]; }
        data[0] = x;
    }";
    drivers::on_each("device::a_device_that_does_not_answer_is_given_up", |_, device| {
        let kernel = device.kernel(&Shader::new(SPIN, FloatControls::default()).unwrap()).unwrap();
        let data = device.buffer(3).unwrap();
        // Some tenths of a second.
        device.write(&data, &[1, 60_000_000, 1_013_904_223]).unwrap();
        let after = Duration::from_millis(10);
        let hasty = device.with_patience(after);
        assert_eq!(hasty.run(&kernel, &[&data], [1, 1, 1]), Err(DeviceError::TimedOut { after }));
        assert_eq!(hasty.run(&kernel, &[&data], [1, 1, 1]), Err(DeviceError::Lost));
        assert_eq!(hasty.read(&data), Err(DeviceError::Lost));
        // A driver whose process ends under a shader ends badly now and then, and nobody else knows of this one's end.
        thread::sleep(Duration::from_secs(3));
    });
}
