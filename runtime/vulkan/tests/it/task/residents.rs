use poai_compute::{Binding, DispatchError, Resident};

use super::{BUDGET, Buffers, bound, kernel, ready, tasks};
use crate::drivers;

const SUMS: &str = "
    @group(0) @binding(0) var<storage, read> given: array<u32>;
    @group(0) @binding(1) var<storage, read_write> sums: array<u32>;
    @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) { sums[id.x] += given[id.x]; }";

/// What was not forgotten is not brought again, not even where the host has other words by now.
#[test]
fn buffers_stay_on_the_device_until_they_are_forgotten() {
    drivers::on_each("task::residents::buffers_stay_on_the_device_until_they_are_forgotten", |_, device| {
        let tasks = tasks(device);
        let kernel = kernel(SUMS, "main");
        let ready = ready(&tasks, "sums", &kernel);
        let residents = [Resident::default(), Resident::default()];
        let mut buffers: Buffers = vec![(vec![1, 2, 3, 4], None), (vec![10; 4], Some(1))];
        let dispatch = |buffers: &mut Buffers, mut budget: u64| {
            ready.dispatch(&kernel, &mut bound(buffers), &residents, [1; 3], &mut budget).unwrap().unwrap()
        };
        for expected in [[11, 12, 13, 14], [12, 14, 16, 18]] {
            assert_eq!(dispatch(&mut buffers, BUDGET), Ok(()));
            assert_eq!(buffers[1].0, expected);
            assert!(residents.iter().all(Resident::is_kept));
        }
        buffers[0].0 = vec![100; 4];
        buffers[1].0 = vec![0; 4];
        assert_eq!(dispatch(&mut buffers, BUDGET), Ok(()));
        assert_eq!(buffers[1].0, [13, 16, 19, 22], "of the words that are there");
        residents.iter().for_each(Resident::forget);
        assert_eq!(dispatch(&mut buffers, BUDGET), Ok(()));
        assert_eq!(buffers[1].0, [113, 116, 119, 122], "of the words that are here");
        // Nobody knows what half a dispatch has left.
        assert_eq!(dispatch(&mut buffers, 100), Err(DispatchError::OutOfFuel));
        assert_eq!(residents.each_ref().map(Resident::is_kept), [true, false]);
    });
}

/// A result is the next dispatch's operand, and whoever reads it in between reads what the executor gives.
#[test]
fn results_are_operands() {
    drivers::on_each("task::residents::results_are_operands", |_, device| {
        let tasks = tasks(device);
        let kernel = kernel(SUMS, "main");
        let ready = ready(&tasks, "sums", &kernel);
        let (mut a, mut b) = ((vec![1; 4], Resident::default()), (vec![1; 4], Resident::default()));
        // Fibonacci's numbers.
        for expected in [2, 3, 5, 8, 13, 21] {
            let mut bindings = [Binding::Read(&a.0), Binding::ReadWrite { words: &mut b.0, stride: 1 }];
            let residents = [a.1.clone(), b.1.clone()];
            let done = ready.dispatch(&kernel, &mut bindings, &residents, [1; 3], &mut BUDGET.clone());
            assert_eq!((done, &b.0), (Ok(Some(Ok(()))), &vec![expected; 4]));
            std::mem::swap(&mut a, &mut b);
        }
    });
}
