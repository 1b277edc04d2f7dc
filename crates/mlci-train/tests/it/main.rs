//! What a user of the crate sees, from bytes to verdict.

// clippy.toml lifts these inside `#[test]` functions, but not in what they share.
#![allow(clippy::unwrap_used, clippy::panic)]

mod algorithms;
mod choice;
mod classes;
mod columns;
mod fit;
mod formats;
mod gather;
mod kinds;
mod leakage;
mod levels;
mod linear;
mod memory;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "parquet")]
mod parquet_copy;
mod read;
mod reference;
mod slices;
mod split;
mod train;
mod unlearned;
mod validation;
mod wine;

use std::io::{self, Read};

use mlci_train::{ColumnOptions, MissingPolicy, ReadError, ReadOptions, Table, read_csv};

/// Hands out one byte a read, as a slow pipe does.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(1);
        self.0.read(&mut buffer[..count])
    }
}

/// Reads `csv` with the target `y` and other options that `set` makes.
fn read(csv: impl AsRef<[u8]>, set: impl FnOnce(&mut ReadOptions)) -> Result<Table, ReadError> {
    let mut options = ReadOptions::new("y");
    set(&mut options);
    read_csv(csv.as_ref(), &options)
}

/// Reads `csv`, which is refused with an error that says all of `says`.
#[track_caller]
fn refused(csv: impl AsRef<[u8]>, set: impl FnOnce(&mut ReadOptions), says: &[&str]) -> ReadError {
    let error = read(csv, set).unwrap_err();
    for says in says {
        assert!(error.to_string().contains(says), "{error} does not say {says:?}");
    }
    error
}

fn exclude(names: &[&str]) -> impl FnOnce(&mut ReadOptions) {
    let names = names.iter().map(ToString::to_string).collect();
    move |options| options.exclude = names
}

fn drop_missing(options: &mut ReadOptions) {
    options.missing = MissingPolicy::Drop;
}

fn declare(name: &str, column: ColumnOptions) -> impl FnOnce(&mut ReadOptions) {
    let name = name.to_owned();
    move |options| drop(options.columns.insert(name, column))
}

/// `rows` rows of `y = 2·a - b + 1` plus a little, all different.
fn plane(rows: u32) -> String {
    let mut csv = String::from("a,b,y\n");
    for row in 0..rows {
        let (a, b) = (f64::from(row) / 8.0, f64::from(row * row % 31));
        csv += &format!("{a},{b},{}\n", 2.0 * a - b + 1.0 + f64::from(row % 5) / 16.0);
    }
    csv
}
