//! Constants that somebody still reads: what kernels have packed need not be there twice.

use std::collections::BTreeMap;

use crate::{Graph, ValueId};

/// How often each constant is needed: by nodes that are yet to be made ready, by kernels when they run, by the caller.
pub(super) struct Needs(BTreeMap<ValueId, usize>);

impl Needs {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut needs: BTreeMap<_, _> = graph.constants.keys().map(|id| (*id, 0)).collect();
        for id in graph.nodes.iter().flat_map(|node| node.inputs.iter().flatten()).chain(&graph.outputs) {
            if let Some(count) = needs.get_mut(id) {
                *count += 1;
            }
        }
        Self(needs)
    }

    /// A kernel is ready that stands for reading these, and says whether it needs each again: the constants that nobody
    /// needs any more.
    pub(super) fn made_ready(&mut self, reads: impl IntoIterator<Item = (ValueId, bool)>) -> Vec<ValueId> {
        let mut no_more = Vec::new();
        for (id, _) in reads.into_iter().filter(|(_, again)| !again) {
            let Some(count) = self.0.get_mut(&id) else { continue };
            *count -= 1;
            if *count == 0 {
                no_more.push(id);
            }
        }
        no_more
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use poai_numerics::Kernels;

    use crate::op::elementwise::{Arithmetic, Elementwise};
    use crate::op::product::{MatMul, Product};
    use crate::{Budget, Builder, Cpu, DType, Fact, Session, Tensor, ValueId};

    /// Weights in memory of somebody else, who can tell whether they are held.
    struct Weights(Arc<Vec<f32>>);

    impl AsRef<[u8]> for Weights {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }

    fn product() -> Product {
        Product::MatMul(MatMul::default())
    }

    /// A session of weights that a product reads, and who else says so: whether it still holds them, and its outputs.
    fn outcome(more: impl FnOnce(&mut Builder, [ValueId; 2]) -> Option<ValueId>) -> (bool, Vec<Tensor>) {
        let memory = Arc::new(vec![1f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let weights = Tensor::from_bytes(DType::F32, &[2, 3], Bytes::from_owner(Weights(Arc::clone(&memory))));
        let mut builder = Builder::new();
        let weights = builder.constant("weights", weights.unwrap());
        let x = builder.input("x", Fact::new(DType::F32, [1, 2]));
        let y = builder.input("y", Fact::new(DType::F32, [2, 3]));
        let result = builder.node("result", product(), &[x, weights]).unwrap();
        let other = more(&mut builder, [weights, y]);
        let outputs: Vec<_> = [("result", result)].into_iter().chain(other.map(|id| ("other", id))).collect();
        let session = Session::new(builder.finish(&outputs), Arc::new(Cpu::new(Kernels::Auto, 1).unwrap())).unwrap();
        let held = Arc::strong_count(&memory) > 1;
        let inputs = [("x", Tensor::new(&[1, 2], &[1f32, 2.0])), ("y", Tensor::new(&[2, 3], &[1f32; 6]))];
        (held, session.run(&inputs, &mut Budget::UNBOUNDED.clone()).unwrap())
    }

    #[test]
    fn weights_that_are_packed_are_let_go_unless_somebody_reads_them() {
        let result = Tensor::new(&[1, 3], &[9f32, 12.0, 15.0]);
        assert_eq!(outcome(|_, _| None), (false, vec![result.clone()]));

        let twice = outcome(|builder, [weights, y]| {
            let left = builder.node("left", Elementwise::Arithmetic(Arithmetic::Add), &[y, y]).unwrap();
            let op = MatMul { transposed: [false, true], ..MatMul::default() };
            Some(builder.node("other", Product::MatMul(op), &[left, weights]).unwrap())
        });
        assert_eq!(twice, (false, vec![result.clone(), Tensor::new(&[2, 2], &[12f32, 30.0, 12.0, 30.0])]));

        let added = outcome(|builder, [weights, y]| {
            Some(builder.node("other", Elementwise::Arithmetic(Arithmetic::Add), &[weights, y]).unwrap())
        });
        assert_eq!(added, (true, vec![result.clone(), Tensor::new(&[2, 3], &[2f32, 3.0, 4.0, 5.0, 6.0, 7.0])]));

        let given = outcome(|_, [weights, _]| Some(weights));
        assert_eq!(given, (true, vec![result, Tensor::new(&[2, 3], &[1f32, 2.0, 3.0, 4.0, 5.0, 6.0])]));
    }
    #[test]
    fn weights_of_a_product_that_a_group_follows_are_let_go() {
        let scaled = |reads_weights: bool| {
            let memory = Arc::new(vec![1f32, 2.0, 3.0, 4.0]);
            let weights = Tensor::from_bytes(DType::F32, &[2, 2], Bytes::from_owner(Weights(Arc::clone(&memory))));
            let mut builder = Builder::new();
            let weights = builder.constant("weights", weights.unwrap());
            let x = builder.input("x", Fact::new(DType::F32, [2, 2]));
            let result = builder.node("product", product(), &[x, weights]).unwrap();
            let factor = if reads_weights { weights } else { x };
            let scaled = builder.node("scaled", Elementwise::Arithmetic(Arithmetic::Mul), &[result, factor]).unwrap();
            let graph = builder.finish(&[("result", scaled)]);
            let session = Session::new(graph, Arc::new(Cpu::new(Kernels::Auto, 1).unwrap())).unwrap();
            let inputs = [("x", Tensor::new(&[2, 2], &[1f32, 0.0, 2.0, 1.0]))];
            (Arc::strong_count(&memory) > 1, session.run(&inputs, &mut Budget::UNBOUNDED.clone()).unwrap())
        };
        assert_eq!(scaled(false), (false, vec![Tensor::new(&[2, 2], &[1f32, 0.0, 10.0, 8.0])]));
        assert_eq!(scaled(true), (true, vec![Tensor::new(&[2, 2], &[1f32, 4.0, 15.0, 32.0])]));
    }
}
