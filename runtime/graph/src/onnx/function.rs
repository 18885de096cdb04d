//! Operators that a file itself defines by others: each call becomes the function's nodes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use prost::Message;

use super::proto::{AttributeProto, FunctionProto, NodeProto};
use crate::OpError;

/// Domain, name and overload.
type Key = (String, String, String);

/// A function.
pub(crate) struct Function {
    pub(crate) proto: FunctionProto,
    bytes: usize,
    /// How many attributes of its nodes refer to its own.
    references: usize,
}

/// The functions of a file.
#[derive(Default)]
pub(crate) struct Functions {
    by_key: HashMap<Key, Rc<Function>>,
}

impl Functions {
    /// Those of a file; of two of the same name the last.
    pub(crate) fn new(protos: Vec<FunctionProto>, domain: impl Fn(String) -> String) -> Self {
        let named = |mut proto: FunctionProto| {
            proto.domain = domain(proto.domain);
            let key = (proto.domain.clone(), proto.name.clone(), proto.overload.clone());
            let (bytes, references) = (proto.encoded_len(), references(&proto.node));
            (key, Rc::new(Function { proto, bytes, references }))
        };
        Self { by_key: protos.into_iter().map(named).collect() }
    }

    /// The function that a node of this domain calls, if it calls one.
    pub(crate) fn called(&self, domain: &str, node: &NodeProto) -> Option<Rc<Function>> {
        if self.by_key.is_empty() {
            return None;
        }
        self.by_key.get(&(domain.to_owned(), node.op_type.clone(), node.overload.clone())).cloned()
    }
}

impl Function {
    /// More bytes than its nodes take in a call.
    pub(crate) fn expanded_bytes(&self, call: &NodeProto) -> usize {
        self.references.saturating_mul(call.encoded_len()).saturating_add(self.bytes)
    }

    /// Its nodes as a call means them: attributes that refer to the function's have the call's values, and operands that
    /// the call leaves out are left out.
    ///
    /// # Errors
    /// If the call has operands, results or attributes that the function does not.
    pub(crate) fn nodes(&self, call: &NodeProto) -> Result<Vec<NodeProto>, OpError> {
        let proto = &self.proto;
        for (what, asked, made) in
            [("operands", call.input.len(), proto.input.len()), ("results", call.output.len(), proto.output.len())]
        {
            if asked > made {
                return Err(OpError::new(format!("{asked} {what}, and its function has {made}")));
            }
        }
        let defaults = proto.attribute_proto.iter().map(|attribute| (attribute.name.as_str(), attribute));
        let mut attributes: BTreeMap<_, _> = defaults.collect();
        for attribute in &call.attribute {
            let known = attributes.contains_key(attribute.name.as_str()) || proto.attribute.contains(&attribute.name);
            if !known {
                return Err(OpError::unsupported(format!("attribute {}", attribute.name)));
            }
            attributes.insert(&attribute.name, attribute);
        }
        let given = |index: usize| call.input.get(index).is_some_and(|name| !name.is_empty());
        let left_out =
            proto.input.iter().enumerate().filter(|&(index, _)| !given(index)).map(|(_, name)| name.as_str());
        let bindings = Bindings { attributes, left_out: left_out.collect() };
        let mut nodes = proto.node.clone();
        nodes.iter_mut().for_each(|node| bindings.bind(node));
        Ok(nodes)
    }
}

fn references(nodes: &[NodeProto]) -> usize {
    let attributes = nodes.iter().flat_map(|node| &node.attribute);
    let within = |it: &AttributeProto| {
        let body = it.g.as_ref().map_or(0, |body| references(&body.node));
        body + usize::from(!it.ref_attr_name.is_empty())
    };
    attributes.map(within).sum()
}

/// What a call gives to a function.
struct Bindings<'a> {
    attributes: BTreeMap<&'a str, &'a AttributeProto>,
    left_out: HashSet<&'a str>,
}

impl Bindings<'_> {
    fn bind(&self, node: &mut NodeProto) {
        node.input.iter_mut().filter(|name| self.left_out.contains(name.as_str())).for_each(String::clear);
        // One that refers to an attribute without a value is not there.
        node.attribute = std::mem::take(&mut node.attribute).into_iter().filter_map(|it| self.bound(it)).collect();
        for body in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
            body.node.iter_mut().for_each(|node| self.bind(node));
        }
    }

    fn bound(&self, attribute: AttributeProto) -> Option<AttributeProto> {
        if attribute.ref_attr_name.is_empty() {
            return Some(attribute);
        }
        let value = *self.attributes.get(attribute.ref_attr_name.as_str())?;
        Some(AttributeProto { name: attribute.name, ..value.clone() })
    }
}
