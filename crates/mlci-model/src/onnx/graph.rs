//! An ONNX file as a graph that has been looked through: nothing in it is taken on trust.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message as _;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_proto::DataLocation, tensor_proto::DataType, type_proto, type_proto::Value,
};

use super::OnnxError;

/// More nodes than any model of this kind has; what compiles the graph takes more than linear time in them.
const NODES: usize = 20_000;
/// Elements of all the tensors of a graph at once: 64 MiB of 32-bit floats.
pub(super) const ELEMENTS: usize = 1 << 24;
/// The longest file that is read; what is read of it takes several times as much memory.
const BYTES: usize = 1 << 29;

/// A graph whose names are defined before they are used, each once, and whose tensors are as long as they say.
pub(super) struct Graph {
    model: ModelProto,
}

impl Graph {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, OnnxError> {
        if bytes.len() > BYTES {
            return Err(OnnxError::Limit(format!("it has {} bytes, and at most {BYTES} are read", bytes.len())));
        }
        // prost bounds how deep messages nest.
        let model = ModelProto::decode(bytes).map_err(|error| OnnxError::Parse(error.to_string()))?;
        let graph = model.graph.as_ref().ok_or_else(|| OnnxError::Parse("it has no graph".to_owned()))?;
        check(graph)?;
        Ok(Self { model })
    }

    fn graph(&self) -> &GraphProto {
        // `read` made sure of it.
        static EMPTY: std::sync::LazyLock<GraphProto> = std::sync::LazyLock::new(GraphProto::default);
        self.model.graph.as_ref().unwrap_or(&EMPTY)
    }

    /// The inputs that are no weights: older files list those too.
    pub(super) fn inputs(&self) -> Vec<&ValueInfoProto> {
        let weights: HashSet<&str> = self.graph().initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        self.graph().input.iter().filter(|input| !weights.contains(input.name.as_str())).collect()
    }

    pub(super) fn outputs(&self) -> &[ValueInfoProto] {
        &self.graph().output
    }

    /// The node that makes this tensor.
    pub(super) fn maker(&self, tensor: &str) -> Option<&NodeProto> {
        self.graph().node.iter().find(|node| node.output.iter().any(|output| output == tensor))
    }

    pub(super) fn nodes(&self) -> &[NodeProto] {
        &self.graph().node
    }

    /// The nodes that are needed for this tensor, in their order, and the names of all tensors among them.
    fn needed<'a>(&'a self, tensor: &'a str) -> (Vec<&'a NodeProto>, HashSet<&'a str>) {
        let mut needed = HashSet::from([tensor]);
        let mut nodes = Vec::new();
        // Names are defined before they are used, so one pass from the end finds all.
        for node in self.graph().node.iter().rev() {
            if node.output.iter().any(|output| needed.contains(output.as_str())) {
                needed.extend(node.input.iter().map(String::as_str));
                nodes.push(node);
            }
        }
        nodes.reverse();
        (nodes, needed)
    }

    /// What is needed for this tensor alone, as its only output. Types are left out: they follow from the inputs.
    ///
    /// # Errors
    /// [`OnnxError::Operators`] where one that is needed is not `known`.
    pub(super) fn for_output(&self, tensor: &str, known: impl Fn(&str) -> bool) -> Result<ModelProto, OnnxError> {
        let graph = self.graph();
        let (nodes, needed) = self.needed(tensor);
        let mut unknown = BTreeMap::new();
        for node in &nodes {
            let foreign = !matches!(node.domain.as_str(), "" | "ai.onnx" | "ai.onnx.ml");
            if foreign || !known(&node.op_type) {
                unknown.entry((&node.op_type, &node.domain)).or_insert_with(|| label(node));
            }
        }
        if !unknown.is_empty() {
            return Err(OnnxError::Operators { operators: unknown.into_values().collect() });
        }
        let mut nodes: Vec<NodeProto> = nodes.into_iter().cloned().collect();
        for (place, node) in nodes.iter_mut().enumerate() {
            // tract takes names for keys.
            node.name = format!("{}#{place}", node.op_type);
            if node.op_type == "LinearClassifier"
                && !node.output.first().is_some_and(|labels| needed.contains(labels.as_str()))
            {
                number_classes(node);
            }
        }
        let initializer = graph.initializer.iter().filter(|tensor| needed.contains(tensor.name.as_str()));
        let output = ValueInfoProto { name: tensor.to_owned(), ..Default::default() };
        let pruned = GraphProto {
            name: graph.name.clone(),
            node: nodes,
            initializer: initializer.cloned().collect(),
            input: self.inputs().into_iter().cloned().map(without_shape).collect(),
            output: vec![output],
            ..Default::default()
        };
        Ok(ModelProto {
            ir_version: self.model.ir_version,
            opset_import: self.model.opset_import.clone(),
            graph: Some(pruned),
            ..Default::default()
        })
    }
}

/// tract looks classes up in a table that cannot be of texts; where nobody asks for them, numbers do as well.
fn number_classes(node: &mut NodeProto) {
    if let Some(classes) = node.attribute.iter_mut().find(|attribute| attribute.name == "classlabels_strings") {
        classes.name = "classlabels_ints".to_owned();
        classes.r#type = AttributeType::Ints as i32;
        classes.ints = (0..classes.strings.len() as i64).collect();
        classes.strings.clear();
    }
}

/// A dimension may be a formula in the file, which is parsed by recursion; shapes are given by who runs the graph.
fn without_shape(mut input: ValueInfoProto) -> ValueInfoProto {
    if let Some(Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|kind| kind.value.as_mut()) {
        tensor.shape = None;
    }
    input
}

fn check(graph: &GraphProto) -> Result<(), OnnxError> {
    let wrong = |what: String| Err(OnnxError::Graph(what));
    if graph.node.len() > NODES {
        return Err(OnnxError::Limit(format!("it has {} nodes, and at most {NODES} are run", graph.node.len())));
    }
    if !graph.sparse_initializer.is_empty() {
        return wrong("it has sparse weights".to_owned());
    }
    let mut defined = HashMap::new();
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
        if defined.insert(tensor.name.as_str(), true).is_some() {
            return wrong(format!("the tensor `{}` is there twice", tensor.name));
        }
    }
    for input in &graph.input {
        // Once more as a weight: its default.
        if defined.insert(input.name.as_str(), false) == Some(false) {
            return wrong(format!("the input `{}` is there twice", input.name));
        }
    }
    for node in &graph.node {
        for input in node.input.iter().filter(|input| !input.is_empty()) {
            if !defined.contains_key(input.as_str()) {
                return wrong(format!("{} takes `{input}`, which nothing before it gives", label(node)));
            }
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if defined.insert(output.as_str(), false).is_some() {
                return wrong(format!("{} gives `{output}`, which is there already", label(node)));
            }
        }
        node.attribute.iter().try_for_each(|attribute| check_attribute(node, attribute))?;
    }
    check_constants(graph)?;
    match graph.output.iter().find(|output| !defined.contains_key(output.name.as_str())) {
        Some(output) => wrong(format!("nothing gives the output `{}`", output.name)),
        None => Ok(()),
    }
}

/// How many elements constants have at most that are computed from constants alone, which happens while the graph is
/// made ready, before shapes can be looked at.
fn check_constants(graph: &GraphProto) -> Result<(), OnnxError> {
    let count = |tensor: &TensorProto| tensor.dims.iter().fold(1_usize, |all, dim| all.saturating_mul(*dim as usize));
    let mut elements: HashMap<&str, usize> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), count(tensor))).collect();
    for node in &graph.node {
        let inputs = node.input.iter().filter(|input| !input.is_empty());
        let inputs: Option<Vec<usize>> = inputs.map(|input| elements.get(input.as_str()).copied()).collect();
        let most = match (node.op_type.as_str(), inputs) {
            ("Constant", _) => node.attribute.iter().map(attribute_length).max().unwrap_or(1),
            // A dimension each.
            ("Shape", _) => 8,
            (_, None) => continue,
            ("Concat", Some(inputs)) => inputs.into_iter().fold(0, usize::saturating_add),
            // It is not made before shapes are looked at.
            ("ConstantOfShape", Some(_)) => continue,
            ("Reshape" | "Squeeze" | "Unsqueeze" | "Cast" | "Transpose" | "Slice", Some(inputs)) => {
                inputs.first().copied().unwrap_or(1)
            }
            // Each element of one may meet each of another.
            (_, Some(inputs)) => inputs.into_iter().fold(1, usize::saturating_mul),
        };
        if most > ELEMENTS {
            let what = format!("{} makes a constant of up to {most} values, more than {ELEMENTS}", label(node));
            return Err(OnnxError::Limit(what));
        }
        elements.extend(node.output.iter().map(|output| (output.as_str(), most)));
    }
    Ok(())
}

fn attribute_length(attribute: &AttributeProto) -> usize {
    let tensors = attribute.t.iter().map(|tensor| tensor.dims.iter().product::<i64>() as usize);
    tensors.chain([attribute.floats.len(), attribute.ints.len(), attribute.strings.len()]).max().unwrap_or(1)
}

fn check_attribute(node: &NodeProto, attribute: &AttributeProto) -> Result<(), OnnxError> {
    if attribute.g.is_some() || !attribute.graphs.is_empty() {
        return Err(OnnxError::Operators { operators: vec![format!("{} with a graph of its own", label(node))] });
    }
    attribute.t.iter().chain(&attribute.tensors).try_for_each(check_tensor)
}

/// Whether there are as many values as the dimensions say; what is allocated is then bounded by the file.
fn check_tensor(tensor: &TensorProto) -> Result<(), OnnxError> {
    if tensor.data_location == Some(DataLocation::External as i32) || !tensor.external_data.is_empty() {
        return Err(OnnxError::External(tensor.name.clone()));
    }
    let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
    let (bytes, typed) = match kind {
        DataType::Float => (4, tensor.float_data.len()),
        DataType::Double => (8, tensor.double_data.len()),
        DataType::Int64 => (8, tensor.int64_data.len()),
        DataType::Int32 => (4, tensor.int32_data.len()),
        DataType::Int16 | DataType::Uint16 | DataType::Float16 => (2, tensor.int32_data.len()),
        DataType::Int8 | DataType::Uint8 | DataType::Bool => (1, tensor.int32_data.len()),
        DataType::String => (0, tensor.string_data.len()),
        _ => {
            let kind = format!("{kind:?}").to_lowercase();
            return Err(OnnxError::Graph(format!("the tensor `{}` is of {kind}, which is not read here", tensor.name)));
        }
    };
    let length = tensor.dims.iter().try_fold(1_usize, |product, dim| product.checked_mul(usize::try_from(*dim).ok()?));
    let found = match (tensor.raw_data.len(), bytes) {
        (0, _) => Some(typed),
        (_, 0) => None,
        (raw, bytes) => raw.is_multiple_of(bytes).then_some(raw / bytes),
    };
    if length.is_none() || length != found {
        let dims = &tensor.dims;
        return Err(OnnxError::Graph(format!("the tensor `{}` has not the values of its shape {dims:?}", tensor.name)));
    }
    Ok(())
}

/// A node for people: its operator, and its name where it has one.
pub(super) fn label(node: &NodeProto) -> String {
    if node.name.is_empty() { node.op_type.clone() } else { format!("{} (`{}`)", node.op_type, node.name) }
}

/// The type of an input or output; `None` for what is no tensor, such as a sequence of maps.
pub(super) fn tensor_type(value: &ValueInfoProto) -> Option<&type_proto::Tensor> {
    match value.r#type.as_ref()?.value.as_ref()? {
        Value::TensorType(tensor) => Some(tensor),
    }
}

/// The shape of an input or output, as far as it says; `None`: it does not say how many dimensions there are.
pub(super) fn shape(value: &ValueInfoProto) -> Option<Vec<Option<i64>>> {
    use tract_onnx::pb::tensor_shape_proto::dimension::Value::DimValue;
    let shape = tensor_type(value)?.shape.as_ref()?;
    let fixed = |dim: &tract_onnx::pb::tensor_shape_proto::Dimension| match dim.value {
        Some(DimValue(value)) if value > 0 => Some(value),
        _ => None,
    };
    Some(shape.dim.iter().map(fixed).collect())
}

pub(super) fn element(value: &ValueInfoProto) -> Option<DataType> {
    DataType::try_from(tensor_type(value)?.elem_type).ok()
}

/// An input or output for people, such as ``float `X` [?, 4]``.
pub(super) fn describe(value: &ValueInfoProto) -> String {
    let name = &value.name;
    let Some(element) = element(value) else { return format!("`{name}`, which is no tensor") };
    let element = format!("{element:?}").to_lowercase();
    let Some(shape) = shape(value) else { return format!("{element} `{name}`") };
    let dims: Vec<String> =
        shape.into_iter().map(|dim| dim.map_or_else(|| "?".to_owned(), |dim| dim.to_string())).collect();
    format!("{element} `{name}` [{}]", dims.join(", "))
}

/// The attribute of this name.
pub(super) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}
