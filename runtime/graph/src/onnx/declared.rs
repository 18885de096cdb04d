//! What a file declares of its values.

use super::proto::{DimensionProto, TensorShapeProto, TypeProto, ValueInfoProto};
use super::tensor::dtype;
use crate::limits::within;
use crate::{Dim, Fact, ModelError, ModelLimits, OpError};

/// A declared type and shape; none if nothing is declared, as inputs and outputs of bodies may leave it open.
///
/// # Errors
/// If it is no tensor's, or of elements that are not supported, or beyond a limit.
pub(crate) fn declared(value: &ValueInfoProto, limits: &ModelLimits) -> Result<Option<Fact>, ModelError> {
    let wrong = |reason| ModelError::Value { value: value.name.clone(), reason };
    let Some(declared) = &value.r#type else { return Ok(None) };
    if *declared == TypeProto::default() {
        return Ok(None);
    }
    let tensor = declared.tensor_type.as_ref();
    let tensor = tensor.ok_or_else(|| wrong(OpError::unsupported("a value that is no tensor")))?;
    let dtype = dtype(tensor.elem_type.into()).map_err(wrong)?;
    let shape = tensor.shape.as_ref().map(|TensorShapeProto { dim }| {
        within("dimensions of a value", dim.len(), limits.rank)?;
        dim.iter().map(|dim| dimension(dim, limits)).collect()
    });
    Ok(Some(Fact { dtype, shape: shape.transpose()?, value: None }))
}

/// Exporters write -1, or one of these names, for a size that they do not know.
const UNKNOWN: [&str; 3] = ["", "?", "None"];

fn dimension(proto: &DimensionProto, limits: &ModelLimits) -> Result<Dim, ModelError> {
    match (proto.dim_value, proto.dim_param.as_deref()) {
        (Some(size), _) => Ok(usize::try_from(size).map_or(Dim::Unknown, Dim::Size)),
        (None, None) => Ok(Dim::Unknown),
        (None, Some(name)) if UNKNOWN.contains(&name) => Ok(Dim::Unknown),
        (None, Some(name)) => {
            limits.name(name)?;
            Ok(Dim::Named(name.into()))
        }
    }
}

/// Adds to what was inferred of a value what the file declares of it. A declaration that contradicts what was inferred
/// is left aside: converters leave many behind that were true of the model before.
pub(crate) fn refine(fact: &mut Fact, declared: &Fact) {
    if fact.dtype != declared.dtype {
        return;
    }
    let Some(said) = &declared.shape else { return };
    let Some(known) = &mut fact.shape else {
        fact.shape = Some(said.clone());
        return;
    };
    let agree = |(known, said): (&Dim, &Dim)| known.size().is_none() || said.size().is_none() || known == said;
    if known.len() == said.len() && known.iter().zip(said).all(agree) {
        for (known, said) in known.iter_mut().zip(said).filter(|(known, _)| **known == Dim::Unknown) {
            *known = said.clone();
        }
    }
}
