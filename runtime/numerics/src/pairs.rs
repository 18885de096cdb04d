//! Operations on two numbers, of which many lie side by side.

use crate::elementwise::Binary;
use crate::functions::pow;
use crate::isa::{Isa, Work};
use crate::lanes::{Lanes, One, Register};
use crate::step::{element, stored};

/// The most floats of any [`Isa::Wide`].
const MOST_LANES: usize = 48;

/// Numbers that an operation reads.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<'a> {
    pub values: &'a [f32],
    /// From one to the next: 0 if the first counts for all.
    pub step: usize,
    /// They are what an element-wise operation stored: nothing of them is to be flushed.
    pub stored: bool,
}

/// `out[i] = operation(a[i · a.step], b[i · b.step])`. Each operation is a function of its own, as for
/// [`MapUnary`](crate::elementwise::MapUnary).
pub(crate) struct MapBinary<'a>(pub Binary, pub [Numbers<'a>; 2], pub &'a mut [f32]);

impl Work for MapBinary<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(operation, operands, out) = self;
        match operation {
            Binary::Add => I::enter(MapPairs(Add, operands, out)),
            Binary::Sub => I::enter(MapPairs(Sub, operands, out)),
            Binary::Mul => I::enter(MapPairs(Mul, operands, out)),
            Binary::Div => I::enter(MapPairs(Div, operands, out)),
            Binary::Max => I::enter(MapPairs(Max, operands, out)),
            Binary::Min => I::enter(MapPairs(Min, operands, out)),
            Binary::Pow => I::enter(MapPairs(Pow, operands, out)),
            Binary::Prelu => I::enter(MapPairs(Prelu, operands, out)),
            Binary::Remainder => {
                let [a, b] = operands;
                for (i, out) in out.iter_mut().enumerate() {
                    *out = stored(element(a.values[i * a.step]) % element(b.values[i * b.step]));
                }
            }
        }
    }
}

/// An operation on lanes of two operands, which were flushed.
pub(crate) trait Pair: Copy {
    /// It is so short that flushing counts.
    const SHORT: bool = true;

    fn of<V: Lanes>(self, a: V, b: V) -> V;
}

macro_rules! pairs {
    ($($name:ident: $($short:literal)? |$a:ident, $b:ident| $value:expr;)*) => {$(
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl Pair for $name {
            $(const SHORT: bool = $short;)?

            #[inline(always)]
            fn of<V: Lanes>(self, $a: V, $b: V) -> V {
                $value
            }
        }
    )*};
}

pairs! {
    Add: |a, b| a + b;
    Sub: |a, b| a - b;
    Mul: |a, b| a * b;
    Div: false |a, b| a / b;
    Max: |a, b| a.greater(b);
    Min: |a, b| a.lesser(b);
    Pow: false |a, b| pow(a, b);
    Prelu: |a, b| V::pick(a.less(V::splat(0.0)), a * b, a);
}

impl Binary {
    /// What is computed of what was read, before it is stored, of operations that are a few instructions; none of others.
    #[inline(always)]
    pub(crate) fn short<V: Lanes>(self, a: V, b: V) -> Option<V> {
        Some(match self {
            Self::Add => Add.of(a, b),
            Self::Sub => Sub.of(a, b),
            Self::Mul => Mul.of(a, b),
            Self::Div => Div.of(a, b),
            Self::Max => Max.of(a, b),
            Self::Min => Min.of(a, b),
            Self::Prelu => Prelu.of(a, b),
            Self::Pow | Self::Remainder => return None,
        })
    }
}

struct MapPairs<'a, P>(P, [Numbers<'a>; 2], &'a mut [f32]);

impl<P: Pair> Work for MapPairs<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self(pair, [a, b], out) = self;
        match (a.step, b.step) {
            (1, 1) => {
                let (a_values, b_values) = (&a.values[..out.len()], &b.values[..out.len()]);
                if P::SHORT && a.stored && b.stored {
                    both::<I::Wide, P, true>(pair, a_values, b_values, out);
                } else {
                    both::<I::Wide, P, false>(pair, a_values, b_values, out);
                }
            }
            (1, 0) => {
                let values = &a.values[..out.len()];
                if P::SHORT && a.stored {
                    with_one::<I::Wide, _, true>(pair, values, b.values[0], out);
                } else {
                    with_one::<I::Wide, _, false>(pair, values, b.values[0], out);
                }
            }
            (0, 1) => with_one::<I::Wide, _, false>(Turned(pair), &b.values[..out.len()], a.values[0], out),
            (a_step, b_step) => {
                for (i, out) in out.iter_mut().enumerate() {
                    let [a, b] = [a.values[i * a_step], b.values[i * b_step]].map(|x| One::<I::Fused>::new(element(x)));
                    *out = pair.of(a, b).stored().value();
                }
            }
        }
    }
}

/// The operands the other way round.
#[derive(Clone, Copy)]
struct Turned<P>(P);

impl<P: Pair> Pair for Turned<P> {
    #[inline(always)]
    fn of<V: Lanes>(self, a: V, b: V) -> V {
        self.0.of(b, a)
    }
}

#[inline(always)]
fn read<V: Register, const STORED: bool>(from: &[f32]) -> V {
    let value = V::read(from);
    if STORED { value } else { value.element() }
}

/// As many of each.
#[inline(always)]
fn both<V: Register, P: Pair, const STORED: bool>(pair: P, a: &[f32], b: &[f32], out: &mut [f32]) {
    let whole = out.len() / V::COUNT * V::COUNT;
    let (a, a_rest) = a.split_at(whole);
    let (b, b_rest) = b.split_at(whole);
    let (out, rest) = out.split_at_mut(whole);
    for ((a, b), out) in a.chunks_exact(V::COUNT).zip(b.chunks_exact(V::COUNT)).zip(out.chunks_exact_mut(V::COUNT)) {
        pair.of(read::<V, STORED>(a), read::<V, STORED>(b)).stored().write(out);
    }
    if !rest.is_empty() {
        let (mut a, mut b) = ([0.0; MOST_LANES], [0.0; MOST_LANES]);
        a[..rest.len()].copy_from_slice(a_rest);
        b[..rest.len()].copy_from_slice(b_rest);
        pair.of(read::<V, STORED>(&a), read::<V, STORED>(&b)).stored().write(&mut a);
        rest.copy_from_slice(&a[..rest.len()]);
    }
}

/// One for all of the others.
#[inline(always)]
fn with_one<V: Register, P: Pair, const STORED: bool>(pair: P, a: &[f32], one: f32, out: &mut [f32]) {
    let one = V::splat(element(one));
    let whole = out.len() / V::COUNT * V::COUNT;
    let (a, a_rest) = a.split_at(whole);
    let (out, rest) = out.split_at_mut(whole);
    for (a, out) in a.chunks_exact(V::COUNT).zip(out.chunks_exact_mut(V::COUNT)) {
        pair.of(read::<V, STORED>(a), one).stored().write(out);
    }
    if !rest.is_empty() {
        let mut a = [0.0; MOST_LANES];
        a[..rest.len()].copy_from_slice(a_rest);
        pair.of(read::<V, STORED>(&a), one).stored().write(&mut a);
        rest.copy_from_slice(&a[..rest.len()]);
    }
}
