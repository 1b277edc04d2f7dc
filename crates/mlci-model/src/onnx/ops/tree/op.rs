//! The operator that evaluates an ensemble.

use tract_onnx::tract_hir::{internal::*, tract_core::ops::cast::cast};

use super::ensemble::{Ensemble, Number};

/// What scores become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Finish {
    /// They stay as they are.
    None,
    Logistic,
    Softmax,
    /// As the softmax, but a score of 0 stays 0.
    SoftmaxZero,
    /// One score, a probability: of the first class what is left of 1.
    Complement,
    /// One score: of the first class its negative.
    Negative,
    /// One score: of the first class the logistic function of its negative.
    LogisticPair,
}

impl Finish {
    pub(super) fn parse(name: &str) -> TractResult<Self> {
        Ok(match name {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            _ => bail!("post_transform {name:?} is not supported"),
        })
    }

    /// Whether one score becomes two.
    fn is_pair(self) -> bool {
        matches!(self, Self::Complement | Self::Negative | Self::LogisticPair)
    }

    fn apply(self, scores: &[f32], out: &mut Vec<f32>) {
        let start = out.len();
        match (self, scores) {
            (Self::Complement, [score]) => out.extend([1.0 - score, *score]),
            (Self::Negative, [score]) => out.extend([-score, *score]),
            (Self::LogisticPair, [score]) => out.extend([logistic(-score), logistic(*score)]),
            (Self::Logistic, _) => out.extend(scores.iter().copied().map(logistic)),
            (Self::Softmax | Self::SoftmaxZero, _) => {
                let is_in = |score: f32| self == Self::Softmax || score.abs() > 1e-7;
                let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                out.extend(scores.iter().map(|score| if is_in(*score) { (score - largest).exp() } else { 0.0 }));
                let sum: f32 = out.iter().skip(start).sum();
                out.iter_mut().skip(start).for_each(|score| *score /= sum);
            }
            _ => out.extend(scores),
        }
    }
}

fn logistic(score: f32) -> f32 {
    // Of the absolute value, so that nothing overflows.
    let positive = 1.0 / (1.0 + (-score.abs()).exp());
    if score < 0.0 { 1.0 - positive } else { positive }
}

/// An ensemble: `[rows, features]` to `[rows, targets]`.
#[derive(Debug, Clone)]
pub(super) struct Trees<T> {
    ensemble: Arc<Ensemble<T>>,
    finish: Finish,
}

impl<T> PartialEq for Trees<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ensemble, &other.ensemble) && self.finish == other.finish
    }
}

impl<T> Eq for Trees<T> {}

impl<T: Number + Datum> Op for Trees<T> {
    fn name(&self) -> StaticName {
        "TreeEnsemble".into()
    }

    op_as_typed_op!();
}

impl<T: Number + Datum> EvalOp for Trees<T> {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let view = input.to_plain_array_view::<T>()?;
        let (rows, width) = match *view.shape() {
            [rows, width] if width >= self.ensemble.features && width > 0 => (rows, width),
            _ => bail!("trees that ask {} features cannot take {:?}", self.ensemble.features, view.shape()),
        };
        let values = view.as_slice().context("the rows are not in order")?;
        let scores = self.ensemble.score(values, width);
        let mut out = Vec::with_capacity(rows * self.width());
        let mut narrow = Vec::with_capacity(self.ensemble.targets);
        for scores in scores.chunks_exact(self.ensemble.targets) {
            narrow.clear();
            narrow.extend(scores.iter().map(|score| score.to_f32()));
            self.finish.apply(&narrow, &mut out);
        }
        Ok(tvec!(tract_ndarray::Array2::from_shape_vec((rows, self.width()), out)?.into_tvalue()))
    }
}

impl<T> Trees<T> {
    fn width(&self) -> usize {
        if self.finish.is_pair() { 2 } else { self.ensemble.targets }
    }
}

impl<T: Number + Datum> TypedOp for Trees<T> {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let fact = inputs.first().context("trees take one input")?;
        ensure!(fact.rank() == 2 && fact.datum_type == T::datum_type(), "trees take rows of features, not {fact:?}");
        let features = self.ensemble.features;
        if let Ok(width) = fact.shape[1].to_usize() {
            ensure!(width >= features, "the trees ask for {features} features, and rows have {width}");
        }
        Ok(tvec!(f32::fact([fact.shape[0].clone(), self.width().to_dim()])))
    }

    as_op!();
}

/// Wires an ensemble after `input`, and gives `[rows, targets]`.
pub(super) fn wire(
    ensemble: &Ensemble<f64>,
    finish: Finish,
    prefix: &str,
    model: &mut TypedModel,
    input: OutletId,
) -> TractResult<OutletId> {
    let fact = model.outlet_fact(input)?.clone();
    let mut x = input;
    if fact.rank() == 1 {
        x = model.wire_node(format!("{prefix}.one_row"), AxisOp::Add(0), &[x])?[0];
    }
    let name = format!("{prefix}.trees");
    if fact.datum_type == f64::datum_type() {
        let trees = Trees { ensemble: Arc::new(ensemble.clone()), finish };
        return Ok(model.wire_node(name, trees, &[x])?[0]);
    }
    if fact.datum_type != f32::datum_type() {
        x = model.wire_node(format!("{prefix}.to_f32"), cast(f32::datum_type()), &[x])?[0];
    }
    let trees = Trees { ensemble: Arc::new(ensemble.narrow()), finish };
    Ok(model.wire_node(name, trees, &[x])?[0])
}
