//! The product of two random matrices, by a kernel of the task's own.

use poai_task::compute::{Binding, Buffer, Kernel};
use poai_task::{Output, Rng};

/// The kernel.
const SOURCE: &str = include_str!("matmul.wgsl");
/// Rows and columns of a workgroup.
const SIDE: usize = 16;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    rows: usize,
    depth: usize,
    columns: usize,
}

/// Multiplies random matrices. Writes the product to the output `product`, row by row: f32, little-endian.
#[poai_task::main]
fn matmul(params: Params) -> poai_task::Result<()> {
    let Params { rows, depth, columns } = params;
    let kernel = Kernel::new(SOURCE, "multiply")?;
    let mut random = Rng::new(poai_task::seed());
    let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| random.unit_f32() - 0.5).collect() };
    let left = Buffer::of(&numbers(rows * depth))?;
    let right = Buffer::of(&numbers(depth * columns))?;
    let sizes = Buffer::of(&[rows as u32, depth as u32, columns as u32])?;
    let [high, wide] = [rows.div_ceil(SIDE), columns.div_ceil(SIDE)];
    let width = wide * SIDE;
    let product = Buffer::zeros(high * SIDE * width * size_of::<f32>())?;
    let bindings =
        [Binding::read(&sizes), Binding::read(&left), Binding::read(&right), Binding::read_write(&product, 4)];
    kernel.dispatch(&bindings, [wide as u32, high as u32, 1])?;
    let product: Vec<f32> = product.values()?;
    let rows = product.chunks_exact(width).take(rows).flat_map(|row| &row[..columns]);
    let bytes: Vec<u8> = rows.flat_map(|number| number.to_le_bytes()).collect();
    Output::write_whole("product", &bytes)?;
    Ok(())
}
