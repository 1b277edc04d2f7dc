//! How a model does on groups of the rows.

mod check;
mod group;

pub(crate) use self::check::check;
pub use self::{
    check::{GroupReport, SliceReport},
    group::{Group, SliceColumn, SliceError, slices},
};
