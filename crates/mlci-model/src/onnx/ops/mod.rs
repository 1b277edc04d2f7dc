//! Operators of `ai.onnx.ml` that tract does not have.

use tract_onnx::Onnx;

mod scaler;

/// tract's operators and ours.
pub(super) fn registry() -> Onnx {
    let mut onnx = tract_onnx::onnx();
    let register = &mut onnx.op_register;
    scaler::register(register);
    onnx
}
