//! Levels of categories that a fit can say nothing about.

use mlci_model::Kind;

use crate::{Gathered, TrainError, read::some};

/// Refuses categories with levels that no row to train on has: their columns would be constant. Levels are those of all
/// rows, or those declared, so that a level that is rare may be held out as a whole.
pub(crate) fn refuse_unlearnable(gathered: &Gathered) -> Result<(), TrainError> {
    let features = &gathered.schema.features;
    for (position, column) in features.iter().enumerate().filter(|(_, column)| column.kind == Kind::Category) {
        let counts = gathered.levels.of_training(position);
        let (there, absent): (Vec<_>, Vec<_>) = column.levels.iter().zip(counts).partition(|(_, count)| **count > 0);
        if !absent.is_empty() || there.len() < 2 {
            let names = |levels: Vec<(&String, &u64)>| levels.into_iter().map(|(level, _)| level.clone()).collect();
            let (column, rows) = (column.name.clone(), gathered.rows.train as usize);
            return Err(TrainError::Levels { column, levels: names(absent), others: names(there), rows });
        }
    }
    Ok(())
}

pub(crate) fn explain(column: &str, levels: &[String], others: &[String], rows: usize) -> String {
    if let [level] = others {
        return format!(
            "`{column}` is `{level}` in all {rows} training rows and can explain nothing: write `[data] exclude = \
             [{column:?}]`"
        );
    }
    let kept: Vec<String> = others.iter().take(20).map(|level| format!("{level:?}")).collect();
    let more = if others.len() > kept.len() { ", …" } else { "" };
    format!(
        "no training row has {} of `{column}`, so that nothing can be learned of {}: add rows, or count such rows as \
         the base level: `[data.columns.{column:?}] levels = [{}{more}]` and `unseen = \"base\"`",
        some(levels),
        if levels.len() == 1 { "it" } else { "them" },
        kept.join(", ")
    )
}
