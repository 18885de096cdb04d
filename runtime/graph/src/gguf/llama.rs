//! The graph of Llama's family: RMS norms, rotary embedding of neighbouring pairs, heads that share keys, SiLU gates.

#[cfg(test)]
mod tests;

use poai_numerics::{Binary, Unary};

use super::{File, Metadata, Weight, unsupported};
use crate::graph::ValueId;
use crate::op::elementwise::{Arithmetic, Elementwise};
use crate::op::movement::gather::Gather;
use crate::op::operand::floats;
use crate::op::product::{Attention, BlockMatMul, BlockRows, MatMul, Product, Rotary};
use crate::op::reduction::normalisation::LayerNormalization;
use crate::{Builder, DType, Dim, Fact, Graph, ModelError, OpError, Tensor};

/// Layers of a model.
const LAYERS: usize = 1024;
/// Angles that a model has, over all its places.
const ANGLES: usize = 1 << 23;
/// What is read of the metadata, and what follows from tensors anyway.
const KNOWN: [&str; 13] = [
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scaling.type",
    "vocab_size",
];

/// What the metadata says.
struct Sizes {
    layers: usize,
    context: usize,
    heads: usize,
    key_heads: usize,
    /// Elements of a head.
    head: usize,
    /// Elements of a head that are turned.
    turned: usize,
    epsilon: f32,
    base: f32,
}

impl Sizes {
    fn of(file: &File) -> Result<Self, ModelError> {
        let size = |name: &str| {
            let name = format!("llama.{name}");
            let size = file.size(&name)?.filter(|&size| size > 0);
            size.ok_or_else(|| ModelError::Malformed(format!("its metadata has no {name}")))
        };
        let optional = |name: &str, or: usize| Ok::<_, ModelError>(file.size(&format!("llama.{name}"))?.unwrap_or(or));
        let (layers, context, heads) = (size("block_count")?, size("context_length")?, size("attention.head_count")?);
        let head = optional("attention.key_length", size("embedding_length")? / heads)?;
        let sizes = Self {
            layers,
            context,
            heads,
            key_heads: optional("attention.head_count_kv", heads)?,
            head,
            turned: optional("rope.dimension_count", head)?,
            epsilon: file.float("llama.attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5),
            base: file.float("llama.rope.freq_base")?.unwrap_or(10_000.0),
        };
        if sizes.turned == 0 || !sizes.turned.is_multiple_of(2) {
            return Err(ModelError::Malformed(format!("{} elements cannot be turned in pairs", sizes.turned)));
        }
        let angles = sizes.context.saturating_mul(sizes.turned / 2);
        for (what, found, limit) in [("layers", layers, LAYERS), ("angles of places", angles, ANGLES)] {
            if found > limit {
                return Err(ModelError::TooLarge { what, found, limit });
            }
        }
        for name in file.metadata.keys().filter(|name| name.starts_with("llama.")) {
            if !KNOWN.contains(&&name["llama.".len()..]) {
                return Err(unsupported(name, "metadata whose meaning is not known"));
            }
        }
        match file.metadata.get("llama.rope.scaling.type") {
            None => Ok(sizes),
            Some(Metadata::Text(kind)) if kind == "none" => Ok(sizes),
            Some(_) => Err(unsupported("llama.rope.scaling.type", "angles that are scaled")),
        }
    }

    /// Cosines and sines, a row for each place: of `place · base^(-2i / turned)`, each step rounded to f32; a factor, if
    /// the file has them, divides the power.
    fn angles(&self, factors: Option<&[f32]>) -> Result<[Tensor; 2], ModelError> {
        let half = self.turned / 2;
        if factors.is_some_and(|factors| factors.len() != half) {
            return Err(ModelError::Malformed("rope_freqs.weight has another number of factors than of angles".into()));
        }
        let speeds: Vec<f32> = (0..half)
            .map(|i| {
                let exponent = Binary::Div.of(-((2 * i) as f32), self.turned as f32);
                let speed = Binary::Pow.of(self.base, exponent);
                factors.map_or(speed, |factors| Binary::Div.of(speed, factors[i]))
            })
            .collect();
        Ok([Unary::Cos, Unary::Sin].map(|function| {
            let places = 0..self.context;
            let values = places
                .flat_map(|place| speeds.iter().map(move |&speed| function.of(Binary::Mul.of(place as f32, speed))));
            Tensor::new(&[self.context, half], &values.collect::<Vec<f32>>())
        }))
    }
}

/// The model's graph.
pub(super) fn graph(file: File) -> Result<Graph, ModelError> {
    let sizes = Sizes::of(&file)?;
    let mut writer = Writer { file, builder: Builder::new() };
    let graph = writer.model(&sizes)?;
    let outputs: Vec<_> = graph.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    // What a file has and nothing reads would make it another model than it says.
    if let Some(name) = writer.file.tensors.keys().next() {
        return Err(unsupported(name, "a tensor that models of the architecture llama do not have"));
    }
    Ok(writer.builder.finish(&outputs))
}

/// A graph that is being written; tensors are taken from the file as they are used.
struct Writer {
    file: File,
    builder: Builder,
}

/// What all layers share.
struct Shared {
    position: ValueId,
    angles: [ValueId; 2],
}

impl Writer {
    fn optional(&mut self, name: &str) -> Option<Weight> {
        self.file.tensors.remove(name)
    }

    fn weight(&mut self, name: &str) -> Result<Weight, ModelError> {
        self.optional(name).ok_or_else(|| ModelError::Malformed(format!("it has no tensor {name}")))
    }

    /// A tensor of floats, widened.
    fn wide(&mut self, name: &str, weight: &Weight) -> Result<Tensor, ModelError> {
        let at = |error: OpError| ModelError::at(name, "GGUF", error);
        match weight {
            Weight::Floats(tensor) if tensor.dtype() == DType::F32 => Ok(tensor.clone()),
            Weight::Floats(tensor) => Ok(Tensor::new(tensor.shape(), &floats(tensor).map_err(at)?)),
            Weight::Blocks(format, _) => Err(unsupported(name, format!("{} here", format.name()))),
        }
    }

    /// `x · wᵀ`, and a bias, if the file has one.
    fn project(&mut self, name: &str, x: ValueId) -> Result<ValueId, ModelError> {
        let weight = self.weight(&format!("{name}.weight"))?;
        let product = self.product(name, x, &weight)?;
        let bias = format!("{name}.bias");
        match self.optional(&bias) {
            None => Ok(product),
            Some(weight) => {
                let weight = self.wide(&bias, &weight)?;
                let weight = self.builder.constant(&bias, weight);
                self.builder.node(
                    &format!("{name}/biased"),
                    Elementwise::Arithmetic(Arithmetic::Add),
                    &[product, weight],
                )
            }
        }
    }

    fn product(&mut self, name: &str, x: ValueId, weight: &Weight) -> Result<ValueId, ModelError> {
        if let Weight::Blocks(format, blocks) = weight {
            let weights = self.builder.constant(&format!("{name}.weight"), blocks.clone());
            return self.builder.node(name, Product::BlockMatMul(BlockMatMul { format: *format }), &[x, weights]);
        }
        let weights = self.wide(name, weight)?;
        let weights = self.builder.constant(&format!("{name}.weight"), weights);
        let op = MatMul { transposed: [false, true], ..MatMul::default() };
        self.builder.node(name, Product::MatMul(op), &[x, weights])
    }

    fn norm(&mut self, name: &str, epsilon: f32, x: ValueId) -> Result<ValueId, ModelError> {
        let weight = self.weight(&format!("{name}.weight"))?;
        let weight = self.wide(name, &weight)?;
        let scale = self.builder.constant(&format!("{name}.weight"), weight);
        let op = LayerNormalization { axis: -1, epsilon, root_mean_square: true, results: 1 };
        self.builder.node(name, op, &[x, scale])
    }

    fn embedding(&mut self, weight: &Weight, tokens: ValueId) -> Result<ValueId, ModelError> {
        let name = "token_embd";
        if let Weight::Blocks(format, blocks) = weight {
            let rows = self.builder.constant("token_embd.rows", blocks.clone());
            return self.builder.node(name, Product::BlockRows(BlockRows { format: *format }), &[rows, tokens]);
        }
        let rows = self.wide(name, weight)?;
        let rows = self.builder.constant("token_embd.rows", rows);
        self.builder.node(name, Gather { axis: 0 }, &[rows, tokens])
    }

    fn add(&mut self, name: &str, x: ValueId, y: ValueId) -> Result<ValueId, ModelError> {
        self.builder.node(name, Elementwise::Arithmetic(Arithmetic::Add), &[x, y])
    }

    /// Everything, and its outputs by name.
    fn model(&mut self, sizes: &Sizes) -> Result<Vec<(String, ValueId)>, ModelError> {
        let tokens = self.builder.input("tokens", Fact::new(DType::I64, [Dim::Size(1), Dim::Named("tokens".into())]));
        let position = self.builder.input("position", Fact::new(DType::I64, [1]));
        let factors = match self.optional("rope_freqs.weight") {
            Some(weight) => Some(self.wide("rope_freqs.weight", &weight)?),
            None => None,
        };
        let factors = factors.as_ref().and_then(|factors| factors.get::<f32>());
        let [cosines, sines] = sizes.angles(factors)?;
        let angles = [self.builder.constant("cosines", cosines), self.builder.constant("sines", sines)];
        let shared = Shared { position, angles };

        let embeddings = self.weight("token_embd.weight")?;
        let mut x = self.embedding(&embeddings, tokens)?;
        let mut outputs = Vec::new();
        for layer in 0..sizes.layers {
            let [next, keys, values] = self.layer(sizes, layer, x, &shared)?;
            x = next;
            outputs.extend([(format!("present_key.{layer}"), keys), (format!("present_value.{layer}"), values)]);
        }
        let x = self.norm("output_norm", sizes.epsilon, x)?;
        let output = self.optional("output.weight").unwrap_or(embeddings);
        let logits = self.product("output", x, &output)?;
        outputs.insert(0, ("logits".to_owned(), logits));
        Ok(outputs)
    }

    /// A layer's result, and its keys and values, those of the past included.
    fn layer(&mut self, sizes: &Sizes, layer: usize, x: ValueId, shared: &Shared) -> Result<[ValueId; 3], ModelError> {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let normal = self.norm(&name("attn_norm"), sizes.epsilon, x)?;
        let queries = self.project(&name("attn_q"), normal)?;
        let queries = self.turned(&name("queries"), sizes, sizes.heads, queries, shared)?;
        let keys = self.project(&name("attn_k"), normal)?;
        let keys = self.turned(&name("keys"), sizes, sizes.key_heads, keys, shared)?;
        let values = self.project(&name("attn_v"), normal)?;
        let mut past = |kind: &str| {
            let shape = [Dim::Size(1), Dim::Size(sizes.key_heads), Dim::Named("past".into()), Dim::Size(sizes.head)];
            self.builder.input(&format!("past_{kind}.{layer}"), Fact::new(DType::F32, shape))
        };
        let (past_keys, past_values) = (past("key"), past("value"));
        let attention = Attention {
            heads: Some([sizes.heads, sizes.key_heads]),
            scale: None,
            causal: true,
            cap: None,
            window: [None; 2],
            presents: true,
            shown: None,
        };
        let operands = [Some(queries), Some(keys), Some(values), None, Some(past_keys), Some(past_values)];
        let seen = self.builder.node_of(&name("attention"), Product::Attention(attention), &operands, 3)?;
        let attended = self.project(&name("attn_output"), seen[0])?;
        let x = self.add(&name("attended"), x, attended)?;

        let normal = self.norm(&name("ffn_norm"), sizes.epsilon, x)?;
        let gate = self.project(&name("ffn_gate"), normal)?;
        let gate = self.builder.node(&name("gate"), Elementwise::Function(Unary::Silu), &[gate])?;
        let up = self.project(&name("ffn_up"), normal)?;
        let gated = self.builder.node(&name("gated"), Elementwise::Arithmetic(Arithmetic::Mul), &[gate, up])?;
        let down = self.project(&name("ffn_down"), gated)?;
        Ok([self.add(&name("result"), x, down)?, seen[1], seen[2]])
    }

    /// Queries or keys, turned by their places.
    fn turned(
        &mut self,
        name: &str,
        sizes: &Sizes,
        heads: usize,
        x: ValueId,
        shared: &Shared,
    ) -> Result<ValueId, ModelError> {
        let op = Rotary { heads: Some(heads), interleaved: true, turned: Some(sizes.turned), places_first: false };
        self.builder.node(name, Product::Rotary(op), &[x, shared.angles[0], shared.angles[1], shared.position])
    }
}
