//! What makes models, and what it refuses.

mod algorithm;
mod family;
mod generalized;
mod penalised;
mod rows;

use mlci_model::{Column, Design, Estimator};
use ndarray::{ArrayView1, ArrayView2};

pub(crate) use self::penalised::Standardised;
pub use self::{
    algorithm::{Algorithm, HyperParameters, TrainKey},
    generalized::{Logistic, Tweedie},
    penalised::{ElasticNet, Ridge},
};
use crate::Dependence;

/// What makes a model out of a matrix and a target.
pub trait Fit {
    /// Fits to `x` of shape (n, p) and `y` of shape (n,). `names` has the p names of the features, for errors.
    ///
    /// The same input gives the same estimator on the same CPU class: an algorithm that draws numbers is given its
    /// seed when it is made.
    ///
    /// # Errors
    /// [`FitError`] where the shapes differ, a number is not finite, or there is no unique estimator.
    fn fit(&self, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, names: &[&str]) -> Result<Estimator, FitError>;
}

/// Data that an algorithm cannot fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The parts have different lengths, or there are no features.
    #[error("{what} has length {found}, expected {expected}")]
    Shape {
        /// The part that does not fit.
        what: &'static str,
        /// Its length.
        found: usize,
        /// What it has to be.
        expected: usize,
    },
    /// A number is not finite.
    #[error("row {row} of `{column}` is {value}, not a finite number")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The feature, or "the target".
        column: String,
        /// The number.
        value: f64,
    },
    /// There are not more rows than features.
    #[error("{rows} rows cannot determine {features} coefficients{}: at least {} rows are needed; add \
        data, or leave features out by `[data] exclude`", if *intercept { " and an intercept" } else { "" },
        features + usize::from(*intercept))]
    TooFewRows {
        /// How many rows there are.
        rows: usize,
        /// How many features.
        features: usize,
        /// Whether there is an intercept to determine too.
        intercept: bool,
    },
    /// Features have one value in all rows.
    #[error(
        "{} the same in all {rows} rows and can explain nothing: write `[data] exclude = [{}]`",
        constants(columns),
        quoted(exclude)
    )]
    Constant {
        /// Their names and values.
        columns: Vec<(String, f64)>,
        /// What to leave out: these columns, or the features that they are levels of.
        exclude: Vec<String>,
        /// How many rows there are.
        rows: usize,
    },
    /// Features are sums of others, so that no coefficients are better than others.
    #[error("{}: their coefficients are not determined; write `[data] exclude = [{}]`",
        columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "), quoted(exclude))]
    Dependent {
        /// Which, and on what they depend.
        columns: Vec<Dependence>,
        /// What to leave out: these columns, or the features that they are levels of.
        exclude: Vec<String>,
    },
    /// Numbers are too large to be computed with.
    #[error("the values of `{column}` are too large to be squared and summed: use a larger unit")]
    TooLarge {
        /// The feature, or "the target".
        column: String,
    },
    /// Numbers vary by so little that their squares vanish.
    #[error("the values of `{column}` differ by too little to be squared and summed: use a smaller unit")]
    TooSmall {
        /// The feature, or "the target".
        column: String,
    },
    /// Columns are so nearly dependent that sums of products do not hold the coefficients' digits.
    #[error("{} nearly, or wholly, determine each other ({}, and sums of products have the digits up to {limit}): fit \
        by QR (`BlockQr`), in a second pass over the data",
        columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", "),
        condition.map_or("a condition number that cannot be told".to_owned(), |condition| format!("condition number \
            {condition:.0}")))]
    IllConditioned {
        /// The condition number, if it can be told.
        condition: Option<f64>,
        /// The largest that can be dealt with.
        limit: f64,
        /// The columns.
        columns: Vec<String>,
    },
    /// A penalty that is negative or not finite.
    #[error("the penalty {value} has to be a finite number, not negative")]
    Penalty {
        /// The penalty.
        value: f64,
    },
    /// A share that is not above 0 and at most 1.
    #[error("`l1_share` is {value}: it has to lie above 0 and at most at 1, such as 0.5 (for 0 there is `ridge`)")]
    L1Share {
        /// The share.
        value: f64,
    },
    /// A power that has no distribution, or a loss that is not convex.
    #[error("`power` is {value}: it has to lie between 1 (poisson) and 2 (gamma), such as 1.5")]
    Power {
        /// The power.
        value: f64,
    },
    /// A target that the algorithm cannot have.
    #[error("the target has to be {wants}, and is {value} in row {row} (from 0), one of {count} such rows")]
    Target {
        /// What it has to be.
        wants: &'static str,
        /// The first such row, from 0.
        row: usize,
        /// The target there.
        value: f64,
        /// How many such rows there are.
        count: usize,
    },
    /// The target has one value.
    #[error("the target is {value} in all {rows} rows: there is nothing to learn")]
    ConstantTarget {
        /// Its value.
        value: f64,
        /// How many rows there are.
        rows: usize,
    },
    /// Coefficients have no bound: the larger, the better the fit.
    #[error("{what} are wholly told apart by {}, and the larger a coefficient, the better it fits: leave out what would \
        not be known beforehand (`[data] exclude`), or set a penalty (`[train] penalty`, such as 0.01)",
        columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", "))]
    Separated {
        /// What is told apart.
        what: &'static str,
        /// By which columns, the most important first.
        columns: Vec<String>,
    },
    /// A search for the best coefficients did not come to an end.
    #[error(
        "{rounds} rounds did not settle the coefficients (penalty {penalty}): leave out columns that nearly depend \
        on others, or raise `[train] penalty`"
    )]
    NoConvergence {
        /// How many rounds there were.
        rounds: u32,
        /// The penalty.
        penalty: f64,
    },
    /// A solver gave up.
    #[error("the least-squares problem could not be solved")]
    Solver(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FitError {
    pub(crate) fn constant(columns: Vec<(String, f64)>, rows: usize) -> Self {
        let exclude = columns.iter().map(|(name, _)| name.clone()).collect();
        Self::Constant { columns, exclude, rows }
    }

    pub(crate) fn dependent(columns: Vec<Dependence>) -> Self {
        let exclude = columns.iter().map(|dependence| dependence.column.clone()).collect();
        Self::Dependent { columns, exclude }
    }

    /// Lets it say to leave out features, where it says to leave out columns that a design has made of them.
    pub(crate) fn of_features(mut self, design: &Design, features: &[Column]) -> Self {
        if let Self::Constant { exclude, .. } | Self::Dependent { exclude, .. } = &mut self {
            for name in &mut *exclude {
                let column = design.names().iter().position(|column| column == name);
                if let Some(feature) = column.and_then(|column| features.get(design.feature(column)?)) {
                    name.clone_from(&feature.name);
                }
            }
            exclude.sort_unstable();
            exclude.dedup();
        }
        self
    }
}

fn constants(columns: &[(String, f64)]) -> String {
    let each: Vec<String> = columns.iter().map(|(name, value)| format!("`{name}` ({value})")).collect();
    format!("{} {}", each.join(", "), if each.len() == 1 { "is" } else { "are" })
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
