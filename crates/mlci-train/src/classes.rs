//! Targets that name one of two classes.

use mlci_model::{Column, Kind, Unseen};
use ndarray::ArrayView1;

use crate::{RowUnit, table::RowNumbers};

/// A target that does not tell two classes apart, or does where it should not.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassError {
    /// Not two classes.
    #[error("`{target}` has {} class{} ({}), and a classifier tells two apart: leave out rows of the others, or put \
        classes together", levels.len(), if levels.len() == 1 { "" } else { "es" }, some(levels))]
    Count {
        /// The target.
        target: String,
        /// Its classes.
        levels: Vec<String>,
    },
    /// A number that is no class.
    #[error(
        "`{target}` is {value} in {unit} {line}, one of {count} training rows where it is not 0 or 1: choose an algorithm \
        that predicts numbers, such as `ols`, or declare the column a category (`[data.columns]`)"
    )]
    NotBinary {
        /// The target.
        target: String,
        /// The first line with such a number, or row.
        line: u64,
        /// Which of both.
        unit: RowUnit,
        /// The number.
        value: f64,
        /// How many rows there are.
        count: usize,
    },
    /// The class that should be class 1 is none.
    #[error("`[train] positive` is {positive:?}, and the classes of `{target}` are {}", some(levels))]
    Positive {
        /// The target.
        target: String,
        /// What was asked for.
        positive: String,
        /// Its classes.
        levels: Vec<String>,
    },
    /// A class where a number should be.
    #[error(
        "`{target}` is a category, and `{algorithm}` predicts numbers: write `[train] algorithm = \"logistic\"` for \
        two classes, or choose another target"
    )]
    NotNumeric {
        /// The target.
        target: String,
        /// The algorithm.
        algorithm: &'static str,
    },
    /// A class that the model does not know.
    #[error("{unit} {line} is of class {class:?}, and the model tells {} apart", some(levels))]
    Unknown {
        /// The line, or row.
        line: u64,
        /// Which of both.
        unit: RowUnit,
        /// The class.
        class: String,
        /// Those of the model.
        levels: Vec<String>,
    },
}

fn some(levels: &[String]) -> String {
    const MOST: usize = 5;
    let mut text = levels.iter().take(MOST).map(|level| format!("{level:?}")).collect::<Vec<_>>().join(", ");
    if levels.len() > MOST {
        text += ", …";
    }
    text
}

/// The target as two classes, class 1 the one that is `positive`, or else the second: a category of two levels, or
/// numbers that are 0 and 1.
pub(crate) fn column(
    target: &Column,
    values: ArrayView1<'_, f64>,
    positive: Option<&str>,
    numbers: RowNumbers<'_>,
) -> Result<Column, ClassError> {
    let name = || target.name.clone();
    let levels = if target.kind == Kind::Category {
        target.levels.clone()
    } else {
        let mut others = values.iter().enumerate().filter(|(_, value)| **value != 0.0 && **value != 1.0);
        if let Some((row, &value)) = others.next() {
            let (count, line, unit) = (1 + others.count(), numbers.of(row), numbers.unit);
            return Err(ClassError::NotBinary { target: name(), line, unit, value, count });
        }
        vec!["0".to_owned(), "1".to_owned()]
    };
    if levels.len() != 2 {
        return Err(ClassError::Count { target: name(), levels });
    }
    let mut column = Column::category(&target.name, levels, Unseen::Refuse);
    if is_reversed(&column, positive)? {
        column.levels.reverse();
    }
    Ok(column)
}

/// Whether the class that should be class 1 is class 0 of the target; not of one that has no classes.
pub(crate) fn is_reversed(target: &Column, positive: Option<&str>) -> Result<bool, ClassError> {
    let (Some(positive), Kind::Category) = (positive, target.kind) else { return Ok(false) };
    match target.levels.iter().position(|level| level == positive) {
        Some(position) => Ok(position == 0),
        None => Err(ClassError::Positive {
            target: target.name.clone(),
            positive: positive.to_owned(),
            levels: target.levels.clone(),
        }),
    }
}

/// Makes values of the column `from` those of `to`, where that has classes: the position of a row's class among them.
pub(crate) fn renumber(
    values: &mut [f64],
    from: &Column,
    to: &Column,
    numbers: RowNumbers<'_>,
) -> Result<(), ClassError> {
    if to.kind != Kind::Category || from.kind == Kind::Category && from.levels == to.levels {
        return Ok(());
    }
    for (row, value) in values.iter_mut().enumerate() {
        let class = match from.kind {
            Kind::Category => from.levels.get(*value as usize).cloned().unwrap_or_default(),
            // -0 is 0.
            _ => (*value + 0.0).to_string(),
        };
        let Some(position) = to.levels.iter().position(|level| *level == class) else {
            let (line, unit) = (numbers.of(row), numbers.unit);
            return Err(ClassError::Unknown { line, unit, class, levels: to.levels.clone() });
        };
        *value = position as f64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    const LINES: RowNumbers<'_> = RowNumbers { unit: RowUnit::Line, numbers: &[2, 3, 4] };

    fn category(levels: &[&str]) -> Column {
        Column::category("y", levels.iter().map(ToString::to_string).collect(), Unseen::Refuse)
    }

    #[test]
    fn categories_of_two_levels_are_classes() {
        let values = array![0.0, 1.0, 1.0];
        let levels = |positive| column(&category(&["no", "yes"]), values.view(), positive, LINES).unwrap().levels;
        assert_eq!(levels(None), ["no", "yes"]);
        assert_eq!(levels(Some("yes")), ["no", "yes"]);
        assert_eq!(levels(Some("no")), ["yes", "no"]);
        let refused = |levels: &[&str], positive| {
            column(&category(levels), values.view(), positive, LINES).unwrap_err().to_string()
        };
        assert!(refused(&["a", "b", "c"], None).contains("`y` has 3 classes (\"a\", \"b\", \"c\")"));
        assert!(refused(&["a"], None).contains("`y` has 1 class ("));
        assert!(refused(&["a", "b"], Some("c")).contains("is \"c\", and the classes of `y` are \"a\", \"b\""));
    }

    #[test]
    fn classes_are_found_by_name() {
        let mut values = [0.0, 1.0, 1.0];
        renumber(&mut values, &category(&["no", "yes"]), &category(&["yes", "no"]), LINES).unwrap();
        assert_eq!(values, [1.0, 0.0, 0.0]);
        let error = renumber(&mut values, &category(&["a", "b"]), &category(&["b", "c"]), LINES).unwrap_err();
        assert!(error.to_string().contains("line 3 is of class \"a\""), "{error}");
        let rows = RowNumbers { unit: RowUnit::Row, ..LINES };
        let error = renumber(&mut [1.0, 0.0], &category(&["a", "b"]), &category(&["b", "c"]), rows).unwrap_err();
        assert!(error.to_string().contains("row 3 is of class \"a\""), "{error}");
        let number = Column::new("y", Kind::Integer, None, mlci_model::Range { min: 0.0, max: 1.0 });
        let mut values = [-0.0, 1.0];
        renumber(&mut values, &number, &category(&["1", "0"]), LINES).unwrap();
        assert_eq!(values, [1.0, 0.0]);
        // A regression takes them as they are.
        renumber(&mut values, &category(&["a", "b"]), &number, LINES).unwrap();
        assert_eq!(values, [1.0, 0.0]);
    }
}
