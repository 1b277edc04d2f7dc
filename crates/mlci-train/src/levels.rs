//! Levels of categories that a fit can say nothing about.

use mlci_model::Kind;

use crate::{Gathered, TrainError, read::some};

/// Refuses categories with levels that no row to train on has: their columns would be constant. Levels are those of all
/// rows, or those declared, so that a level that is rare may be held out as a whole; those that may count as the base
/// level are none any more ([`UnlearnedLevels`](crate::UnlearnedLevels)).
pub(crate) fn refuse_unlearnable(gathered: &Gathered) -> Result<(), TrainError> {
    let features = &gathered.schema.features;
    for (position, column) in features.iter().enumerate().filter(|(_, column)| column.kind == Kind::Category) {
        let counts = gathered.levels.of_training(position);
        let (there, absent): (Vec<_>, Vec<_>) = column.levels.iter().zip(counts).partition(|(_, count)| **count > 0);
        if !absent.is_empty() || there.len() < 2 {
            let names = |levels: Vec<(&String, &u64)>| levels.into_iter().map(|(level, _)| level.clone()).collect();
            let (base, rows) = (column.levels.first().cloned().unwrap_or_default(), gathered.rows.train as usize);
            let (levels, others) = (names(absent), names(there));
            return Err(TrainError::Levels { column: column.name.clone(), base, levels, others, rows });
        }
    }
    Ok(())
}

pub(crate) fn explain(column: &str, base: &str, levels: &[String], others: &[String], rows: usize) -> String {
    if let [level] = others {
        return format!(
            "`{column}` is `{level}` in all {rows} training rows and can explain nothing: write `[data] exclude = \
             [{column:?}]`"
        );
    }
    let place = format!("[data.columns.{column:?}]");
    let fix = match others.first().filter(|_| levels.iter().any(|level| level == base)) {
        // Nothing can count as a base level of which nothing is known itself.
        Some(other) => format!(
            "name a base level that has some, `{place} base = {other:?}` (the first of `levels`, where these are \
             listed), and count such rows as it, `unseen = \"base\"`"
        ),
        None => format!("count such rows as the base level, `{base}`: `{place} unseen = \"base\"`"),
    };
    format!(
        "no training row has {} of `{column}`, so that nothing can be learned of {}: add rows, or {fix}",
        some(levels),
        if levels.len() == 1 { "it" } else { "them" },
    )
}
