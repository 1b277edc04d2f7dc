use std::f64::consts::PI;

use mlci_train::{Inference, LinearOptions, NoInference};

use super::{both, near, table};

fn inferences(rows: &[f64], features: usize) -> [Inference; 2] {
    both(rows, features, LinearOptions::default()).map(|fit| fit.inference.unwrap())
}

/// (0,1), (1,0), (2,2): Sxx = 2, Sxy = 1, Syy = 2, so the slope is 1/2, RSS = 3/2 on one degree of freedom, R² = 1/4, and
/// with it t = 0.5 / √(1.5 / 2) = 1/√3 and F = 1/3. With one degree of freedom t has the Cauchy distribution, whose
/// tails are 1 - 2·atan(t)/π = 2/3.
#[test]
fn three_points_off_a_line() {
    for fit in both(&[0., 1., 1., 0., 2., 2.], 1, LinearOptions::default()) {
        near(fit.r_squared.unwrap(), 0.25, 1e-14);
        assert_eq!(fit.condition, 1.0);
        near(fit.variance_inflation.unwrap()[0], 1.0, 1e-14);
        let found = fit.inference.unwrap();
        assert_eq!(found.degrees_of_freedom, 1);
        near(found.residual_standard_deviation, 1.5_f64.sqrt(), 1e-14);
        near(found.adjusted_r_squared, 1.0 - 0.75 * 2.0, 1e-14);
        let slope = found.coefficients[0];
        near(slope.standard_error, 0.75_f64.sqrt(), 1e-14);
        near(slope.t, 3_f64.sqrt().recip(), 1e-14);
        near(slope.p_value, 2.0 / 3.0, 1e-13);
        near(found.f.f, 1.0 / 3.0, 1e-14);
        near(found.f.p_value, 2.0 / 3.0, 1e-13);
        // Quantile of Cauchy: tan(π·0.475).
        let interval = slope.interval(0.95).unwrap();
        near(interval.high - 0.5, (PI * 0.475).tan() * slope.standard_error, 1e-11);
        near(0.5 - interval.low, interval.high - 0.5, 1e-11);
        assert!(slope.interval(1.0).is_none() && slope.interval(f64::NAN).is_none());
        // 1/n + mean² / Sxx.
        near(found.intercept.unwrap().standard_error, (1.5 * (1.0 / 3.0 + 0.5_f64)).sqrt(), 1e-14);
    }
}

/// Of two degrees of freedom on either side, both distributions have closed forms.
#[test]
fn tails_have_their_closed_forms() {
    // One feature and four rows: P(|T| > t) = 1 - t / √(2 + t²).
    for found in inferences(&[0., 1., 1., 3., 2., 2., 4., 9.], 1) {
        let test = found.coefficients[0];
        near(test.p_value, 1.0 - test.t / (2.0 + test.t * test.t).sqrt(), 1e-12);
        near(test.p_value, found.f.p_value, 1e-13);
        for confidence in [0.5_f64, 0.95, 0.999] {
            let interval = test.interval(confidence).unwrap();
            let quantile = confidence * (2.0 / (1.0 - confidence * confidence)).sqrt();
            near((interval.high - interval.low) / 2.0, quantile * test.standard_error, 1e-11);
        }
    }
    // Two features: P(F > f) = (1 + 2·f / d)^(-d / 2), however small.
    for seed in 0..5 {
        let rows = table(seed, 43, 2, 1.0);
        for found in inferences(&rows, 2) {
            assert_eq!(found.f.degrees_of_freedom, (2, 40));
            near(found.f.p_value, (1.0 + found.f.f / 20.0).powi(-20), 1e-11);
        }
    }
}

/// Of many degrees of freedom the quantile of t is that of the normal distribution and (z³ + z) / 4d (Abramowitz &
/// Stegun 26.7.5).
#[test]
fn intervals_of_many_rows() {
    let (rows, z) = (300_000, 1.959_963_984_540_054_f64);
    for found in inferences(&table(4, rows, 1, 1.0), 1) {
        let test = found.coefficients[0];
        let interval = test.interval(0.95).unwrap();
        let quantile = z + (z.powi(3) + z) / (4.0 * (rows - 2) as f64);
        near((interval.high - interval.low) / 2.0, quantile * test.standard_error, 1e-8);
    }
}

/// The variance inflation of one of two columns is 1 / (1 - r²), of either the same.
#[test]
fn variance_inflation_of_two_columns() {
    let rows = table(9, 500, 2, 0.5);
    let [moments, qr] = both(&rows, 2, LinearOptions::default());
    let of_other: Vec<f64> = rows.chunks(3).flat_map(|row| [row[0], row[1]]).collect();
    let [r_squared, _] = both(&of_other, 1, LinearOptions::default()).map(|fit| fit.r_squared.unwrap());
    for value in [moments, qr].into_iter().flat_map(|fit| fit.variance_inflation.unwrap()) {
        near(value, 1.0 / (1.0 - r_squared), 1e-12);
    }
}

#[track_caller]
fn says_nothing(rows: &[f64], features: usize, options: LinearOptions, why: [NoInference; 2]) {
    let found = both(rows, features, options);
    for (fit, why) in found.iter().zip(why) {
        assert_eq!(fit.inference, Err(why));
    }
}

#[test]
fn what_the_rows_do_not_tell_is_not_told() {
    let options = LinearOptions::default();
    let plane = [0., 0., 0., 1., 1., 0., 0., 3., 0., 1., 0., 0., 0., 0., 1., 5.];
    says_nothing(&plane, 3, options, [NoInference::NoDegreesOfFreedom; 2]);
    let line: Vec<f64> = (0..50).flat_map(|row| [f64::from(row), f64::from(3 * row + 1)]).collect();
    says_nothing(&line, 1, options, [NoInference::Unresolved, NoInference::PerfectFit]);
    let flat: Vec<f64> = (0..50).flat_map(|row| [f64::from(row), 0.1]).collect();
    says_nothing(&flat, 1, options, [NoInference::Unresolved, NoInference::PerfectFit]);
    for fit in both(&flat, 1, options) {
        assert_eq!((fit.r_squared, fit.linear.coefficients[0]), (None, 0.0));
        near(fit.linear.intercept, 0.1, 1e-15);
    }
    let penalised = LinearOptions { penalty: 1.0, ..options };
    says_nothing(&line, 1, penalised, [NoInference::Penalised; 2]);
}

/// Of one feature the penalised slope is Sxy / (Sxx + penalty); through the origin the sums are about 0.
#[test]
fn a_penalty_and_the_origin() {
    let rows = [1., 2., 2., 3., 4., 9.];
    // Sxx = 14/3, Sxy = 34/3 about the means 7/3 and 14/3.
    for fit in both(&rows, 1, LinearOptions { penalty: 2.0, intercept: true }) {
        near(fit.linear.coefficients[0], 34.0 / 20.0, 1e-14);
        near(fit.linear.intercept, 14.0 / 3.0 - 34.0 / 20.0 * 7.0 / 3.0, 1e-13);
        // Residuals y - ŷ squared, about Syy = 86 / 3.
        let slope = 1.7;
        let left = 86.0 / 3.0 - 2.0 * slope * 34.0 / 3.0 + slope * slope * 14.0 / 3.0;
        near(fit.r_squared.unwrap(), 1.0 - left / (86.0 / 3.0), 1e-13);
        assert_eq!(fit.variance_inflation, None);
    }
    for fit in both(&rows, 1, LinearOptions { penalty: 3.0, intercept: false }) {
        near(fit.linear.coefficients[0], 44.0 / 24.0, 1e-14);
        assert_eq!(fit.linear.intercept, 0.0);
    }
    // More columns than rows, which a penalty allows.
    for fit in both(&table(6, 5, 9, 1.0), 9, LinearOptions { penalty: 1e3, intercept: true }) {
        assert!(fit.linear.coefficients.iter().all(|value| value.is_finite()));
    }
}
