//! Bodies that attract each other, step by step, by a kernel of the task's own.

use poai_task::compute::{Binding, Buffer, Kernel};
use poai_task::{Output, Rng};

/// The kernel.
const SOURCE: &str = include_str!("nbody.wgsl");
/// Bodies of one workgroup.
const TILE: u32 = 64;
/// Numbers of a body in a buffer: x, y, z, and mass or nothing.
const NUMBERS: usize = 4;
/// Bytes of a body in a buffer.
const BODY_BYTES: u32 = 16;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    tiles: u32,
    steps: u32,
}

/// Lets bodies at random places, at rest, attract each other. Writes where they are then to the output `places`: four
/// numbers a body (x, y, z, mass), f32, little-endian.
#[poai_task::main]
fn nbody(params: Params) -> poai_task::Result<()> {
    let bodies = (params.tiles * TILE) as usize;
    let kernel = Kernel::new(SOURCE, "step_forward")?;
    let mut places = Buffer::of(&beginning(bodies))?;
    let mut next_places = Buffer::zeros(bodies * BODY_BYTES as usize)?;
    let velocities = Buffer::zeros(bodies * BODY_BYTES as usize)?;
    for step in 0..params.steps {
        poai_task::progress(step.into(), u64::from(params.steps), "steps");
        let bindings = [
            Binding::read(&places),
            Binding::read_write(&next_places, BODY_BYTES),
            Binding::read_write(&velocities, BODY_BYTES),
        ];
        kernel.dispatch(&bindings, [params.tiles, 1, 1])?;
        std::mem::swap(&mut places, &mut next_places);
    }
    let places: Vec<f32> = places.values()?;
    let bytes: Vec<u8> = places.iter().flat_map(|number| number.to_le_bytes()).collect();
    Output::write_whole("places", &bytes)?;
    Ok(())
}

/// Bodies in a cube around the middle, whose masses add up to about one.
fn beginning(bodies: usize) -> Vec<f32> {
    let mut random = Rng::new(poai_task::seed());
    let mut numbers = Vec::with_capacity(bodies * NUMBERS);
    for _ in 0..bodies {
        let place = [(); 3].map(|()| random.unit_f32() - 0.5);
        numbers.extend(place);
        numbers.push(2.0 * random.unit_f32() / bodies as f32);
    }
    numbers
}
