//! Matrix products of floats.
//!
//! Every element of a product is one chain of fused steps over k, from +0, whatever the kernels, the tile, the block
//! or the number of threads. Weights are packed once, as [`Packed`]; the left operand is copied a block at a time.

mod block;
mod copy;
mod epilogue;
mod left;
mod lines;
mod packed;

use std::cell::{Cell, RefCell};

use crate::buffer::Aligned;
use crate::error::{NumericsError, count, expect_length};
use crate::isa::tile::PANEL;
use crate::processor::Processor;
pub(crate) use block::{Product, SharedOut};
pub use epilogue::Epilogue;
pub(crate) use left::{LeftRows, Patches};
pub use packed::Packed;
pub(crate) use packed::Panels;
use packed::{Pack, packed_length};

/// The most rows of a block: with 384 columns, what a second-level cache keeps beside a panel.
const ROW_BLOCK: usize = 192;
/// The fewest rows of a part that is cut smaller so that threads have as many.
const LEAST_ROWS: usize = 64;
/// The fewest panels of a part, so that copying the left operand stays a small share of its work.
const LEAST_PANELS: usize = 4;
/// The fewest multiply-adds that are worth a thread's waking: a few microseconds.
const LEAST_WORK: usize = 1 << 17;
/// The fewest elements of a product of many that is followed by itself.
const LEAST_FOLLOWED: usize = 1 << 12;
/// Panels that a thread packs at a time.
const PACKED_PANELS: usize = 4;

/// Matrices in memory: one or a batch, in any order of rows and columns.
#[derive(Clone, Copy, Debug)]
pub struct Matrices<'a> {
    /// The elements of all of them.
    pub data: &'a [f32],
    /// Where each begins.
    pub starts: &'a [usize],
    /// Elements from a row to the next.
    pub row_stride: usize,
    /// Elements from a column to the next.
    pub column_stride: usize,
}

impl<'a> Matrices<'a> {
    /// One matrix, its rows contiguous.
    pub fn one(data: &'a [f32], columns: usize) -> Self {
        Self { data, starts: &[0], row_stride: columns, column_stride: 1 }
    }

    fn check(&self, what: &'static str, rows: usize, columns: usize) -> Result<(), NumericsError> {
        if rows == 0 || columns == 0 {
            return Ok(());
        }
        let down = self.row_stride.checked_mul(rows - 1);
        let across = self.column_stride.checked_mul(columns - 1);
        let reach = down.zip(across).and_then(|(down, across)| down.checked_add(across));
        let last = self.starts.iter().max().map_or(Some(0), |&start| reach.and_then(|reach| reach.checked_add(start)));
        let last = last.ok_or(NumericsError::Overflow(what))?;
        let found = self.data.len();
        if last < found { Ok(()) } else { Err(NumericsError::Length { what, expected: last + 1, found }) }
    }
}

impl Processor {
    /// `out = epilogue(left · right)`: `rows` × `right.columns()`, for each of the left matrices, one after the other.
    pub fn matmul_packed(
        &self,
        rows: usize,
        left: Matrices<'_>,
        right: &Packed,
        epilogue: &Epilogue<'_>,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        left.check("the left operand", rows, right.depth())?;
        let products: Vec<_> = left.starts.iter().map(|&start| (left.at(start), right.view())).collect();
        self.products(rows, &products, epilogue, out)
    }

    /// `out = epilogue(left · right)`, for each pair of matrices; `depth` is the length of the chains.
    pub fn matmul(
        &self,
        [rows, depth, columns]: [usize; 3],
        left: Matrices<'_>,
        right: Matrices<'_>,
        epilogue: &Epilogue<'_>,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        left.check("the left operand", rows, depth)?;
        right.check("the right operand", depth, columns)?;
        expect_length("the right operand's batch", right.starts.len(), left.starts.len())?;
        expect_length("the result", out.len(), count("the result", &[left.starts.len(), rows, columns])?)?;
        epilogue.check(out.len(), columns)?;
        let length = packed_length(depth, columns)?;
        if out.is_empty() {
            return Ok(());
        }
        // Operands that repeat in a batch are packed once.
        let mut distinct = right.starts.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() == right.starts.len() && distinct.len() >= self.threads() {
            self.matmul_each([rows, depth, columns], left, right, epilogue, (length, out));
            return Ok(());
        }
        let mut packed = RIGHT.take();
        packed.reserve(distinct.len() * length);
        for (&start, packed) in distinct.iter().zip(packed.chunks_exact_mut(length.max(1))) {
            self.pool().chunks(packed, (PACKED_PANELS * depth * PANEL).max(1), |i, to| {
                let first_panel = i * PACKED_PANELS;
                self.run(Pack { weights: right, start, depth, columns, first_panel, to });
            });
        }
        let products: Vec<_> = (left.starts.iter().zip(right.starts).enumerate())
            .map(|(i, (&start, own))| {
                let which = distinct.binary_search(own).expect("taken from the same list");
                let right = Panels::new(&packed[which * length..(which + 1) * length], depth, columns);
                Product::plain(left.at(start), right, rows, i)
            })
            .collect();
        self.run_products(&products, epilogue, out);
        RIGHT.set(packed);
        Ok(())
    }

    /// Each product by one thread, which packs the right operand just before: it is then in the thread's cache.
    fn matmul_each(
        &self,
        [rows, depth, columns]: [usize; 3],
        left: Matrices<'_>,
        right: Matrices<'_>,
        epilogue: &Epilogue<'_>,
        (length, out): (usize, &mut [f32]),
    ) {
        // What follows a small product begins sooner with all of them at once: they are still in a cache.
        let large = rows * columns >= LEAST_FOLLOWED;
        let with_each = Epilogue { following: epilogue.following.filter(|_| large), ..*epilogue };
        let shared = SharedOut::new(out);
        let (panels, blocks) = (columns.div_ceil(PANEL), rows.div_ceil(ROW_BLOCK));
        self.pool().run(right.starts.len(), &|i| {
            let mut packed = RIGHT.take();
            packed.reserve(length);
            let to = &mut packed[..length];
            self.run(Pack { weights: right, start: right.starts[i], depth, columns, first_panel: 0, to });
            let view = Panels::new(&packed[..length], depth, columns);
            let product = Product::plain(left.at(left.starts[i]), view, rows, i);
            for block in 0..blocks {
                let part = PartOf { product: 0, rows: share(rows, block, blocks), panels: 0..panels };
                self.run_part(&product, &part, &with_each, &shared);
            }
            RIGHT.set(packed);
        });
        if let Some(following) = epilogue.following.filter(|_| !large) {
            self.follow(following, out);
        }
    }

    /// The products of pairs of the same shape, one after the other in `out`.
    fn products(
        &self,
        rows: usize,
        pairs: &[(LeftRows<'_>, Panels<'_>)],
        epilogue: &Epilogue<'_>,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        let Some((_, first)) = pairs.first() else { return expect_length("the result", out.len(), 0) };
        let columns = first.columns;
        expect_length("the result", out.len(), count("the result", &[pairs.len(), rows, columns])?)?;
        epilogue.check(out.len(), columns)?;
        if out.is_empty() {
            return Ok(());
        }
        let products: Vec<Product<'_>> =
            pairs.iter().enumerate().map(|(i, &(left, right))| Product::plain(left, right, rows, i)).collect();
        self.run_products(&products, epilogue, out);
        Ok(())
    }

    /// Runs products that write to disjoint parts of `out`.
    pub(crate) fn run_products(&self, products: &[Product<'_>], epilogue: &Epilogue<'_>, out: &mut [f32]) {
        let work = |product: &Product<'_>| product.rows.saturating_mul(product.right.depth * product.right.columns);
        let work = products.iter().map(work).fold(0, usize::saturating_add);
        let threads = (work / LEAST_WORK).clamp(1, self.threads());
        let parts = parts_of(products, threads);
        // What follows reads long pieces: it is done with each part if all of them are such.
        let whole = parts.iter().all(|part| part.is_whole(&products[part.product]));
        let with_parts = Epilogue { following: epilogue.following.filter(|_| whole), ..*epilogue };
        let shared = SharedOut::new(out);
        let run = |i: usize| self.run_part(&products[parts[i].product], &parts[i], &with_parts, &shared);
        match threads {
            1 => (0..parts.len()).for_each(run),
            _ => self.pool().run(parts.len(), &run),
        }
        if let Some(following) = epilogue.following.filter(|_| !whole) {
            self.follow(following, out);
        }
    }

    fn run_part(&self, product: &Product<'_>, part: &PartOf, epilogue: &Epilogue<'_>, out: &SharedOut<'_>) {
        LEFT.with_borrow_mut(|left| {
            left.reserve(block::left_length(product, part));
            self.run(block::Part { product, part, epilogue, left, out });
        });
    }
}

/// Rows and panels of one product, computed by one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartOf {
    product: usize,
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
}

impl PartOf {
    /// Whether it is one piece of the result.
    pub(crate) fn is_whole(&self, product: &Product<'_>) -> bool {
        let columns = product.right.columns;
        self.panels == (0..columns.div_ceil(PANEL)) && product.stride == columns
    }
}

/// Cuts products into blocks of rows, and those into ranges of panels where rows alone do not keep all threads busy.
fn parts_of(products: &[Product<'_>], threads: usize) -> Vec<PartOf> {
    let mut parts = Vec::new();
    for (product, Product { left, rows, right, .. }) in products.iter().enumerate() {
        let unit = left.unit(ROW_BLOCK);
        let units = rows.div_ceil(unit);
        // As many for each thread, if they stay large enough.
        let blocks = units.div_ceil((ROW_BLOCK / unit).max(1));
        let even = blocks.next_multiple_of(threads);
        let blocks = if even * LEAST_ROWS <= *rows && even <= units { even } else { blocks };
        let panels = right.columns.div_ceil(PANEL);
        let wanted = if threads == 1 { 1 } else { (4 * threads).div_ceil(blocks * products.len()) };
        let ranges = wanted.min(panels.div_ceil(LEAST_PANELS)).max(1);
        for block in 0..blocks {
            let own = share(units, block, blocks);
            let rows = own.start * unit..own.end * unit;
            for range in 0..ranges {
                parts.push(PartOf { product, rows: rows.clone(), panels: share(panels, range, ranges) });
            }
        }
    }
    parts
}

/// The `index`th of `of` nearly equal shares of `0..length`.
pub(crate) fn share(length: usize, index: usize, of: usize) -> std::ops::Range<usize> {
    let at = |i: usize| length / of * i + (length % of).min(i);
    at(index)..at(index + 1)
}

thread_local! {
    /// A thread's copy of a block of the left operand.
    static LEFT: RefCell<Aligned<f32>> = RefCell::new(Aligned::zeros(0));
    /// Right operands that a thread packed, kept as memory for the next.
    static RIGHT: Cell<Aligned<f32>> = Cell::default();
}
