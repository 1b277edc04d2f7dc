//! Graphs that no tool writes.
#![allow(clippy::unwrap_used, reason = "what a test is made of is there, or it fails")]

use proptest::prelude::*;
use prost::Message as _;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto::Dimension,
    tensor_shape_proto::dimension, type_proto,
};

use super::{Onnx, OnnxError};
use crate::{Column, Kind, Range, Unseen};

fn column(name: &str) -> Column {
    Column::new(name, Kind::Float, None, Range { min: 0.0, max: 1.0 })
}

fn value(name: &str, kind: DataType, dims: &[Option<i64>]) -> ValueInfoProto {
    let dim = |dim: &Option<i64>| Dimension { value: dim.map(dimension::Value::DimValue), ..Default::default() };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: kind as i32, shape: Some(shape) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() }
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: outputs.iter().map(ToString::to_string).collect(),
        attribute,
        ..Default::default()
    }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let (name, r#type) = (name.to_owned(), AttributeType::Ints as i32);
    AttributeProto { name, r#type, ints: ints.to_vec(), ..Default::default() }
}

fn floats(name: &str, floats: &[f32]) -> AttributeProto {
    let (name, r#type) = (name.to_owned(), AttributeType::Floats as i32);
    AttributeProto { name, r#type, floats: floats.to_vec(), ..Default::default() }
}

fn texts(name: &str, texts: &[&str]) -> AttributeProto {
    let strings = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Strings as i32, strings, ..Default::default() }
}

fn text(name: &str, text: &str) -> AttributeProto {
    let (name, s) = (name.to_owned(), text.as_bytes().to_vec());
    AttributeProto { name, r#type: AttributeType::String as i32, s, ..Default::default() }
}

fn weights(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..Default::default()
    }
}

/// A graph from `X`, two floats a row, to `y`.
fn graph(nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> GraphProto {
    GraphProto {
        node: nodes,
        initializer,
        input: vec![value("X", DataType::Float, &[None, Some(2)])],
        output: vec![value("y", DataType::Float, &[None, Some(1)])],
        ..Default::default()
    }
}

fn bytes(graph: GraphProto) -> Vec<u8> {
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    let opset_import = vec![opset("", 18), opset("ai.onnx.ml", 3)];
    ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..Default::default() }.encode_to_vec()
}

fn taken(graph: GraphProto) -> Result<Onnx, OnnxError> {
    Onnx::new(bytes(graph), &[column("a"), column("b")], &column("t"))
}

#[track_caller]
fn refused(graph: GraphProto, says: &str) {
    let error = taken(graph).unwrap_err().to_string();
    assert!(error.contains(says), "{error:?} does not say {says:?}");
}

/// `y = X · w` with a column of weights.
fn product() -> GraphProto {
    graph(vec![node("MatMul", &["X", "w"], &["y"], vec![])], vec![weights("w", &[2, 1], &[2.0, 3.0])])
}

fn predict(onnx: &Onnx, rows: &[f64]) -> Vec<f64> {
    let mut predictions = vec![0.0; rows.len() / onnx.runner.as_ref().map_or(1, |_| 2)];
    onnx.predict(rows, &mut predictions).unwrap();
    predictions
}

#[test]
fn a_plain_graph_predicts_one_row_and_many() {
    let onnx = taken(product()).unwrap();
    assert_eq!(predict(&onnx, &[1.0, 2.0]), [8.0]);
    let rows: Vec<f64> = (0..2000).map(f64::from).collect();
    let expected: Vec<f64> = rows.chunks(2).map(|row| 2.0 * row[0] + 3.0 * row[1]).collect();
    assert_eq!(predict(&onnx, &rows), expected);
}

#[test]
fn graphs_that_contradict_themselves() {
    assert!(matches!(Onnx::new(b"no protobuf".to_vec(), &[], &column("t")), Err(OnnxError::Parse(_))));
    assert!(matches!(Onnx::new(Vec::new(), &[], &column("t")), Err(OnnxError::Parse(_))));
    refused(graph(vec![node("Add", &["X", "z"], &["y"], vec![])], vec![]), "takes `z`, which nothing before it gives");
    let cycle = vec![node("Add", &["X", "y"], &["z"], vec![]), node("Neg", &["z"], &["y"], vec![])];
    refused(graph(cycle, vec![]), "takes `y`, which nothing before it gives");
    let twice = vec![node("Neg", &["X"], &["y"], vec![]), node("Abs", &["X"], &["y"], vec![])];
    refused(graph(twice, vec![]), "gives `y`, which is there already");
    refused(graph(vec![], vec![]), "nothing gives the output `y`");
    let lie = graph(vec![node("MatMul", &["X", "w"], &["y"], vec![])], vec![weights("w", &[1 << 40, 1], &[1.0])]);
    refused(lie, "the tensor `w` has not the values of its shape");
    let mut external = product();
    external.initializer[0].data_location = Some(1);
    refused(external, "the tensor `w` is in another file");
    let wide = graph(vec![node("Neg", &["X"], &["y"], vec![])], vec![]);
    refused(wide, "its output `y` has 2 columns");
}

#[test]
fn operators_and_graphs_within_are_named() {
    refused(graph(vec![node("Expand", &["X", "X"], &["y"], vec![])], vec![]), "1 operator is not supported: Expand");
    let mut foreign = node("Neg", &["X"], &["y"], vec![]);
    foreign.domain = "com.example".to_owned();
    foreign.name = "mine".to_owned();
    refused(graph(vec![foreign], vec![]), "not supported: Neg (`mine`)");
    let mut looping = node("Abs", &["X"], &["y"], vec![]);
    looping.attribute.push(AttributeProto { g: Some(GraphProto::default()), ..Default::default() });
    refused(graph(vec![looping], vec![]), "with a graph of its own");
}

#[test]
fn constants_and_tensors_that_explode_are_refused() {
    let values = vec![1.0; 5000];
    let outer = vec![node("MatMul", &["u", "v"], &["w"], vec![]), node("Add", &["X", "w"], &["y"], vec![])];
    refused(graph(outer, vec![weights("u", &[5000, 1], &values), weights("v", &[1, 5000], &values)]), "too large");
    // X times a row of weights, and that times itself: 25 million values a row.
    let growing = vec![
        node("MatMul", &["X", "w"], &["a"], vec![]),
        node("Unsqueeze", &["a", "one"], &["b"], vec![]),
        node("Unsqueeze", &["a", "two"], &["c"], vec![]),
        node("Mul", &["b", "c"], &["d"], vec![]),
        node("ReduceMax", &["d"], &["y"], vec![]),
    ];
    let axis = |name: &str, axis: i64| TensorProto {
        name: name.to_owned(),
        dims: vec![1],
        data_type: DataType::Int64 as i32,
        int64_data: vec![axis],
        ..Default::default()
    };
    let tensors = vec![weights("w", &[2, 5000], &vec![1.0; 10_000]), axis("one", 1), axis("two", 2)];
    refused(graph(growing, tensors), "too large to be run");
    // Twice as long thirty times.
    let mut nodes = vec![node("Concat", &["w", "w"], &["c0"], vec![])];
    for step in 1..30 {
        let (from, to) = (format!("c{}", step - 1), format!("c{step}"));
        nodes.push(node("Concat", &[&from, &from], &[&to], vec![]));
    }
    nodes.push(node("MatMul", &["X", "w"], &["y"], vec![]));
    refused(graph(nodes, vec![weights("w", &[2, 1], &[1.0, 1.0])]), "too large");
}

#[test]
fn a_dimension_is_no_formula() {
    let mut deep = product();
    let formula = "(".repeat(200_000);
    if let Some(type_proto::Value::TensorType(tensor)) = &mut deep.input[0].r#type.as_mut().unwrap().value {
        tensor.shape.as_mut().unwrap().dim[0].value = Some(dimension::Value::DimParam(formula));
    }
    assert_eq!(predict(&taken(deep).unwrap(), &[1.0, 2.0]), [8.0]);
}

/// A tree of nodes `(id, mode, true, false)` that asks feature 0.
fn tree(nodes: &[(i64, &str, i64, i64)], missing: &[i64]) -> GraphProto {
    let each = |of: fn(&(i64, &str, i64, i64)) -> i64| nodes.iter().map(of).collect::<Vec<_>>();
    let modes: Vec<&str> = nodes.iter().map(|node| node.1).collect();
    let leaves: Vec<i64> = nodes.iter().filter(|node| node.1 == "LEAF").map(|node| node.0).collect();
    let zeros = vec![0; nodes.len()];
    let mut attributes = vec![
        ints("nodes_treeids", &zeros),
        ints("nodes_nodeids", &each(|node| node.0)),
        ints("nodes_featureids", &zeros),
        floats("nodes_values", &vec![0.5; nodes.len()]),
        texts("nodes_modes", &modes),
        ints("nodes_truenodeids", &each(|node| node.2)),
        ints("nodes_falsenodeids", &each(|node| node.3)),
        ints("target_treeids", &vec![0; leaves.len()]),
        ints("target_nodeids", &leaves),
        ints("target_ids", &vec![0; leaves.len()]),
        floats("target_weights", &leaves.iter().map(|id| *id as f32).collect::<Vec<_>>()),
    ];
    if !missing.is_empty() {
        attributes.push(ints("nodes_missing_value_tracks_true", missing));
    }
    graph(vec![node("TreeEnsembleRegressor", &["X"], &["y"], attributes)], vec![])
}

#[test]
fn every_way_to_compare() {
    let at = [0.0, 0.5, 1.0, f64::NAN];
    for (mode, holds) in [
        ("BRANCH_LEQ", [true, true, false, false]),
        ("BRANCH_LT", [true, false, false, false]),
        ("BRANCH_GTE", [false, true, true, false]),
        ("BRANCH_GT", [false, false, true, false]),
        ("BRANCH_EQ", [false, true, false, false]),
        ("BRANCH_NEQ", [true, false, true, true]),
    ] {
        let nodes = [(0, mode, 1, 2), (1, "LEAF", 0, 0), (2, "LEAF", 0, 0)];
        let onnx = taken(tree(&nodes, &[])).unwrap();
        let missing = taken(tree(&nodes, &[1, 0, 0])).unwrap();
        for (value, holds) in at.iter().zip(holds) {
            let leaf = |holds: bool| [if holds { 1.0 } else { 2.0 }];
            assert_eq!(predict(&onnx, &[*value, 0.0]), leaf(holds), "{mode} {value}");
            assert_eq!(predict(&missing, &[*value, 0.0]), leaf(holds || value.is_nan()), "{mode} {value}, missing");
        }
    }
}

#[test]
fn the_trees_are_aggregated_as_said() {
    for (how, expected) in [("SUM", 5.0), ("AVERAGE", 3.0), ("MIN", 2.0), ("MAX", 5.0)] {
        let attributes = vec![
            ints("nodes_treeids", &[0, 1]),
            ints("nodes_nodeids", &[0, 0]),
            ints("nodes_featureids", &[0, 0]),
            floats("nodes_values", &[0.0, 0.0]),
            texts("nodes_modes", &["LEAF", "LEAF"]),
            ints("nodes_truenodeids", &[0, 0]),
            ints("nodes_falsenodeids", &[0, 0]),
            ints("target_treeids", &[0, 1]),
            ints("target_nodeids", &[0, 0]),
            ints("target_ids", &[0, 0]),
            floats("target_weights", &[1.0, 3.0]),
            floats("base_values", &[1.0]),
            text("aggregate_function", how),
        ];
        let onnx = taken(graph(vec![node("TreeEnsembleRegressor", &["X"], &["y"], attributes)], vec![])).unwrap();
        let expected = if how == "MAX" { 4.0 } else { expected };
        assert_eq!(predict(&onnx, &[0.0, 0.0]), [expected], "{how}");
    }
}

#[test]
fn trees_that_lead_nowhere() {
    let leaf = |id| (id, "LEAF", 0, 0);
    refused(tree(&[(0, "BRANCH_LEQ", 1, 9), leaf(1)], &[]), "node 0 of tree 0 leads to 9, which is no node");
    refused(tree(&[(0, "BRANCH_LEQ", 0, 1), leaf(1)], &[]), "the tree 0 has no root");
    let behind = [(0, "BRANCH_LEQ", 1, 2), leaf(1), (2, "BRANCH_LEQ", 3, 2), leaf(3)];
    refused(tree(&behind, &[]), "more than one way leads to");
    refused(tree(&[(0, "BRANCH_LEQ", 1, 1), leaf(1)], &[]), "more than one way leads to");
    refused(tree(&[leaf(0), leaf(1)], &[]), "the tree 0 has two roots");
    refused(tree(&[leaf(0), leaf(0)], &[]), "a node of a tree is there twice");
    refused(tree(&[(0, "BRANCH_WHAT", 1, 2), leaf(1), leaf(2)], &[]), "BRANCH_WHAT");
    refused(tree(&[(0, "BRANCH_LEQ", 1, 2), leaf(1), leaf(2)], &[1]), "has 1 entries for 3 nodes");
    // As deep as a tree can be: a walk, no recursion.
    let mut deep: Vec<_> = (0..50_000).map(|id| (2 * id, "BRANCH_LEQ", 2 * id + 1, 2 * id + 2)).collect();
    deep.extend((0..50_000).map(|id| leaf(2 * id + 1)));
    deep.push(leaf(100_000));
    assert_eq!(predict(&taken(tree(&deep, &[])).unwrap(), &[1.0, 0.0]), [100_000.0]);
}

#[test]
fn inputs_and_outputs_that_do_not_fit_are_named() {
    let new =
        |features: &[Column], target: &Column| Onnx::new(bytes(product()), features, target).unwrap_err().to_string();
    let error = new(&[column("a")], &column("t"));
    assert!(error.contains("takes float `X` [?, 2], and the data has float `a`"), "{error}");
    let levels = |levels: [&str; 2]| Column::category("c", levels.map(str::to_owned).to_vec(), Unseen::Refuse);
    let error = new(&[column("a"), levels(["red", "blue"])], &column("t"));
    assert!(error.contains("the level \"red\" of `c` is none"), "{error}");
    // Levels that spell numbers go in as those.
    let onnx = Onnx::new(bytes(product()), &[column("a"), levels(["10", "20"])], &column("t")).unwrap();
    assert_eq!(predict(&onnx, &[1.0, 1.0]), [62.0]);

    let mut two = product();
    two.input = vec![value("a", DataType::Float, &[None, Some(1)]), value("c", DataType::Float, &[None, Some(1)])];
    two.node.insert(
        0,
        node(
            "Concat",
            &["a", "c"],
            &["X"],
            vec![AttributeProto {
                name: "axis".to_owned(),
                r#type: AttributeType::Int as i32,
                i: 1,
                ..Default::default()
            }],
        ),
    );
    refused(two.clone(), "`c` is no feature and `b` is no input");
    let onnx = Onnx::new(bytes(two), &[column("c"), column("a")], &column("t")).unwrap();
    assert_eq!(predict(&onnx, &[1.0, 2.0]), [7.0], "by name, not by place");

    let mut labels = product();
    labels.output[0] = value("y", DataType::Int64, &[None]);
    let error = Onnx::new(bytes(labels), &[column("a"), column("b")], &levels(["0", "1"])).unwrap_err().to_string();
    assert!(error.contains("options={'zipmap': False}"), "{error}");
}

#[test]
fn values_that_do_not_go_in() {
    let onnx = taken(product()).unwrap();
    let mut predictions = vec![0.0; 2];
    let says =
        |onnx: &Onnx, rows: &[f64], predictions: &mut [f64]| onnx.predict(rows, predictions).unwrap_err().to_string();
    let error = says(&onnx, &[1.0, 1.0, 1e300, 1.0], &mut predictions);
    assert!(error.starts_with("row 1, feature ``: 1") || error.starts_with("row 1, feature `a`: 1"), "{error}");
    assert_eq!(
        says(&onnx, &[1.0, 1.0, f64::INFINITY, 1.0], &mut predictions),
        "row 1, feature `a`: inf is not a finite number"
    );
    assert_eq!(
        says(&onnx, &[1.0, 1.0, 1.0, f64::NAN], &mut predictions),
        "row 1, feature `b`: NaN is not a finite number"
    );
    assert_eq!(says(&onnx, &[1.0, 1.0, 3e38, 1.0], &mut predictions), "row 1: the prediction overflows");
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/onnx/{name}.onnx", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A file with some bytes changed is a model or an error.
    #[test]
    fn any_bytes_are_survived(
        which in 0..4_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let mut bytes = file(["gradient_boosting", "logistic_text_zipmap", "mlp", "polynomial"][which]);
        for (place, byte) in &changes {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let features = ["a", "b", "c", "d"].map(column);
        let target = match which {
            1 => Column::category("t", vec!["no".to_owned(), "yes".to_owned()], Unseen::Refuse),
            _ => column("t"),
        };
        if let Ok(onnx) = Onnx::new(bytes, &features, &target) {
            let mut predictions = [0.0; 3];
            let _ = onnx.predict(&[0.5; 12], &mut predictions);
        }
    }
}
