//! The commands that look things up and change nothing.

mod config;
mod differences;
mod doctor;
mod models;
mod runs;
mod table;
mod trace;

pub(crate) use self::table::table;

/// A commit as people write it, with `+` where changes came on top of it.
fn short_source(source: &str) -> String {
    let commit: String = source.split('+').next().unwrap_or_default().chars().take(12).collect();
    if source.contains('+') { format!("{commit}+") } else { commit }
}
