//! The schemas of names that belong to `mlci-train`, which knows nothing of schemas.

use std::{borrow::Cow, collections::BTreeMap};

use mlci_train::{Algorithm, Metric};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Limit;

/// As [`Metric`].
pub(super) struct MetricName;

/// As [`Algorithm`].
pub(super) struct AlgorithmName;

/// As a map from [`Metric`] to [`Limit`].
pub(super) struct LimitsByMetric;

fn one_of(description: &str, names: impl Iterator<Item = (&'static str, &'static str)>) -> Schema {
    let each = names.map(|(name, meaning)| json_schema!({"const": name, "description": meaning, "type": "string"}));
    json_schema!({"description": description, "oneOf": each.collect::<Vec<_>>()})
}

impl JsonSchema for MetricName {
    fn schema_name() -> Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(
            "A metric of the rows held out.",
            Metric::ALL.into_iter().map(|metric| (metric.as_str(), metric.meaning())),
        )
    }
}

impl JsonSchema for AlgorithmName {
    fn schema_name() -> Cow<'static, str> {
        "Algorithm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of("What is fitted.", Algorithm::ALL.into_iter().map(|algorithm| (algorithm.as_str(), algorithm.meaning())))
    }
}

impl JsonSchema for LimitsByMetric {
    fn schema_name() -> Cow<'static, str> {
        "LimitsByMetric".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = <BTreeMap<String, Limit>>::json_schema(generator);
        schema.insert("propertyNames".to_owned(), generator.subschema_for::<MetricName>().to_value());
        schema
    }
}
