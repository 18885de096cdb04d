//! Operators, by family. An operator is data: its attributes, typed. What it means stands in docs/numerics.md.
//!
//! Each family is one enum in one file (or folder): how its ONNX forms of opset 7 to 22 are read, what it makes of types
//! and shapes, what it costs, and how a processor computes it. To add an operator: find its family, add a variant.

pub mod control; // If, Loop, Scan
pub mod elementwise; // arithmetic, comparison, logic, casts: an element at a time
pub mod image; // convolution, pooling, resizing
pub mod movement; // reshape, transpose, slice, gather, scatter: bits only move
pub mod product; // matrix products of floats, integers, block weights; attention
pub mod quantisation; // between floats and integers
pub mod recurrence; // LSTM, GRU, RNN
pub mod reduction; // sums, softmax, norms, arg-max, top-k, cumulative sums

mod family; // operators that each have a type of their own
pub(crate) mod operand; // what every family asks of its operands: presence, numbers, axes, broadcasting

use poai_numerics::{Following, Unary};

use crate::onnx::Source;
use crate::{Cost, Cpu, Fact, Kernel, ModelError, OpError, Tensor};

/// An operator with its attributes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// See [`control`].
    Control(control::Control),
    /// See [`elementwise`].
    Elementwise(elementwise::Elementwise),
    /// See [`image`].
    Image(image::Image),
    /// See [`movement`].
    Movement(movement::Movement),
    /// See [`product`].
    Product(product::Product),
    /// See [`quantisation`].
    Quantisation(quantisation::Quantisation),
    /// See [`recurrence`].
    Recurrence(recurrence::Recurrence),
    /// See [`reduction`].
    Reduction(reduction::Reduction),
}

/// What each family says of its operators.
pub trait Operation {
    /// Its name for people: ONNX's where there is one.
    fn name(&self) -> &'static str;

    /// Types and shapes of its results, as far as they follow from what is known of its operands. When a session runs,
    /// all of the operands is known, and only what depends on more than shapes (the length of NonZero's result) may
    /// stay unknown.
    ///
    /// # Errors
    /// If no such operands make sense.
    fn infer(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Fact>, OpError>;

    /// What it costs, given operands of known shapes and the results that [`Self::infer`] gave for them.
    /// By default the elements of operands and results.
    fn cost(&self, inputs: &[Option<&Fact>], outputs: &[Fact]) -> Cost {
        let all = inputs.iter().flatten().map(|fact| fact.elements()).chain(outputs.iter().map(Fact::elements));
        Cost { multiply_adds: 0, elements: all.fold(0, u64::saturating_add) }
    }

    /// What can be made ready once of operands that are constants (packed weights); none if nothing is gained.
    ///
    /// # Errors
    /// If no such operands make sense.
    fn prepare(&self, _cpu: &Cpu, _constants: &[Option<&Tensor>]) -> Result<Option<Box<dyn Kernel>>, OpError> {
        Ok(None)
    }

    /// Computes its results on a processor. The memory of results comes from [`Cpu::allocate`].
    ///
    /// # Errors
    /// If it cannot be computed of such operands.
    fn run(&self, cpu: &Cpu, inputs: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpError>;
}

/// A product that is made ready, which a group of element-wise operations may follow.
pub(crate) trait Leading: Send + Sync {
    /// The shape of its result.
    ///
    /// # Errors
    /// If it cannot be computed of such operands.
    fn shape(&self, inputs: &[Option<&Tensor>]) -> Result<Vec<usize>, OpError>;

    /// What it does to its sums, of which what follows has to begin: it is not done besides that.
    fn own(&self) -> Own {
        Own::default()
    }

    /// Computes its result; or what follows, of its sums.
    ///
    /// # Errors
    /// As for `shape`.
    fn lead(&self, inputs: &[Option<&Tensor>], following: Option<&Following<'_>>) -> Result<Tensor, OpError>;
}

/// Operations on the sums of a product, in this order: which operands are added, and a function.
#[derive(Clone, Copy, Default)]
pub(crate) struct Own {
    /// A number a channel.
    pub bias: Option<usize>,
    /// A number an element.
    pub residual: Option<usize>,
    /// Applied last.
    pub activation: Option<Unary>,
}

impl Op {
    /// Whether it is a product that something may follow, its results where they are to stay.
    pub(crate) fn leads(&self) -> bool {
        match self {
            Self::Image(image::Image::Convolution(convolution)) => convolution.layout == image::Layout::ChannelsLast,
            Self::Product(product::Product::MatMul(_)) => true,
            _ => false,
        }
    }

    /// This product, made ready to be followed; none if it is another operator, or has no weights to pack.
    pub(crate) fn leading(
        &self,
        cpu: &Cpu,
        constants: &[Option<&Tensor>],
    ) -> Result<Option<Box<dyn Leading>>, OpError> {
        match self {
            Self::Image(image::Image::Convolution(convolution)) if self.leads() => convolution.leading(cpu, constants),
            Self::Product(product::Product::MatMul(product)) => product.leading(cpu, constants),
            _ => Ok(None),
        }
    }

    /// Which operand of [`Self::leading`] is packed, and not needed again.
    pub(crate) const PACKED: usize = 1;
}

macro_rules! families {
    ($($family:ident::$name:ident),* $(,)?) => {
        $(impl From<$family::$name> for Op {
            fn from(op: $family::$name) -> Self {
                Self::$name(op)
            }
        })*

        impl Op {
            /// What its family says of it.
            pub fn operation(&self) -> &dyn Operation {
                match self {
                    $(Self::$name(op) => op,)*
                }
            }
        }
    };
}

families! {
    control::Control,
    elementwise::Elementwise,
    image::Image,
    movement::Movement,
    product::Product,
    quantisation::Quantisation,
    recurrence::Recurrence,
    reduction::Reduction,
}

impl Op {
    /// Reads a node of an ONNX file: the family that knows its operator takes it.
    ///
    /// # Errors
    /// If no family does, or its attributes make no sense.
    pub(crate) fn import(source: &mut Source<'_>) -> Result<Self, ModelError> {
        type Import = fn(&mut Source<'_>) -> Result<Option<Op>, OpError>;
        const FAMILIES: [Import; 8] = [
            elementwise::import,
            movement::import,
            product::import,
            image::import,
            reduction::import,
            quantisation::import,
            recurrence::import,
            control::import,
        ];
        for import in FAMILIES {
            match import(source) {
                Ok(Some(op)) => return Ok(op),
                Ok(None) => {}
                Err(reason) => return Err(ModelError::at(source.name(), &source.qualified_operator(), reason)),
            }
        }
        Err(ModelError::Unsupported {
            node: source.name().to_owned(),
            op: source.qualified_operator(),
            reason: "no such operator is built".into(),
        })
    }
}
