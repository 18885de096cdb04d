//! Names of values, in a model and in the bodies within it.

use std::collections::HashMap;

use crate::graph::{Graph, ValueId};
use crate::{Fact, Tensor};

/// A body of a branch or loop, with what it takes from the graph around it.
#[derive(Clone, Debug)]
pub struct Body {
    /// The body.
    pub graph: Graph,
    /// The values of the graph around it that [`Graph::captured`] stand for, one for one.
    pub captures: Vec<ValueId>,
}

/// A graph that is being read.
pub(crate) struct Scope {
    pub(crate) body: Body,
    names: Names,
}

/// What names mean at one place of a file.
#[derive(Default)]
pub(crate) struct Names {
    values: HashMap<String, ValueId>,
    /// What the file declares of values that nodes make.
    declared: HashMap<String, Fact>,
    /// Whether nothing is known of names further out, as in a function.
    closed: bool,
}

impl Names {
    /// Those that a function knows: its operands.
    pub(crate) fn of_function(operands: impl Iterator<Item = (String, ValueId)>) -> Self {
        Self { values: operands.collect(), declared: HashMap::new(), closed: true }
    }
}

impl Scope {
    /// An empty graph.
    pub(crate) fn new(declared: HashMap<String, Fact>) -> Self {
        let body = Body { graph: Graph::default(), captures: Vec::new() };
        Self { body, names: Names { declared, ..Names::default() } }
    }

    /// Gives names another meaning.
    pub(crate) fn replace_names(&mut self, names: Names) -> Names {
        std::mem::replace(&mut self.names, names)
    }

    /// The value of a name that is defined here, or captured already.
    pub(crate) fn find(&self, name: &str) -> Option<ValueId> {
        self.names.values.get(name).copied()
    }

    /// What the file declares of a value.
    pub(crate) fn declared(&self, name: &str) -> Option<&Fact> {
        self.names.declared.get(name)
    }

    /// Names a new value; none if the name is taken.
    pub(crate) fn define(&mut self, name: &str, fact: Option<Fact>) -> Option<ValueId> {
        if self.names.values.contains_key(name) {
            return None;
        }
        let id = self.body.graph.add_value(name, fact);
        self.names.values.insert(name.to_owned(), id);
        Some(id)
    }

    /// Names a new value that is always the same; none if the name is taken.
    pub(crate) fn define_constant(&mut self, name: &str, tensor: Tensor) -> Option<ValueId> {
        let id = self.define(name, Some(Fact::of(&tensor)))?;
        self.body.graph.constants.insert(id, tensor);
        Some(id)
    }

    /// Gives a value its name here, in place of the one that it has; none if the name is taken.
    pub(crate) fn rename(&mut self, id: ValueId, name: &str) -> Option<()> {
        if self.names.values.contains_key(name) {
            return None;
        }
        self.names.values.insert(name.to_owned(), id);
        self.body.graph.values[id.index()].name = name.to_owned();
        Some(())
    }

    /// Takes a value from the graph around this one: a constant is a constant here too, any other is captured.
    fn capture(&mut self, name: &str, outer: ValueId, around: &Graph) -> ValueId {
        let id = match around.constants.get(&outer) {
            Some(tensor) => self.body.graph.add_constant(name, tensor.clone()),
            None => {
                let id = self.body.graph.add_value(name, around.value(outer).fact.clone());
                self.body.graph.captured.push(id);
                self.body.captures.push(outer);
                id
            }
        };
        self.names.values.insert(name.to_owned(), id);
        id
    }
}

/// The value of a name in the innermost of these scopes; each takes what it does not define from the one around it.
pub(crate) fn resolve(scopes: &mut [Scope], name: &str) -> Option<ValueId> {
    let (inner, around) = scopes.split_last_mut()?;
    if let Some(id) = inner.find(name) {
        return Some(id);
    }
    if inner.names.closed {
        return None;
    }
    let outer = resolve(around, name)?;
    Some(inner.capture(name, outer, &around.last()?.body.graph))
}
