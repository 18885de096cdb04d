//! Matrices: columns in a row. Every element of a product is a chain of fused steps from +0, in order, as numerics' are.

use naga::{BinaryOperator, Expression, Handle, TypeInner};

use super::Compiler;
use super::frame::{Frame, Value};
use super::operations::Lanes;
use crate::KernelError;
use crate::arithmetic::Ternary;
use crate::program::{Op, Reg};
use crate::shape::Kind;

/// A matrix in registers.
#[derive(Clone, Copy)]
struct Matrix {
    at: Reg,
    columns: u8,
    rows: u8,
}

impl Matrix {
    fn column(self, number: u8) -> Lanes {
        Lanes { at: self.at + Reg::from(number) * Reg::from(self.rows), count: self.rows, kind: Kind::F32 }
    }

    fn lanes(self) -> Lanes {
        Lanes { at: self.at, count: self.columns * self.rows, kind: Kind::F32 }
    }
}

impl Compiler<'_> {
    /// An operator of which one operand is a matrix; none if none is.
    pub(super) fn of_matrices(
        &mut self,
        frame: &Frame<'_>,
        op: BinaryOperator,
        [left, right]: [Handle<Expression>; 2],
    ) -> Result<Option<Value>, KernelError> {
        let words = match (op, self.matrix(frame, left)?, self.matrix(frame, right)?) {
            (_, None, None) => return Ok(None),
            (BinaryOperator::Add | BinaryOperator::Subtract, Some(a), Some(b)) => {
                self.operate(op, a.lanes(), b.lanes())?
            }
            (BinaryOperator::Multiply, Some(a), Some(b)) => self.product(a, b)?,
            (BinaryOperator::Multiply, Some(a), None) => {
                let b = self.lanes(frame, right)?;
                if b.count == 1 { self.scaled(a, b)? } else { self.by_vector(a, b, None)? }
            }
            (BinaryOperator::Multiply, None, Some(b)) => {
                let a = self.lanes(frame, left)?;
                if a.count == 1 { self.scaled(b, a)? } else { self.vector_by(a, b)? }
            }
            _ => return Err(KernelError::instead("this operator of matrices", "use it on their columns")),
        };
        Ok(Some(Value::Words(words)))
    }

    /// `transpose(matrix)`.
    pub(super) fn transposed(&mut self, frame: &Frame<'_>, matrix: Handle<Expression>) -> Result<Value, KernelError> {
        let Some(matrix) = self.matrix(frame, matrix)? else {
            return Err(KernelError::unsupported("transpose of this type"));
        };
        let to = self.allocate(matrix.lanes().count.into())?;
        for (place, (row, column)) in each(matrix.rows, matrix.columns) {
            let from = matrix.column(column).at + Reg::from(row);
            self.push(Op::Copy { to: to + place, from, words: 1 })?;
        }
        Ok(Value::Words(to))
    }

    fn matrix(&self, frame: &Frame<'_>, expression: Handle<Expression>) -> Result<Option<Matrix>, KernelError> {
        Ok(match *frame.info[expression].ty.inner_with(&self.module.types) {
            TypeInner::Matrix { columns, rows, .. } => {
                Some(Matrix { at: frame.words(expression)?, columns: columns as u8, rows: rows as u8 })
            }
            _ => None,
        })
    }

    fn scaled(&mut self, matrix: Matrix, by: Lanes) -> Result<Reg, KernelError> {
        let by = self.widened(by, matrix.lanes().count)?;
        self.operate(BinaryOperator::Multiply, matrix.lanes(), by)
    }

    fn product(&mut self, a: Matrix, b: Matrix) -> Result<Reg, KernelError> {
        let to = self.allocate(u32::from(a.rows) * u32::from(b.columns))?;
        for column in 0..b.columns {
            self.by_vector(a, b.column(column), Some(to + Reg::from(column) * Reg::from(a.rows)))?;
        }
        Ok(to)
    }

    /// All rows at once, a column after the other; to registers of one's own, unless it is said.
    fn by_vector(&mut self, matrix: Matrix, vector: Lanes, to: Option<Reg>) -> Result<Reg, KernelError> {
        let to = to.map_or_else(|| self.allocate(matrix.rows.into()), Ok)?;
        let from = self.constant(0)?;
        self.push(Op::Splat { to, from, words: matrix.rows.into() })?;
        for number in 0..matrix.columns {
            let by = self.splat(vector.at + Reg::from(number), matrix.rows.into())?;
            self.step(to, matrix.column(number), by)?;
        }
        Ok(to)
    }

    fn vector_by(&mut self, vector: Lanes, matrix: Matrix) -> Result<Reg, KernelError> {
        let to = self.allocate(matrix.columns.into())?;
        let from = self.constant(0)?;
        self.push(Op::Splat { to, from, words: matrix.columns.into() })?;
        for (_, (column, row)) in each(matrix.columns, matrix.rows) {
            let element = Lanes { at: matrix.column(column).at + Reg::from(row), count: 1, kind: Kind::F32 };
            self.step(to + Reg::from(column), element, vector.at + Reg::from(row))?;
        }
        Ok(to)
    }

    /// One step of chains: `to += a * b`, rounded once.
    fn step(&mut self, to: Reg, a: Lanes, b: Reg) -> Result<(), KernelError> {
        self.push(Op::Ternary { op: Ternary::Fma, lanes: a.count, to, a: a.at, b, c: to }).map(drop)
    }
}

/// Pairs of numbers, the second counting faster, with the place of each.
fn each(first: u8, second: u8) -> impl Iterator<Item = (Reg, (u8, u8))> {
    (0..).zip((0..first).flat_map(move |one| (0..second).map(move |other| (one, other))))
}
