use std::fs;
use std::os::unix::fs::MetadataExt;

use poai_vulkan::device::{Compute, Pipelines, list};
use poai_vulkan::graph::{AcceleratorError, open, remember};
use poai_vulkan::kernels::Step;
use poai_vulkan::proof::Verdict;
use poai_vulkan::spirv::{FloatControls, Shader};

use crate::drivers;

const INCREMENT: &str = "
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(1) fn main() { data[0] += 1u; }";

#[test]
fn a_device_begins_with_what_its_driver_made_before_and_with_nothing_else() {
    drivers::on_each(
        "remembered::a_device_begins_with_what_its_driver_made_before_and_with_nothing_else",
        |_, device| {
            let folder = tempfile::tempdir().unwrap();
            let description = device.description().clone();
            let shader = Shader::new(INCREMENT, FloatControls::default()).unwrap();
            assert_eq!(device.pipelines(), Ok(None));
            let mut device = device.remembering(None).unwrap();
            device.kernel(&shader).unwrap();
            let made = device.pipelines().unwrap().unwrap();
            let read = |shaders| Pipelines::read(folder.path(), &description, [shaders; 32]);
            assert_eq!(read(1), None);
            made.keep(folder.path(), &description, [1; 32]).unwrap();
            assert_eq!(read(1), Some(made.clone()));
            // Other shaders, and another driver.
            assert_eq!(read(2), None);
            let mut younger = description.clone();
            younger.driver.info.push_str(" of another day");
            assert_eq!(Pipelines::read(folder.path(), &younger, [1; 32]), None);

            let file = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
            let whole = fs::read(&file).unwrap();
            let mut flipped = whole.clone();
            *flipped.last_mut().unwrap() ^= 1;
            for damaged in [&whole[..whole.len() - 1], &whole[..31], b"", &flipped, &[&whole[..], b"\0"].concat()] {
                fs::write(&file, damaged).unwrap();
                assert_eq!(read(1), None);
            }
            fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
            assert_eq!(read(1), None);

            for before in [None, Some(made)] {
                device = device.remembering(before).unwrap();
                let (kernel, data) = (device.kernel(&shader).unwrap(), device.filled(&[6]).unwrap());
                device.run(&kernel, &[&data], [1, 1, 1]).unwrap();
                assert_eq!(device.read(&data), Ok(vec![7]));
            }
        },
    );
}

#[test]
fn kernels_are_remembered_by_a_proving_process_and_opened_by_others() {
    drivers::on_each("remembered::kernels_are_remembered_by_a_proving_process_and_opened_by_others", |_, _| {
        let folder = tempfile::tempdir().unwrap();
        let verdict = Verdict { step: Some(Step::Emulated), failures: Vec::new(), undecorated: Vec::new() };
        let candidate = list().unwrap().remove(0);
        let kept = || {
            let file = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
            (fs::metadata(&file).unwrap().ino(), fs::read(&file).unwrap())
        };
        let unproven = Verdict { step: None, ..verdict.clone() };
        assert_eq!(remember(&candidate, &unproven, folder.path()), Err(AcceleratorError::Unproven));
        remember(&candidate, &verdict, folder.path()).unwrap();
        let made = kept();
        // What is good is left alone.
        remember(&candidate, &verdict, folder.path()).unwrap();
        assert_eq!(kept(), made);
        let accelerator = open(&candidate, &verdict, 0, Some(folder.path())).unwrap();
        assert!(accelerator.device().pipelines().unwrap().is_some());
        assert_eq!(kept(), made);
    });
}
