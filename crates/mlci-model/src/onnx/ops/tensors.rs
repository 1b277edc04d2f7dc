//! Tensors among the attributes of a node.

use tract_onnx::{data_resolver::FopenDataResolver, pb::NodeProto, tensor, tract_hir::internal::*};

pub(super) fn tensor_attribute(node: &NodeProto, name: &str) -> TractResult<Option<Tensor>> {
    let found =
        node.attribute.iter().find(|attribute| attribute.name == name).and_then(|attribute| attribute.t.as_ref());
    // There are no tensors in other files: the graph has been looked through.
    found.map(|proto| tensor::load_tensor(&FopenDataResolver, proto, None)).transpose()
}

pub(super) fn numbers(tensor: &Tensor) -> TractResult<Vec<f64>> {
    let tensor = tensor.cast_to::<f64>()?;
    Ok(tensor.to_plain_array_view::<f64>()?.iter().copied().collect())
}
