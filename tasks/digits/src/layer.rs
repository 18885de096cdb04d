//! One fully connected layer: its numbers, and what training does with them.

use crate::lanes::{Lanes, WIDTH};

/// A row of weights for each input, and a last row of biases. A row has an entry for each output,
/// filled up with zeros to whole [`Lanes`].
#[derive(Clone)]
pub(crate) struct Layer {
    inputs: usize,
    outputs: usize,
    rows: Vec<Lanes>,
}

impl Layer {
    pub(crate) fn zeros(inputs: usize, outputs: usize) -> Self {
        let rows = vec![Lanes::splat(0.0); (inputs + 1) * outputs.div_ceil(WIDTH)];
        Self { inputs, outputs, rows }
    }

    /// A layer whose weights and biases are drawn row by row.
    pub(crate) fn from_values(inputs: usize, outputs: usize, mut draw: impl FnMut() -> f32) -> Self {
        let mut layer = Self::zeros(inputs, outputs);
        for row in 0..=inputs {
            let mut left = outputs;
            for lanes in layer.row_mut(row) {
                let mut values = [0.0; WIDTH];
                values[..left.min(WIDTH)].fill_with(&mut draw);
                *lanes = Lanes::new(values);
                left = left.saturating_sub(WIDTH);
            }
        }
        layer
    }

    /// The weights and biases, row by row.
    pub(crate) fn values(&self) -> impl Iterator<Item = f32> {
        (0..=self.inputs).flat_map(|row| self.row(row).iter().flat_map(|lanes| lanes.to_array()).take(self.outputs))
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    fn row_lanes(&self) -> usize {
        self.outputs.div_ceil(WIDTH)
    }

    fn row(&self, row: usize) -> &[Lanes] {
        &self.rows[row * self.row_lanes()..][..self.row_lanes()]
    }

    fn row_mut(&mut self, row: usize) -> &mut [Lanes] {
        let lanes = self.row_lanes();
        &mut self.rows[row * lanes..][..lanes]
    }

    /// outputs = biases + inputs × weights, the inputs in order.
    pub(crate) fn forward(&self, inputs: &[f32], outputs: &mut [Lanes]) {
        outputs.copy_from_slice(self.row(self.inputs));
        for (row, input) in inputs.iter().enumerate() {
            add_scaled(outputs, *input, self.row(row));
        }
    }

    /// What each input contributes to `slope`, the loss's slope in the outputs.
    pub(crate) fn backward(&self, slope: &[Lanes], inputs: &mut [f32]) {
        for (row, input) in inputs.iter_mut().enumerate() {
            let products = self.row(row).iter().zip(slope).map(|(weight, slope)| *weight * *slope);
            *input = products.fold(Lanes::splat(0.0), |sum, product| sum + product).sum();
        }
    }

    /// Adds the loss's slope in each weight to this layer of slopes.
    pub(crate) fn add_slopes(&mut self, inputs: &[f32], slope: &[Lanes]) {
        for (row, input) in inputs.iter().enumerate() {
            add_scaled(self.row_mut(row), *input, slope);
        }
        add_scaled(self.row_mut(self.inputs), 1.0, slope);
    }

    /// One step of gradient descent with momentum. The slopes are used up: they become zeros.
    pub(crate) fn step(&mut self, velocity: &mut Self, slopes: &mut Self, momentum: f32, rate: f32) {
        let (momentum, rate) = (Lanes::splat(momentum), Lanes::splat(rate));
        for ((weight, velocity), slope) in self.rows.iter_mut().zip(&mut velocity.rows).zip(&mut slopes.rows) {
            *velocity = momentum * *velocity - rate * *slope;
            *weight = *weight + *velocity;
            *slope = Lanes::splat(0.0);
        }
    }
}

fn add_scaled(sums: &mut [Lanes], factor: f32, terms: &[Lanes]) {
    let factor = Lanes::splat(factor);
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum = *sum + factor * *term;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(inputs: usize, outputs: usize) -> Layer {
        let mut next = 0.0;
        Layer::from_values(inputs, outputs, || {
            next += 1.0;
            next
        })
    }

    #[test]
    fn forward_is_a_matrix_product_with_biases() {
        // weights [[1 2 3 4 5] [6 7 8 9 10]], biases [11 12 13 14 15]
        let mut outputs = [Lanes::splat(9.0); 2];
        numbered(2, 5).forward(&[1.0, 10.0], &mut outputs);
        assert_eq!(outputs[0].to_array(), [72.0, 84.0, 96.0, 108.0]);
        assert_eq!(outputs[1].to_array(), [120.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn backward_is_the_transposed_product() {
        let slope = [Lanes::new([1.0, 0.0, 0.0, 0.0]), Lanes::new([2.0, 0.0, 0.0, 0.0])];
        let mut inputs = [0.0; 2];
        numbered(2, 5).backward(&slope, &mut inputs);
        assert_eq!(inputs, [11.0, 26.0]);
    }

    #[test]
    fn a_step_goes_down_the_slope_and_keeps_its_momentum() {
        let mut weights = Layer::zeros(1, 4);
        let mut velocity = Layer::zeros(1, 4);
        let mut slopes = Layer::zeros(1, 4);
        for _ in 0..2 {
            slopes.add_slopes(&[2.0], &[Lanes::splat(1.0)]);
            weights.step(&mut velocity, &mut slopes, 0.5, 0.25);
        }
        let values: Vec<f32> = weights.values().collect();
        assert_eq!(values, [-1.25, -1.25, -1.25, -1.25, -0.625, -0.625, -0.625, -0.625]);
        assert!(slopes.values().all(|slope| slope == 0.0));
    }
}
