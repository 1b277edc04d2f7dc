//! The classes of a classifier.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::{internal::*, tract_core::ops::array::Gather},
};

/// Names of classes, whole numbers or texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Labels {
    Numbers(Vec<i64>),
    Texts(Vec<String>),
}

impl Labels {
    pub(super) fn of(node: &NodeProto) -> TractResult<Self> {
        for name in ["classlabels_int64s", "classlabels_ints"] {
            if let Some(numbers) = node.get_attr_opt_vec::<i64>(name)?.filter(|labels| !labels.is_empty()) {
                return Ok(Self::Numbers(numbers));
            }
        }
        let texts = node.get_attr_opt_vec::<String>("classlabels_strings")?.filter(|labels| !labels.is_empty());
        texts.map(Self::Texts).context("the classifier names no classes")
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    pub(super) fn datum_type(&self) -> DatumType {
        match self {
            Self::Numbers(_) => i64::datum_type(),
            Self::Texts(_) => String::datum_type(),
        }
    }
}

/// Wires the labels at `places` (64-bit integers).
pub(super) fn look_up(
    labels: &Labels,
    prefix: &str,
    model: &mut TypedModel,
    places: OutletId,
) -> TractResult<OutletId> {
    let labels = match labels {
        Labels::Numbers(numbers) => rctensor1(numbers),
        Labels::Texts(texts) => rctensor1(texts),
    };
    let labels = model.add_const(format!("{prefix}.labels"), labels)?;
    Ok(model.wire_node(format!("{prefix}.label"), Gather::new(0), &[labels, places])?[0])
}
