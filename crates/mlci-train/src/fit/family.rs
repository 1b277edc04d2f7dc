//! What a generalized linear model loses on one row, as a function of `eta`, what its linear model says.
//!
//! All are convex in `eta`, so that Newton's method with shortened steps finds the only minimum, if there is one.

use mlci_model::Link;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Family {
    /// Half the deviance of the Tweedie distribution of this power, 1 to 2, but for what `eta` does not change. Mean
    /// `e^eta`.
    Tweedie(f64),
    /// The negative log likelihood of 0 or 1. Mean `1 / (1 + e^-eta)`.
    Logistic,
}

impl Family {
    pub(super) fn link(self) -> Link {
        match self {
            Self::Tweedie(_) => Link::Log,
            Self::Logistic => Link::Logit,
        }
    }

    /// Where `eta` is best without features, given the mean of the target.
    pub(super) fn start(self, mean: f64) -> f64 {
        match self {
            Self::Tweedie(_) => mean.ln(),
            Self::Logistic => (mean / (1.0 - mean)).ln(),
        }
    }

    pub(super) fn loss(self, eta: f64, y: f64) -> f64 {
        match self {
            Self::Tweedie(1.0) => eta.exp() - y * eta,
            Self::Tweedie(2.0) => eta + y * (-eta).exp(),
            Self::Tweedie(power) => {
                let (up, down) = (2.0 - power, power - 1.0);
                (up * eta).exp() / up + y * (-down * eta).exp() / down
            }
            // ln(1 + e^eta), without overflow.
            Self::Logistic => eta.max(0.0) + (-eta.abs()).exp().ln_1p() - y * eta,
        }
    }

    /// The first and second derivative of the loss by `eta`.
    pub(super) fn derivatives(self, eta: f64, y: f64) -> (f64, f64) {
        match self {
            Self::Tweedie(power) => {
                let (up, down) = (2.0 - power, power - 1.0);
                let (rising, falling) = ((up * eta).exp(), y * (-down * eta).exp());
                (rising - falling, up * rising + down * falling)
            }
            Self::Logistic => {
                let mean = Link::Logit.inverse(eta);
                // Rows that are all but certain would weigh nothing; a larger curvature only shortens the step.
                (mean - y, (mean * (1.0 - mean)).max(1e-10))
            }
        }
    }

    /// How a row's loss changes however far `eta` moves by multiples of `change`: below 0 it falls for ever, above 0 it
    /// rises in the end. In units of `eta`.
    pub(super) fn recession(self, change: f64, y: f64) -> f64 {
        match self {
            Self::Logistic if y == 1.0 => -change,
            Self::Logistic => change,
            // With no event, less is always better; otherwise either way is worse in the end.
            Self::Tweedie(power) if y == 0.0 && power < 2.0 => change,
            Self::Tweedie(_) => change.abs(),
        }
    }

    /// The level at which the intercept is best for a change of `eta` to be one that the loss falls along.
    pub(super) fn level(self, rows: &(impl Iterator<Item = (f64, f64)> + Clone)) -> f64 {
        let of = |wanted: fn(f64) -> bool| rows.clone().filter(move |(_, y)| wanted(*y)).map(|(eta, _)| eta);
        match self {
            Self::Logistic => {
                let below = of(|y| y == 0.0).fold(f64::NEG_INFINITY, f64::max);
                f64::midpoint(below, of(|y| y == 1.0).fold(f64::INFINITY, f64::min))
            }
            Self::Tweedie(_) => of(|y| y > 0.0).sum::<f64>() / of(|y| y > 0.0).count() as f64,
        }
    }

    /// The first of the targets that it cannot have, and how many of them there are.
    pub(super) fn impossible(self, targets: impl Iterator<Item = f64>) -> Option<(usize, f64, usize)> {
        let possible = |y: f64| match self {
            Self::Logistic => y == 0.0 || y == 1.0,
            Self::Tweedie(2.0) => y > 0.0,
            Self::Tweedie(_) => y >= 0.0,
        };
        let mut wrong = targets.enumerate().filter(|(_, y)| !possible(*y));
        let (row, value) = wrong.next()?;
        Some((row, value, 1 + wrong.count()))
    }

    /// What [`Family::impossible`] asks for.
    pub(super) fn wants(self) -> &'static str {
        match self {
            Self::Logistic => "of two classes, 0 or 1",
            Self::Tweedie(2.0) => "above 0",
            Self::Tweedie(_) => "0 or more",
        }
    }

    /// What is told apart where there is no best fit.
    pub(super) fn told_apart(self) -> &'static str {
        match self {
            Self::Logistic => "the classes",
            Self::Tweedie(_) => "rows where the target is 0",
        }
    }
}
