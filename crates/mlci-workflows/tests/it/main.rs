//! The crate from the outside: golden files, parsing back, and the structure of what is rendered.

mod golden;
mod parse_back;
mod sample;
mod structure;
