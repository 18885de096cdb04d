use std::fs;

use poai_vulkan::device::{Compute, DeviceError};
use poai_vulkan::kernels::Step;
use poai_vulkan::proof::{Verdict, cached, measure, prove};

use crate::drivers;

#[test]
fn drivers_pass_with_the_step_that_is_exact_on_them() {
    drivers::on_each("proof::drivers_pass_with_the_step_that_is_exact_on_them", |driver, device| {
        let verdict = prove(&device).unwrap();
        let step = verdict.step.unwrap_or_else(|| panic!("{driver}: {:#?}", verdict.failures));
        let speed = measure(&device, step).unwrap();
        println!("{driver}: {verdict:#?}, {speed:?}");
        assert!(speed.million_steps > 0);
        // Without marks neither gives the right bits: Mesa reorders sums, SwiftShader gathers constants.
        let liberties: &[&str] = match driver {
            "lavapipe" => &[
                "reassociation",
                "literals",
                "triples",
                "chains",
                "matrices",
                "products",
                "patches",
                "thin-products",
                "thin-patches",
                "programs",
                "functions",
                "rows",
                "reductions",
                "blocks",
            ],
            "swiftshader" => &["literals", "functions"],
            // Nobody knows beforehand what another takes.
            _ => return,
        };
        assert_eq!(verdict.undecorated, liberties, "{driver}");
        // GLSL's fma rounds twice on both, and the first check of a step sees it.
        let rejected: Vec<_> = verdict.failures.iter().map(|failure| (failure.check.as_str(), failure.step)).collect();
        assert_eq!((step, &rejected[..]), (Step::Emulated, &[("triples", Some(Step::Fma))][..]), "{driver}");
    });
}

#[test]
fn a_verdict_is_kept_for_its_device_and_driver() {
    drivers::on_each("proof::a_verdict_is_kept_for_its_device_and_driver", |_, device| {
        let folder = tempfile::tempdir().unwrap();
        let description = device.description();
        let verdict = Verdict { step: Some(Step::Emulated), failures: Vec::new(), undecorated: vec!["x".to_owned()] };
        let never = || panic!("the verdict was kept");
        let made = || Ok((verdict.clone(), None));

        assert_eq!(cached(folder.path(), description, made).unwrap().0, verdict);
        assert_eq!(cached(folder.path(), description, never).unwrap().0, verdict);

        let mut younger = description.clone();
        younger.driver.info.push_str(" of another day");
        let lost = cached(folder.path(), &younger, || Err(DeviceError::Lost));
        assert_eq!(lost.unwrap_err().to_string(), "the device was lost");

        let file = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        for damage in [&b"{"[..], b"\xff\xfe", b"{\"version\":4}", b""] {
            fs::write(&file, damage).unwrap();
            assert_eq!(cached(folder.path(), description, made).unwrap().0, verdict);
            assert_eq!(cached(folder.path(), description, never).unwrap().0, verdict);
        }
    });
}
