//! What is said of the coefficients of a linear model.

use mlci_train::{Inference, TTest};

use super::{
    Report,
    text::{count, counted, interval, number},
};

/// By how much the prediction changes for one standard deviation of each coefficient's feature, where that is known.
pub(super) fn effects(report: &Report) -> Vec<Option<f64>> {
    let columns = report.data.as_ref().map(|data| data.columns.as_slice()).unwrap_or_default();
    let effect = |name: &str, value: f64| {
        let column = columns.iter().find(|column| column.name == name)?;
        Some(value * column.profile.as_ref()?.standard_deviation).filter(|effect| effect.is_finite())
    };
    report.coefficients.iter().map(|coefficient| effect(&coefficient.name, coefficient.value)).collect()
}

/// How certain the coefficients are, each by what its column has: standard error, interval, p value and variance
/// inflation; none, where nothing can be said of any.
pub(super) fn certainty(report: &Report) -> Option<Vec<[String; 4]>> {
    let fit = report.least_squares.as_ref()?;
    let inference = fit.inference.as_ref().ok()?;
    let inflation = fit.variance_inflation.as_deref().unwrap_or_default().iter().map(Some);
    let tests = inference.intercept.iter().chain(&inference.coefficients);
    let inflation = inference.intercept.iter().map(|_| None).chain(inflation).chain(std::iter::repeat(None));
    let row = |(test, inflation): (&TTest, Option<&f64>)| {
        let within = test.interval(CONFIDENCE).map(|range| interval((range.low, range.high)));
        let inflation = inflation.map(|factor| number(*factor)).unwrap_or_default();
        [number(test.standard_error), within.unwrap_or_default(), p_value(test.p_value), inflation]
    };
    Some(tests.zip(inflation).map(row).collect())
}

const CONFIDENCE: f64 = 0.95;

/// What the columns of [`certainty`] are called.
pub(super) const CERTAINTY: [&str; 4] = ["Std. error", "95 % interval", "p", "VIF"];

fn p_value(value: f64) -> String {
    if value < 0.0001 { "< 0.0001".to_owned() } else { number(value) }
}

fn equal(p: f64) -> String {
    let value = p_value(p);
    if value.starts_with('<') { value } else { format!("= {value}") }
}

/// What least squares says of the fit as a whole.
pub(super) fn least_squares(report: &Report) -> Option<String> {
    let fit = report.least_squares.as_ref()?;
    let explained = fit.r_squared.map(|share| format!(", R² {}", number(share))).unwrap_or_default();
    let mut lead = format!("Fitted to {}{explained}", counted(fit.rows, "row"));
    match &fit.inference {
        Ok(Inference { adjusted_r_squared, residual_standard_deviation, f, .. }) => {
            let (of, left) = f.degrees_of_freedom;
            lead += &format!(
                " (adjusted {}); residual standard deviation {}; F({}, {}) = {}, p {}.",
                number(*adjusted_r_squared),
                number(*residual_standard_deviation),
                count(of),
                count(left),
                number(f.f),
                equal(f.p_value),
            );
            lead += " Errors and tests hold where residuals are independent, normal and of one variance.";
        }
        Err(why) => lead += &format!(". No standard errors: {why}."),
    }
    lead += &format!(" Condition number {}.", number(fit.condition));
    let inflation = fit.variance_inflation.iter().flatten();
    // The intercept has none.
    let inflated: Vec<String> = report
        .coefficients
        .iter()
        .skip(1)
        .zip(inflation)
        .filter(|(_, factor)| **factor > MUCH_INFLATED)
        .map(|(coefficient, _)| format!("`{}`", coefficient.name))
        .collect();
    if !inflated.is_empty() {
        let (shown, more) = inflated.split_at(inflated.len().min(10));
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", count(more.len() as u64)) };
        lead += &format!(
            " Other features nearly say what {}{more} say{} (VIF above 10): these coefficients are not to be read one by \
             one.",
            shown.join(", "),
            if inflated.len() == 1 { "s" } else { "" }
        );
    }
    Some(lead)
}

/// Variance inflation beyond this is called harmful (Kutner, Nachtsheim, Neter & Li, *Applied Linear Statistical Models*,
/// 5th ed., §10.5).
const MUCH_INFLATED: f64 = 10.0;

#[cfg(test)]
mod tests {
    use mlci_train::{Block, LinearFit, LinearOptions, Moments, Statistic as _};

    use super::*;
    use crate::report::{Coefficient, html, markdown, tests::empty};

    /// Rows of `a`, `b`, nearly the same as `a`, and `y`.
    fn fit(penalty: f64) -> LinearFit {
        let row = |i: u32| {
            let a = f64::from(i * i % 19);
            let b = a + f64::from(i % 5);
            [a, b, 3.0 * a + f64::from(i * 7 % 11) / 10.0]
        };
        let rows: Vec<f64> = (0..200).flat_map(row).collect();
        let options = LinearOptions { penalty, ..LinearOptions::default() };
        Moments::of(Block::new(&rows, 2).unwrap()).unwrap().solve(&["a", "b"], &options).unwrap()
    }

    fn report(fit: LinearFit) -> Report {
        let values = [("intercept", fit.linear.intercept)].into_iter();
        let values = values.chain(["a", "b"].into_iter().zip(fit.linear.coefficients.iter().copied()));
        let coefficients =
            values.map(|(name, value)| Coefficient { name: name.to_owned(), value, unit: None }).collect();
        Report { coefficients, least_squares: Some(fit), ..empty() }
    }

    #[test]
    fn both_formats_have_errors_and_tests() {
        let report = report(fit(0.0));
        let fit = report.least_squares.as_ref().unwrap();
        let test = fit.inference.as_ref().unwrap().coefficients[0];
        let range = test.interval(0.95).unwrap();
        assert!(range.low < 3.0 && 3.0 < range.high && test.p_value < 1e-4);
        let inflation = fit.variance_inflation.as_ref().unwrap()[0];
        assert!(inflation > MUCH_INFLATED, "{inflation}");
        let own = [number(test.standard_error), interval((range.low, range.high)), number(inflation)];
        for (page, less) in [(html(&report), "&lt; 0.0001"), (markdown(&report), "0.0001")] {
            let says = ["Std. error", "95 % interval", "VIF", "Fitted to 200 rows", "F(2, 197) = ", less];
            for says in says.iter().map(|says| (*says).to_owned()).chain(own.clone()) {
                assert!(page.contains(&says), "{says:?} is not in {page}");
            }
        }
        assert!(least_squares(&report).unwrap().contains("what `a`, `b` say (VIF above 10)"));
    }

    #[test]
    fn where_nothing_can_be_said_it_says_why() {
        let report = report(fit(1.0));
        assert_eq!(certainty(&report), None);
        let lead = least_squares(&report).unwrap();
        assert!(lead.contains("No standard errors: the coefficients of a penalised fit are biased"), "{lead}");
        assert!(!markdown(&report).contains("VIF"));
        assert_eq!(least_squares(&empty()), None);
    }
}
