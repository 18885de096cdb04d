//! Sines and cosines of parts of a turn, and the matrices of discrete Fourier transforms.
//!
//! By symmetry, each is one of an angle within an eighth of a turn, which is computed in f64, rounded to f32, and given
//! to numerics' functions. So whole quarters are exact.

use poai_numerics::{Matrices, Packed, Unary};

use crate::OpError;

/// Numbers of a transform's matrix: longer transforms would need a fast algorithm, with another order of its sums.
const MATRIX_LIMIT: usize = 1 << 25;

/// Cosine and sine of `part / whole` of a turn; `part` is below `whole`, which is small.
pub(super) fn rotation(part: usize, whole: usize) -> [f32; 2] {
    if 2 * part > whole {
        let [cosine, sine] = rotation(whole - part, whole);
        return [cosine, 0.0 - sine];
    }
    if 4 * part > whole {
        let [cosine, sine] = rotation(whole - 2 * part, 2 * whole);
        return [0.0 - cosine, sine];
    }
    if 8 * part > whole {
        let [cosine, sine] = rotation(whole - 4 * part, 4 * whole);
        return [sine, cosine];
    }
    let angle = (std::f64::consts::TAU * part as f64 / whole as f64) as f32;
    [Unary::Cos.of(angle), Unary::Sin.of(angle)]
}

/// How the numbers of a transform lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transform {
    /// Elements of a whole signal.
    pub length: usize,
    /// Of these so many are given; the others are 0.
    pub given: usize,
    /// Elements that are wanted.
    pub wanted: usize,
    /// Elements are pairs of a real and an imaginary part, or real parts alone.
    pub complex: [bool; 2],
    /// From frequencies to a signal: without the division by its length.
    pub inverse: bool,
    /// Only half of the frequencies are given: the others are their conjugates.
    pub half_given: bool,
}

impl Transform {
    /// Numbers of an element that is given, and of one that is wanted.
    fn widths(&self) -> [usize; 2] {
        self.complex.map(|complex| if complex { 2 } else { 1 })
    }

    /// Numbers that a row of operands has, and one of results.
    pub(super) fn numbers(&self) -> Result<[usize; 2], OpError> {
        let [from, to] = self.widths();
        let (rows, columns) = (self.given.saturating_mul(from), self.wanted.saturating_mul(to));
        if rows.saturating_mul(columns).max(self.length) > MATRIX_LIMIT {
            return Err(OpError::unsupported(format!("a Fourier transform of {} elements", self.length)));
        }
        Ok([rows, columns])
    }

    /// The matrix that rows of operands are multiplied with.
    pub(super) fn matrix(&self) -> Result<Packed, OpError> {
        let [rows, columns] = self.numbers()?;
        let turns: Vec<[f32; 2]> = (0..self.length).map(|part| rotation(part, self.length)).collect();
        let [from, to] = self.widths();
        let mut matrix = vec![0.0; rows * columns];
        for given in 0..self.given {
            // A frequency whose conjugate is not given counts for both.
            let pair = self.half_given && given > 0 && 2 * given != self.length;
            let factor = if pair { 2.0 } else { 1.0 };
            for wanted in 0..self.wanted {
                let [cosine, sine] = turns[given * wanted % self.length].map(|number| number * factor);
                let sine = if self.inverse { sine } else { 0.0 - sine };
                let place = given * from * columns + wanted * to;
                matrix[place] = cosine;
                if to == 2 {
                    matrix[place + 1] = sine;
                }
                if from == 2 {
                    matrix[place + columns] = 0.0 - sine;
                }
                if from == 2 && to == 2 {
                    matrix[place + columns + 1] = cosine;
                }
            }
        }
        Ok(Packed::new(rows, columns, Matrices::one(&matrix, columns))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_are_exact_and_the_rest_is_near() {
        for (part, expected) in [(0, [1.0, 0.0]), (2, [0.0, 1.0]), (4, [-1.0, 0.0]), (6, [0.0, -1.0])] {
            assert_eq!(rotation(part, 8), expected);
        }
        for part in 0..37 {
            let angle = std::f64::consts::TAU * part as f64 / 37.0;
            let [cosine, sine] = rotation(part, 37).map(f64::from);
            assert!((cosine - angle.cos()).abs() < 2e-7 && (sine - angle.sin()).abs() < 2e-7, "{part}");
        }
    }
}
