//! The commands that look things up and change nothing.

mod config;
mod doctor;
mod models;
mod runs;
mod table;
mod trace;

pub(crate) use self::table::table;
