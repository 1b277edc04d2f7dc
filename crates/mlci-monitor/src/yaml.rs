use serde::Serialize;

use crate::{Error, Result};

/// A document below a comment, a line each.
pub(crate) fn document<T: Serialize>(path: &str, header: &str, value: &T) -> Result<String> {
    let options = serde_saphyr::ser_options! { compact_list_indent: false, prefer_block_scalars: false };
    let body = serde_saphyr::to_string_with_options(value, options)
        .map_err(|source| Error::Yaml { path: path.to_owned(), source: Box::new(source) })?;
    let header: String = header.lines().map(|line| format!("# {line}\n")).collect();
    Ok(format!("{header}{body}"))
}
