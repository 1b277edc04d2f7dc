//! Runs a graph by tract.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::{
    prelude::{
        DatumType, Framework as _, InferenceFact, InferenceModelExt as _, IntoRunnable as _, SymbolValues, TDim, TVec,
        ToDim as _, TractResult, TypedModel, TypedRunnableModel,
    },
    tract_hir::internal::{DimLike as _, TypedFact},
};

use super::{
    OnnxError, OnnxInput, OnnxOutput,
    feed::Feed,
    graph::{ELEMENTS, Graph},
    ops, resolve,
};
use crate::{Column, PredictError};

/// Rows that go through the graph at once, where their tensors hold no more than [`ELEMENTS`] in all.
const BATCH: usize = 256;

type Plan = std::sync::Arc<TypedRunnableModel>;

/// A graph that is ready to run.
pub(super) struct Runner {
    features: Vec<Column>,
    target: Column,
    input: OnnxInput,
    output: OnnxOutput,
    feed: Feed,
    /// For one row.
    one: Plan,
    /// For any number of rows; `None`: the graph is written for one.
    many: Option<Plan>,
    batch: usize,
}

impl Runner {
    /// Makes ready what predicts `target` from these features.
    pub(super) fn new(bytes: &[u8], features: &[Column], target: &Column) -> Result<Self, OnnxError> {
        let graph = Graph::read(bytes)?;
        let (input, output) = (resolve::input(&graph, features)?, resolve::output(&graph, target)?);
        let registry = ops::registry();
        let proto = graph.for_output(&output.tensor, |operator| registry.op_register.0.contains_key(operator))?;
        let feed = Feed::new(&input, features);
        let names: Vec<&str> = match &input {
            OnnxInput::Rows { name, .. } => vec![name],
            OnnxInput::Columns(_) => features.iter().map(|feature| feature.name.as_str()).collect(),
        };
        let build = |rows: Rows| {
            let typed = guarded(|| typed(&registry, &proto, &names, &feed.tensors(), rows))?;
            let elements = elements(&typed, rows)?;
            if elements > ELEMENTS {
                let what = format!("its tensors hold {elements} values, and at most {ELEMENTS} are held");
                return Err(OnnxError::Limit(what));
            }
            let width = width(&typed)?;
            let fits = if output.probability { width == 2 || width == 1 && output.column == 0 } else { width == 1 };
            if !fits {
                return Err(OnnxError::Graph(format!("its output `{}` has {width} columns", output.tensor)));
            }
            Ok((guarded(|| typed.into_optimized()?.into_runnable())?, elements))
        };
        let (one, elements) = build(Rows::One)?;
        let batch = BATCH.min(ELEMENTS / elements.max(1)).max(1);
        let many = build(Rows::UpTo(batch)).ok().map(|(plan, _)| plan);
        Ok(Self { features: features.to_vec(), target: target.clone(), input, output, feed, one, many, batch })
    }

    /// Whether it was made for these columns.
    pub(super) fn is_for(&self, features: &[Column], target: &Column) -> bool {
        self.features == features && self.target == *target
    }

    /// How the features go in and the prediction comes out.
    pub(super) fn binding(&self) -> (&OnnxInput, &OnnxOutput) {
        (&self.input, &self.output)
    }

    pub(super) fn predict(&self, rows: &[f64], predictions: &mut [f64]) -> Result<(), PredictError> {
        let width = self.features.len();
        let batch = if self.many.is_some() { self.batch } else { 1 };
        let batches = rows.chunks(batch * width).zip(predictions.chunks_mut(batch));
        for (place, (rows, predictions)) in batches.enumerate() {
            let first = place * batch;
            if let Err(error) = self.batch(rows, first, predictions) {
                return Err(self.blame(rows, first, predictions).err().unwrap_or(error));
            }
        }
        Ok(())
    }

    /// Row by row, to find the one that fails.
    fn blame(&self, rows: &[f64], first: usize, predictions: &mut [f64]) -> Result<(), PredictError> {
        let rows = rows.chunks(self.features.len()).zip(predictions.chunks_mut(1)).enumerate();
        for (place, (row, prediction)) in rows {
            self.batch(row, first + place, prediction).map_err(|error| match error {
                PredictError::OnnxRun { why, .. } => PredictError::OnnxRun { row: Some(first + place), why },
                other => other,
            })?;
        }
        Ok(())
    }

    fn batch(&self, rows: &[f64], first: usize, predictions: &mut [f64]) -> Result<(), PredictError> {
        let failed = |why: String| PredictError::OnnxRun { row: None, why };
        let plan = match &self.many {
            Some(many) if predictions.len() > 1 => many,
            _ => &self.one,
        };
        let tensors = self.feed.make(rows, first)?;
        let outputs = caught(|| plan.run(tensors)).map_err(failed)?;
        let output = outputs.first().ok_or_else(|| failed("it gives nothing".to_owned()))?;
        let shape = output.shape();
        let columns = match *shape {
            [rows] if rows == predictions.len() => 1,
            [rows, columns] if rows == predictions.len() && self.output.column < columns => columns,
            _ => {
                let name = &self.output.tensor;
                return Err(failed(format!("its output `{name}` is {shape:?} for {} rows", predictions.len())));
            }
        };
        let floats = caught(|| Ok(output.cast_to::<f64>()?.into_owned())).map_err(failed)?;
        let floats = floats.to_plain_array_view::<f64>().map_err(|error| failed(chain(&error)))?;
        for (place, prediction) in predictions.iter_mut().enumerate() {
            *prediction = floats
                .as_slice()
                .and_then(|all| all.get(place * columns + self.output.column))
                .copied()
                .unwrap_or(f64::NAN);
            let row = first + place;
            if !prediction.is_finite() {
                return Err(self.not_finite(rows, row, place));
            }
            if self.output.probability && !(-1e-6..=1.0 + 1e-6).contains(prediction) {
                let output = self.output.tensor.clone();
                return Err(PredictError::NoProbability { row, output, value: *prediction });
            }
            if self.output.probability {
                *prediction = prediction.clamp(0.0, 1.0);
            }
        }
        Ok(())
    }

    fn not_finite(&self, rows: &[f64], row: usize, place: usize) -> PredictError {
        let values = rows.iter().skip(place * self.features.len());
        let missing = self.features.iter().zip(values).find(|(_, value)| !value.is_finite());
        missing.map_or(PredictError::Overflow { row }, |(feature, value)| PredictError::NotFinite {
            row,
            feature: feature.name.clone(),
            value: *value,
        })
    }
}

#[derive(Clone, Copy)]
enum Rows {
    One,
    UpTo(usize),
}

fn typed(
    registry: &tract_onnx::Onnx,
    proto: &tract_onnx::pb::ModelProto,
    names: &[&str],
    tensors: &[(DatumType, Option<usize>)],
    rows: Rows,
) -> TractResult<TypedModel> {
    let mut model = registry.model_for_proto_model(proto)?;
    let count = match rows {
        Rows::One => 1.to_dim(),
        Rows::UpTo(_) => TDim::from(model.sym("rows")),
    };
    model = model.with_inputs_by_name(names)?;
    for (place, (datum, width)) in tensors.iter().enumerate() {
        let mut shape: TVec<TDim> = TVec::from_elem(count.clone(), 1);
        shape.extend(width.map(|width| width.to_dim()));
        model = model.with_input_fact(place, InferenceFact::dt_shape(*datum, shape))?;
    }
    model.into_typed()
}

/// How many elements all tensors have that depend on the rows, a batch of them.
fn elements(model: &TypedModel, rows: Rows) -> Result<usize, OnnxError> {
    let mut values = SymbolValues::default();
    if let Rows::UpTo(batch) = rows {
        values = values.with(&model.sym("rows"), batch as i64);
    }
    let volume = |fact: &TypedFact| {
        let mut dims = fact.shape.iter().map(|dim| dim.eval(&values).as_i64());
        dims.try_fold(1_usize, |product, dim| product.checked_mul(usize::try_from(dim?).ok()?))
    };
    let facts = model.nodes().iter().flat_map(|node| &node.outputs);
    facts
        .filter(|outlet| outlet.fact.konst.is_none())
        .try_fold(0_usize, |sum, outlet| sum.checked_add(volume(&outlet.fact)?))
        .ok_or_else(|| OnnxError::Limit("the shape of a tensor does not follow from the number of rows".to_owned()))
}

/// How many columns the output has.
fn width(model: &TypedModel) -> Result<usize, OnnxError> {
    let fact = model.output_fact(0).map_err(|error| OnnxError::Graph(chain(&error)))?;
    match &*fact.shape.to_tvec() {
        [_] => Ok(1),
        [_, width] => width.to_usize().map_err(|_| OnnxError::Graph(format!("its output has {width} columns"))),
        shape => Err(OnnxError::Graph(format!("its output has the shape {shape:?}, and should be [rows, columns]"))),
    }
}

fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, OnnxError> {
    caught(work).map_err(OnnxError::Graph)
}

/// tract checks most of what it is given; where it panics instead, that is an error of the model all the same. The
/// panic's message goes to the standard error stream, as the process's hook says.
fn caught<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| chain(&error)),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            Err(text.to_owned())
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &tract_onnx::tract_hir::internal::TractError) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join(": ").replace('\n', " ").chars().take(2000).collect()
}

// Threads that predict share it.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Runner>();
};
