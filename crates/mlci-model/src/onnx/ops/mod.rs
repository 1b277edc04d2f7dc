//! Operators of `ai.onnx.ml` that tract does not have, or not whole.

use tract_onnx::Onnx;

mod binarizer;
mod feature;
mod imputer;
mod kernel;
mod label_encoder;
mod labels;
mod one_hot_encoder;
mod scaler;
mod svm;
mod tensors;
mod tree;

/// What models of rows and columns are made of. Others stay out: those with graphs of their own run as often as they like,
/// and those that make tensors of a size that is a value (`Expand`, `Range`, `Tile`) as large as they like.
const OPERATORS: &str = "
    Abs Add And ArgMax ArgMin ArrayFeatureExtractor BatchNormalization Binarizer Cast CategoryMapper Ceil Clip Concat
    Constant ConstantOfShape Div Dropout Elu Equal Erf Exp FeatureVectorizer Flatten Floor Gather Gelu Gemm Greater
    GreaterOrEqual HardSigmoid Identity Imputer IsInf IsNaN LabelEncoder LayerNormalization LeakyRelu Less LessOrEqual
    LinearClassifier LinearRegressor Log LogSoftmax MatMul Max Mean Min Mul Neg Normalizer Not OneHotEncoder Or PRelu
    Pow Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Round SVMRegressor Scaler Selu Shape Sigmoid Sign Slice Softmax Softplus Softsign Split
    Sqrt Squeeze Sub Sum Tanh ThresholdedRelu TopK Transpose TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor
    Unsqueeze Where Xor";

/// tract's operators and ours.
pub(super) fn registry() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    let register = &mut onnx.op_register;
    binarizer::register(register);
    feature::register(register);
    imputer::register(register);
    label_encoder::register(register);
    one_hot_encoder::register(register);
    scaler::register(register);
    svm::register(register);
    tree::register(register);
    register.0.retain(|name, _| OPERATORS.split_whitespace().any(|known| known == name));
    onnx
}
