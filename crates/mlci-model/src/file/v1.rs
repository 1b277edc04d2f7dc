//! Format version 1: columns had neither levels nor fills.

use mlci_core::{Digest, ModelName};
use serde::Deserialize;

use crate::{Column, Estimator, Golden, Kind, Linear, Profile, Range, Schema};

#[derive(Deserialize)]
pub(super) struct Parts {
    name: ModelName,
    schema: SchemaV1,
    estimator: EstimatorV1,
    profiles: Vec<Profile>,
    prediction_profile: Profile,
    data: Digest,
    config: Digest,
    golden: Vec<Golden>,
}

#[derive(Deserialize)]
struct SchemaV1 {
    features: Vec<ColumnV1>,
    target: ColumnV1,
}

#[derive(Deserialize)]
struct ColumnV1 {
    name: String,
    kind: KindV1,
    unit: Option<String>,
    range: Range,
}

#[derive(Deserialize)]
enum KindV1 {
    Float,
    Integer,
}

#[derive(Deserialize)]
enum EstimatorV1 {
    Linear(Linear),
}

impl From<Parts> for crate::Parts {
    fn from(parts: Parts) -> Self {
        let EstimatorV1::Linear(linear) = parts.estimator;
        let SchemaV1 { features, target } = parts.schema;
        Self {
            name: parts.name,
            schema: Schema { features: features.into_iter().map(Column::from).collect(), target: target.into() },
            estimator: Estimator::Linear(linear),
            profiles: parts.profiles,
            prediction_profile: parts.prediction_profile,
            data: parts.data,
            config: parts.config,
            golden: parts.golden,
        }
    }
}

impl From<ColumnV1> for Column {
    fn from(column: ColumnV1) -> Self {
        let kind = match column.kind {
            KindV1::Float => Kind::Float,
            KindV1::Integer => Kind::Integer,
        };
        Self::new(&column.name, kind, column.unit, column.range)
    }
}
