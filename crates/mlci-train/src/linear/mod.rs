//! Least squares of rows that come one block after the other, with what can be said about errors.

mod block;
mod centre;
mod factor;
mod householder;
mod inference;
mod levels;
mod moments;
mod ordered;
mod problem;
mod qr;

pub(crate) use self::{block::Summary, centre::Centre};
pub use self::{
    block::{BLOCK_ROWS, Block, BlockError, Statistic},
    inference::{FTest, Inference, LinearFit, LinearOptions, NoInference, TTest},
    moments::Moments,
    ordered::{Accumulator, OrderedMerge},
    qr::BlockQr,
};
