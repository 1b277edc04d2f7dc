//! Which input takes which feature, and which output is the prediction.

use tract_onnx::pb::{NodeProto, ValueInfoProto, tensor_proto::DataType};

use super::{
    OnnxColumn, OnnxElement, OnnxError, OnnxInput, OnnxOutput,
    graph::{Graph, attribute, describe, element, shape},
};
use crate::{Column, Kind, MAX_EXACT_INTEGER};

const PROBABILITIES: &str = "a classifier has to give probabilities: export one that has predict_proba, with \
                             `to_onnx(model, X, options={'zipmap': False})`";

pub(super) fn input(graph: &Graph, features: &[Column]) -> Result<OnnxInput, OnnxError> {
    let inputs = graph.inputs();
    let wrong = |why: String| OnnxError::Inputs {
        inputs: inputs.iter().map(|input| describe(input)).collect(),
        features: features.iter().map(|feature| format!("{} `{}`", feature.kind, feature.name)).collect(),
        why,
    };
    if let [input] = inputs.as_slice()
        && !(features.len() == 1 && features.iter().all(|feature| feature.name == input.name))
    {
        let element = element_of(input).map_err(wrong)?;
        let width = match shape(input).as_deref() {
            None => None,
            Some(&[_, width]) => width,
            Some(_) => return Err(wrong("the input has to be [rows, features]".to_owned())),
        };
        if width.is_some_and(|width| width != features.len() as i64) {
            return Err(wrong(format!(
                "the numbers of columns differ; name exactly the {} that the model was fitted on, in their order",
                width.unwrap_or_default()
            )));
        }
        features.iter().try_for_each(|feature| fits(feature, element)).map_err(wrong)?;
        return Ok(OnnxInput::Rows { name: input.name.clone(), element });
    }
    let unknown: Vec<&str> = inputs
        .iter()
        .map(|input| input.name.as_str())
        .filter(|name| !features.iter().any(|feature| feature.name == *name))
        .collect();
    let missing: Vec<&str> = features
        .iter()
        .map(|feature| feature.name.as_str())
        .filter(|name| !inputs.iter().any(|input| input.name == *name))
        .collect();
    if !(unknown.is_empty() && missing.is_empty()) {
        let list = |names: &[&str]| names.join("`, `");
        return Err(wrong(match (unknown.is_empty(), missing.is_empty()) {
            (false, true) => format!("there is no feature for `{}`", list(&unknown)),
            (true, _) => format!("the model does not take `{}`: leave it out of the features", list(&missing)),
            (false, false) => {
                format!(
                    "`{}` is no feature and `{}` is no input; names have to be the same",
                    list(&unknown),
                    list(&missing)
                )
            }
        }));
    }
    let column = |feature: &Column| {
        let input = inputs.iter().find(|input| input.name == feature.name);
        let input = input.ok_or_else(|| format!("there is no input for `{}`", feature.name))?;
        let element = element_of(input)?;
        fits(feature, element)?;
        let flat = match shape(input).as_deref() {
            None | Some([_, None | Some(1)]) => false,
            Some([_]) => true,
            Some(_) => return Err(format!("the input `{}` has to be [rows, 1]", input.name)),
        };
        Ok(OnnxColumn { element, flat })
    };
    features.iter().map(column).collect::<Result<_, _>>().map(OnnxInput::Columns).map_err(wrong)
}

fn element_of(input: &ValueInfoProto) -> Result<OnnxElement, String> {
    match element(input) {
        Some(DataType::Float) => Ok(OnnxElement::Float),
        Some(DataType::Double) => Ok(OnnxElement::Double),
        Some(DataType::Int64) => Ok(OnnxElement::Integer),
        Some(DataType::String) => Ok(OnnxElement::Text),
        _ => Err(format!("the input `{}` has to be of float, double, int64 or string", input.name)),
    }
}

/// Whether the values of a feature go into a tensor of `element`.
fn fits(feature: &Column, element: OnnxElement) -> Result<(), String> {
    let name = &feature.name;
    match (feature.kind, element) {
        (Kind::Category, OnnxElement::Text) => Ok(()),
        (Kind::Category, _) => match feature.levels.iter().find(|level| level_value(level, element).is_none()) {
            Some(level) => Err(format!("the model takes {element}, and the level {level:?} of `{name}` is none")),
            None => Ok(()),
        },
        (_, OnnxElement::Text) => Err(format!("the model takes `{name}` as a text: declare it as a category")),
        (Kind::Float | Kind::Date, OnnxElement::Integer) => {
            Err(format!("the model takes `{name}` as an integer: declare it as one"))
        }
        _ => Ok(()),
    }
}

/// The number that a level spells, where it goes into a tensor of `element`.
pub(super) fn level_value(level: &str, element: OnnxElement) -> Option<f64> {
    let value: f64 = level.trim().parse().ok()?;
    (value.is_finite() && (element != OnnxElement::Integer || is_integer(value))).then_some(value)
}

/// Whether it is a whole number that an `f64` holds exactly.
pub(super) fn is_integer(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() <= MAX_EXACT_INTEGER as f64
}

pub(super) fn output(graph: &Graph, target: &Column) -> Result<OnnxOutput, OnnxError> {
    let wrong = |why: &str| OnnxError::Output {
        target: target.name.clone(),
        outputs: graph.outputs().iter().map(describe).collect(),
        why: why.to_owned(),
    };
    let floats: Vec<&ValueInfoProto> = graph
        .outputs()
        .iter()
        .filter(|output| matches!(element(output), Some(DataType::Float | DataType::Double)))
        .collect();
    if target.kind != Kind::Category {
        let named = |name: &str| floats.iter().find(|output| output.name == name);
        let found = named("variable").or(floats.first()).ok_or_else(|| {
            wrong("a model of numbers has to give a tensor of floats; for classes, declare the target as a category")
        })?;
        if width(found).is_some_and(|width| width != 1) {
            return Err(wrong("it should be [rows, 1]; for classes, declare the target as a category"));
        }
        return Ok(OnnxOutput { tensor: found.name.clone(), column: 0, probability: false });
    }
    // A sequence of maps is made of a tensor, which holds the same.
    let zip = graph.outputs().iter().find_map(|output| {
        let node = graph.maker(&output.name).filter(|node| node.op_type == "ZipMap")?;
        Some((node.input.first()?, 2))
    });
    let probabilities = || {
        let found = floats.iter().find(|output| output.name.contains("prob")).or(floats.first())?;
        Some((&found.name, width(found).unwrap_or(2)))
    };
    let (tensor, width) = zip.or_else(probabilities).ok_or_else(|| wrong(PROBABILITIES))?;
    let column = match width {
        1 => 0,
        2 => column(graph, target)?,
        _ => return Err(wrong("it should be [rows, 2]; the probabilities of two classes")),
    };
    Ok(OnnxOutput { tensor: tensor.clone(), column, probability: true })
}

fn width(output: &ValueInfoProto) -> Option<i64> {
    match shape(output)?.as_slice() {
        [_] => Some(1),
        [_, width] => *width,
        _ => Some(0),
    }
}

/// The column of the probability of the target's second level.
fn column(graph: &Graph, target: &Column) -> Result<usize, OnnxError> {
    let [first, second] = target.levels.as_slice() else { return Ok(1) };
    // Not all exports say their classes.
    let sorted = || is_sorted(first, second);
    let Some(classes) = graph.nodes().iter().rev().find_map(classes) else { return Ok(usize::from(sorted())) };
    let same =
        |class: &str, level: &str| class == level || class.parse::<f64>().is_ok_and(|class| level.parse() == Ok(class));
    match classes.as_slice() {
        [a, b] if same(a, first) && same(b, second) => Ok(1),
        [a, b] if same(a, second) && same(b, first) => Ok(0),
        _ => Err(OnnxError::Classes { target: target.name.clone(), classes, levels: target.levels.clone() }),
    }
}

/// Whether these classes are in the order in which scikit-learn and its kin have them: as numbers, else as texts.
pub(super) fn is_sorted(first: &str, second: &str) -> bool {
    match (first.parse::<f64>(), second.parse::<f64>()) {
        (Ok(first), Ok(second)) => first <= second,
        _ => first <= second,
    }
}

/// The classes that a node names.
fn classes(node: &NodeProto) -> Option<Vec<String>> {
    let ints = ["classlabels_int64s", "classlabels_ints"].iter().find_map(|name| attribute(node, name));
    let ints = ints.map(|labels| labels.ints.iter().map(ToString::to_string).collect::<Vec<_>>());
    let texts = attribute(node, "classlabels_strings").map(|labels| {
        labels.strings.iter().map(|label| String::from_utf8_lossy(label).into_owned()).collect::<Vec<_>>()
    });
    ints.into_iter().chain(texts).find(|classes| !classes.is_empty())
}
