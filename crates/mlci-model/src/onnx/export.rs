//! Our own models as ONNX graphs.

use prost::Message as _;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto::Dimension,
    tensor_shape_proto::dimension, type_proto,
};

use super::{OnnxError, resolve::is_sorted};
use crate::{Column, Estimator, Generalized, Kind, Linear, Link, Model, Unseen};

pub(super) fn export(model: &Model) -> Result<Vec<u8>, OnnxError> {
    let (linear, link) = match &model.parts().estimator {
        Estimator::Linear(linear) => (linear, None),
        Estimator::Generalized(Generalized { link, linear }) => (linear, Some(*link)),
        Estimator::Onnx(_) => return Err(OnnxError::Graph("it is ONNX already".to_owned())),
    };
    let features = &model.schema().features;
    let mut graph = Builder::new(features);
    let score = if model.design().is_plain() { graph.rows(linear, features) } else { graph.columns(linear, features) };
    let prediction = match link {
        None => score,
        Some(Link::Log) => graph.node("Exp", &[&score], vec![]),
        Some(Link::Logit) => {
            // Not the operator Sigmoid, which not all runtimes have for 64 bits.
            let one = graph.doubles("one", &[1], vec![1.0]);
            let negative = graph.node("Neg", &[&score], vec![]);
            let exponential = graph.node("Exp", &[&negative], vec![]);
            let denominator = graph.node("Add", &[&exponential, &one], vec![]);
            graph.node("Div", &[&one, &denominator], vec![])
        }
    };
    let target = &model.schema().target;
    match target.levels.as_slice() {
        [first, second] if target.kind == Kind::Category => graph.classes(&prediction, first, second),
        _ => graph.output("variable", &prediction, DataType::Double, &[None, Some(1)]),
    }
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    let file = ModelProto {
        ir_version: 8,
        opset_import: vec![opset("", 13), opset("ai.onnx.ml", 2)],
        producer_name: "mlci".to_owned(),
        graph: Some(GraphProto { name: model.name().to_string(), ..graph.graph }),
        ..Default::default()
    };
    Ok(file.encode_to_vec())
}

/// A graph while nodes are added to it.
struct Builder {
    graph: GraphProto,
    /// What names of tensors begin with that are neither inputs nor outputs.
    prefix: String,
    taken: Vec<String>,
}

impl Builder {
    fn new(features: &[Column]) -> Self {
        let mut prefix = "mlci_".to_owned();
        while features.iter().any(|feature| feature.name.starts_with(&prefix)) {
            prefix.push('_');
        }
        let taken = features.iter().map(|feature| feature.name.clone()).collect();
        Self { graph: GraphProto::default(), prefix, taken }
    }

    /// A node of one output, whose name it gives.
    fn node(&mut self, operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = format!("{}{}", self.prefix, self.graph.node.len());
        self.named(operator, inputs, attributes, output.clone());
        output
    }

    fn named(&mut self, operator: &str, inputs: &[&str], attribute: Vec<AttributeProto>, output: String) {
        let domain = if operator == "LabelEncoder" { "ai.onnx.ml" } else { "" };
        self.graph.node.push(NodeProto {
            name: format!("{operator}_{}", self.graph.node.len()),
            op_type: operator.to_owned(),
            domain: domain.to_owned(),
            input: inputs.iter().map(ToString::to_string).collect(),
            output: vec![output],
            attribute,
            ..Default::default()
        });
    }

    fn constant(&mut self, name: &str, tensor: TensorProto) -> String {
        let name = format!("{}{name}_{}", self.prefix, self.graph.initializer.len());
        self.graph.initializer.push(TensorProto { name: name.clone(), ..tensor });
        name
    }

    fn doubles(&mut self, name: &str, dims: &[i64], double_data: Vec<f64>) -> String {
        let (dims, data_type) = (dims.to_vec(), DataType::Double as i32);
        self.constant(name, TensorProto { dims, data_type, double_data, ..Default::default() })
    }

    fn input(&mut self, name: &str, kind: DataType, width: usize, says: &str) {
        let info = value(name, kind, &[None, Some(width as i64)]);
        self.graph.input.push(ValueInfoProto { doc_string: says.to_owned(), ..info });
    }

    /// Names a tensor as an output.
    fn output(&mut self, name: &str, tensor: &str, kind: DataType, dims: &[Option<i64>]) {
        let mut name = name.to_owned();
        while self.taken.contains(&name) {
            name.push('_');
        }
        self.named("Identity", &[tensor], vec![], name.clone());
        self.graph.output.push(value(&name, kind, dims));
        self.taken.push(name);
    }

    /// The score of rows that come as one tensor.
    fn rows(&mut self, linear: &Linear, features: &[Column]) -> String {
        let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
        // Only this one is there: it is no feature's name.
        self.input("X", DataType::Double, features.len(), &names.join(", "));
        let weights = self.doubles("weights", &[features.len() as i64, 1], linear.coefficients.clone());
        let sum = self.node("MatMul", &["X", &weights], vec![]);
        let intercept = self.doubles("intercept", &[1], vec![linear.intercept]);
        self.node("Add", &[&sum, &intercept], vec![])
    }

    /// The score of rows that come column by column.
    fn columns(&mut self, linear: &Linear, features: &[Column]) -> String {
        let mut weights = linear.coefficients.iter().copied();
        let mut score = self.doubles("intercept", &[1, 1], vec![linear.intercept]);
        for feature in features {
            let term = if feature.kind == Kind::Category {
                self.input(&feature.name, DataType::String, 1, "");
                let own: Vec<f64> = weights.by_ref().take(feature.levels.len().saturating_sub(1)).collect();
                self.level(feature, own)
            } else {
                let says = if feature.kind == Kind::Date { "days since 1970-01-01 UTC" } else { "" };
                self.input(&feature.name, DataType::Double, 1, says);
                let weight = self.doubles("weight", &[1], weights.by_ref().take(1).collect());
                self.node("Mul", &[&feature.name, &weight], vec![])
            };
            score = self.node("Add", &[&score, &term], vec![]);
        }
        score
    }

    /// The weight of a level: 0 of the base level.
    fn level(&mut self, feature: &Column, weights: Vec<f64>) -> String {
        let count = feature.levels.len() as i64;
        let unseen = if feature.unseen == Unseen::Base { 0 } else { count };
        let place = self.node(
            "LabelEncoder",
            &[&feature.name],
            vec![
                AttributeProto {
                    strings: feature.levels.iter().map(|level| level.clone().into_bytes()).collect(),
                    ..attribute("keys_strings", AttributeType::Strings)
                },
                AttributeProto { ints: (0..count).collect(), ..attribute("values_int64s", AttributeType::Ints) },
                AttributeProto { i: unseen, ..attribute("default_int64", AttributeType::Int) },
            ],
        );
        let table: Vec<f64> = [0.0].into_iter().chain(weights).chain([f64::NAN]).collect();
        let table = self.doubles("levels", &[count + 1], table);
        self.node("Gather", &[&table, &place], vec![])
    }

    /// The outputs of a classifier, from the probability of the second class.
    fn classes(&mut self, second_is: &str, first: &str, second: &str) {
        let one = self.doubles("one", &[1], vec![1.0]);
        let first_is = self.node("Sub", &[&one, second_is], vec![]);
        let is_sorted = is_sorted(first, second);
        let (columns, labels) = if is_sorted {
            ([&*first_is, second_is], [first, second])
        } else {
            ([second_is, &*first_is], [second, first])
        };
        let axis = AttributeProto { i: 1, ..attribute("axis", AttributeType::Int) };
        let both = self.node("Concat", &columns, vec![axis.clone()]);
        let keep = AttributeProto { i: 0, ..attribute("keepdims", AttributeType::Int) };
        let likelier = self.node("ArgMax", &[&both], vec![axis, keep]);
        let labels = labels.map(|label| label.as_bytes().to_vec()).to_vec();
        let (dims, data_type) = (vec![2], DataType::String as i32);
        let labels =
            self.constant("labels", TensorProto { dims, data_type, string_data: labels, ..Default::default() });
        let label = self.node("Gather", &[&labels, &likelier], vec![]);
        self.output("label", &label, DataType::String, &[None]);
        self.output("probabilities", &both, DataType::Double, &[None, Some(2)]);
    }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..Default::default() }
}

fn value(name: &str, kind: DataType, dims: &[Option<i64>]) -> ValueInfoProto {
    let dim = |dim: &Option<i64>| Dimension {
        value: Some(match dim {
            Some(dim) => dimension::Value::DimValue(*dim),
            None => dimension::Value::DimParam("rows".to_owned()),
        }),
        ..Default::default()
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: kind as i32, shape: Some(shape) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() }
}
