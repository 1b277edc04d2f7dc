//! `SVMRegressor`: weighted kernels of support vectors.

use tract_onnx::{
    model::{OnnxOpRegister, ParsingContext},
    pb::NodeProto,
    tract_hir::internal::*,
};

use super::kernel::{Apply, Kernel};

pub(super) fn register(register: &mut OnnxOpRegister) {
    register.insert("SVMRegressor", regressor);
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Linear,
    Polynomial,
    Radial,
    Sigmoid,
}

fn regressor(_ctx: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let shape = match node.get_attr_opt("kernel_type")?.unwrap_or("LINEAR") {
        "LINEAR" => Shape::Linear,
        "POLY" => Shape::Polynomial,
        "RBF" => Shape::Radial,
        "SIGMOID" => Shape::Sigmoid,
        other => bail!("kernel_type {other:?} is not known"),
    };
    ensure!(node.get_attr_opt::<i64>("one_class")?.unwrap_or(0) == 0, "one_class is not supported");
    let transform = node.get_attr_opt("post_transform")?.unwrap_or("NONE");
    ensure!(transform == "NONE", "post_transform {transform:?} is not supported");
    let parameters = node.get_attr_opt_vec::<f32>("kernel_params")?.unwrap_or_else(|| vec![0.0; 3]);
    let [gamma, offset, degree] = parameters[..] else { bail!("kernel_params has {} entries", parameters.len()) };
    let coefficients: Vec<f32> = node.get_attr_vec("coefficients")?;
    let count = usize::try_from(node.get_attr_opt::<i64>("n_supports")?.unwrap_or(0))?;
    let vectors = node.get_attr_opt_vec::<f32>("support_vectors")?.unwrap_or_default();
    let rho = node.get_attr_opt_vec::<f32>("rho")?.unwrap_or_default();
    let [rho] = rho[..] else { bail!("rho has {} entries", rho.len()) };
    let (width, vectors, weights, shape) = if count == 0 {
        // The coefficients are those of the features.
        (coefficients.len(), coefficients, vec![1.0], Shape::Linear)
    } else {
        ensure!(coefficients.len() == count, "there are {} coefficients for {count} vectors", coefficients.len());
        ensure!(vectors.len().is_multiple_of(count), "{} values are not {count} vectors", vectors.len());
        (vectors.len() / count, vectors, coefficients, shape)
    };
    ensure!(width > 0, "its vectors have no features");
    Ok(Apply::boxed(SvmRegressor { shape, gamma, offset, degree, width, vectors, weights, rho }))
}

#[derive(Debug)]
struct SvmRegressor {
    shape: Shape,
    gamma: f32,
    offset: f32,
    degree: f32,
    width: usize,
    vectors: Vec<f32>,
    /// One a vector.
    weights: Vec<f32>,
    rho: f32,
}

impl SvmRegressor {
    fn kernel(&self, vector: &[f32], row: &[f32]) -> f32 {
        let pairs = || vector.iter().zip(row);
        let dot = || pairs().map(|(a, b)| a * b).sum::<f32>();
        match self.shape {
            Shape::Linear => dot(),
            Shape::Polynomial => (self.gamma * dot() + self.offset).powf(self.degree),
            Shape::Radial => (-self.gamma * pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f32>()).exp(),
            Shape::Sigmoid => (self.gamma * dot() + self.offset).tanh(),
        }
    }
}

impl Kernel for SvmRegressor {
    const NAME: &'static str = "SVMRegressor";

    fn output(&self, datum: DatumType, shape: &[TDim]) -> TractResult<(DatumType, TVec<TDim>)> {
        ensure!(datum.is_number(), "it takes numbers, not {datum:?}");
        let [rows, width] = shape else { bail!("it takes rows of features, not {shape:?}") };
        ensure!(*width == self.width.to_dim(), "its vectors have {} features, and rows have {width}", self.width);
        Ok((f32::datum_type(), tvec!(rows.clone(), 1.to_dim())))
    }

    fn run(&self, input: &Tensor) -> TractResult<Tensor> {
        let input = input.cast_to::<f32>()?;
        let view = input.to_plain_array_view::<f32>()?;
        let values = view.as_slice().context("the rows are not in order")?;
        let score = |row: &[f32]| {
            let vectors = self.vectors.chunks_exact(self.width).zip(&self.weights);
            vectors.map(|(vector, weight)| weight * self.kernel(vector, row)).sum::<f32>() + self.rho
        };
        let scores: Vec<f32> = values.chunks_exact(self.width).map(score).collect();
        Ok(tract_ndarray::Array2::from_shape_vec((scores.len(), 1), scores)?.into_tensor())
    }
}
