use crate::{Column, Kind, Schema};

/// How the values of a row become the columns that a linear model has weights for: the row of its design matrix.
///
/// A number is one column, as it is. A category of `n` levels is `n - 1` columns, 1 where the row has that level and 0
/// elsewhere; its base level, the first, has none (treatment coding: Venables & Ripley, *Modern Applied Statistics with
/// S*, 4th ed., §6.2). The order is that of the features, and within one that of its levels.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    terms: Vec<Term>,
    names: Vec<String>,
    is_plain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Term {
    Number,
    /// So many levels beside the base level.
    Levels(usize),
}

impl Term {
    /// How many columns it has.
    const fn width(self) -> usize {
        match self {
            Self::Number => 1,
            Self::Levels(count) => count,
        }
    }
}

impl Design {
    /// The design of these features.
    #[must_use]
    pub fn of(features: &[Column]) -> Self {
        let mut names = Vec::with_capacity(features.len());
        let mut terms = Vec::with_capacity(features.len());
        for feature in features {
            if feature.kind == Kind::Category {
                names.extend(feature.levels.iter().skip(1).map(|level| format!("{}={level}", feature.name)));
                terms.push(Term::Levels(feature.levels.len().saturating_sub(1)));
            } else {
                names.push(feature.name.clone());
                terms.push(Term::Number);
            }
        }
        let is_plain = terms.iter().all(|term| *term == Term::Number);
        Self { terms, names, is_plain }
    }

    /// How many columns it has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// The names of its columns: that of a number, and `FEATURE=LEVEL` of a category.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether its columns are the features as they are.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Adds the columns of a row, which has one value a feature, to `columns`.
    pub fn expand(&self, row: &[f64], columns: &mut Vec<f64>) {
        for (term, value) in self.terms.iter().zip(row) {
            match *term {
                Term::Number => columns.push(*value),
                Term::Levels(count) => {
                    columns.extend((1..=count).map(|level| f64::from(u8::from(*value == level as f64))));
                }
            }
        }
    }

    /// Whether a column is that of a level: 0 or 1.
    #[must_use]
    pub fn is_level(&self, column: usize) -> bool {
        let term = self.feature(column).and_then(|feature| self.terms.get(feature));
        term.is_some_and(|term| *term != Term::Number)
    }

    /// The position of the feature that a column is made of.
    #[must_use]
    pub fn feature(&self, column: usize) -> Option<usize> {
        let mut behind = 0;
        self.terms.iter().position(|term| {
            behind += term.width();
            column < behind
        })
    }

    /// Calls `see` with each column of a row that can be other than 0, and its value, in the order of the columns: those
    /// of numbers, and of each category that of the level which the row has, unless it is the base level.
    pub fn each(&self, row: &[f64], mut see: impl FnMut(usize, f64)) {
        let mut first = 0;
        for (term, value) in self.terms.iter().zip(row) {
            match *term {
                Term::Number => see(first, *value),
                Term::Levels(count) if is_level(*value, count) && *value > 0.0 => see(first + *value as usize - 1, 1.0),
                Term::Levels(_) => {}
            }
            first += term.width();
        }
    }

    /// `intercept + weights · columns` of a row, without making the columns.
    pub(crate) fn weigh(&self, weights: &[f64], intercept: f64, row: &[f64]) -> f64 {
        let (mut sum, mut rest) = (intercept, weights);
        for (term, value) in self.terms.iter().zip(row) {
            let Some((these, others)) = rest.split_at_checked(term.width()) else { return f64::NAN };
            match (*term, these) {
                (Term::Number, [weight]) => sum += weight * value,
                // What is no level, such as NaN, must not count as the base level.
                (Term::Levels(count), _) if !is_level(*value, count) => return f64::NAN,
                _ => sum += (*value as usize).checked_sub(1).and_then(|level| these.get(level)).copied().unwrap_or(0.0),
            }
            rest = others;
        }
        sum
    }
}

/// Whether `value` is the position of one of `beside_base + 1` levels.
fn is_level(value: f64, beside_base: usize) -> bool {
    value.fract() == 0.0 && (0.0..=beside_base as f64).contains(&value)
}

impl From<&Schema> for Design {
    fn from(schema: &Schema) -> Self {
        Self::of(&schema.features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Range, Unseen};

    fn design() -> Design {
        let levels = ["blue", "green", "red"].map(str::to_owned).to_vec();
        Design::of(&[
            Column::new("a", Kind::Float, None, Range { min: 0.0, max: 1.0 }),
            Column::category("colour", levels, Unseen::Refuse),
            Column::new("b", Kind::Integer, None, Range { min: 0.0, max: 1.0 }),
        ])
    }

    #[test]
    fn a_level_is_a_column_and_the_base_level_none() {
        assert_eq!(design().names(), ["a", "colour=green", "colour=red", "b"]);
        let mut columns = Vec::new();
        for row in [[7.0, 0.0, 5.0], [7.0, 1.0, 5.0], [7.0, 2.0, 5.0]] {
            design().expand(&row, &mut columns);
        }
        assert_eq!(columns, [[7.0, 0.0, 0.0, 5.0], [7.0, 1.0, 0.0, 5.0], [7.0, 0.0, 1.0, 5.0]].concat());
        let mut seen = Vec::new();
        for row in [[7.0, 0.0, 5.0], [7.0, 2.0, 0.0]] {
            design().each(&row, |column, value| seen.push((column, value)));
        }
        assert_eq!(seen, [(0, 7.0), (3, 5.0), (0, 7.0), (2, 1.0), (3, 0.0)]);
        assert_eq!([0, 1, 2, 3, 4].map(|column| design().is_level(column)), [false, true, true, false, false]);
        assert_eq!([0, 1, 2, 3, 4].map(|column| design().feature(column)), [Some(0), Some(1), Some(1), Some(2), None]);
    }

    #[test]
    fn weighing_is_the_product_with_the_columns() {
        let weights = [2.0, 10.0, 20.0, 1.0];
        let weigh = |row: [f64; 3]| design().weigh(&weights, 100.0, &row);
        assert_eq!(weigh([1.0, 0.0, 3.0]), 105.0);
        assert_eq!(weigh([1.0, 1.0, 3.0]), 115.0);
        assert_eq!(weigh([1.0, 2.0, 3.0]), 125.0);
        for no_level in [-1.0, 0.5, 3.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(weigh([1.0, no_level, 3.0]).is_nan(), "{no_level}");
        }
    }
}
