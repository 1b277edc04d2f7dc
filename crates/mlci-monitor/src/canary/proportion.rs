//! Intervals for shares of few things.

/// The score interval of a share of `x` in `n`, `z` standard normal deviations to each side (Wilson, *J. Am. Stat.
/// Assoc.* 22, 1927, p. 209). Unlike the one around `x / n`, it keeps its promise where `x` is 0 or `n` small (Newcombe,
/// *Statist. Med.* 17, 1998, p. 857, method 3). Of nothing, everything is possible.
pub(super) fn share(x: f64, n: f64, z: f64) -> (f64, f64) {
    if n <= 0.0 {
        return (0.0, 1.0);
    }
    let x = x.clamp(0.0, n);
    let (center, width) = ((x + z * z / 2.0) / (n + z * z), z / (n + z * z) * (x * (n - x) / n + z * z / 4.0).sqrt());
    // What rounding leaves is not a share.
    ((center - width).max(0.0), (center + width).min(1.0))
}

/// The interval of the difference of two shares, the first less the second, from the score intervals of both (Newcombe,
/// *Statist. Med.* 17, 1998, p. 873, method 10).
pub(super) fn difference((x, n): (f64, f64), (y, m): (f64, f64), z: f64) -> (f64, f64) {
    if n <= 0.0 || m <= 0.0 {
        return (-1.0, 1.0);
    }
    let ((l, u), (k, v)) = (share(x, n, z), share(y, m, z));
    let (p, q) = (x / n, y / m);
    (p - q - (p - l).hypot(v - q), p - q + (u - p).hypot(q - k))
}

/// The probability of `x` or more in `n`, where each is one with the probability `p` (the binomial distribution, summed).
/// Unlike a score interval, it is exact for a few as well.
pub(super) fn tail(x: f64, n: f64, p: f64) -> f64 {
    let (x, n) = (x.round(), n.round());
    if x <= n * p || p <= 0.0 || p >= 1.0 {
        return if x > n || (p <= 0.0 && x > 0.0) { 0.0 } else { 1.0 };
    }
    let mut logarithm = x * p.ln() + (n - x) * (-p).ln_1p();
    let mut step = 1.0;
    while step <= x {
        logarithm += ((n - x + step) / step).ln();
        step += 1.0;
    }
    // Beyond the mean each term is smaller than the one before.
    let (mut term, mut k, mut sum) = (logarithm.exp(), x, 0.0);
    while k <= n && term > sum * f64::EPSILON {
        sum += term;
        term *= (n - k) / (k + 1.0) * p / (1.0 - p);
        k += 1.0;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two-sided 95 %.
    const Z: f64 = 1.959_963_984_540_054;

    #[track_caller]
    fn close((low, high): (f64, f64), expected: (f64, f64)) {
        assert!((low - expected.0).abs() < 6e-5 && (high - expected.1).abs() < 6e-5, "{low}, {high}: {expected:?}");
    }

    /// Examples of both papers of Newcombe.
    #[test]
    fn as_published() {
        close(share(81.0, 263.0, Z), (0.2553, 0.3662));
        close(share(15.0, 148.0, Z), (0.0624, 0.1605));
        close(share(0.0, 20.0, Z), (0.0, 0.1611));
        close(share(1.0, 29.0, Z), (0.0061, 0.1718));
        close(difference((56.0, 70.0), (48.0, 80.0), Z), (0.0524, 0.3339));
        close(difference((9.0, 10.0), (3.0, 10.0), Z), (0.1705, 0.8090));
        close(difference((5.0, 56.0), (0.0, 29.0), Z), (-0.0381, 0.1926));
        close(difference((0.0, 10.0), (0.0, 20.0), Z), (-0.1611, 0.2775));
    }

    #[test]
    fn of_nothing_everything_is_possible() {
        assert_eq!(share(0.0, 0.0, Z), (0.0, 1.0));
        assert_eq!(difference((0.0, 0.0), (1.0, 9.0), Z), (-1.0, 1.0));
    }

    #[test]
    fn tails() {
        for (x, n, p, expected) in [
            (8.0, 10.0, 0.5, 56.0 / 1024.0),
            (4.0, 4.0, 0.5, 0.0625),
            (1.0, 1.0, 0.02, 0.02),
            (2.0, 2.0, 0.02, 0.0004),
            // All that is not 0, 1 or 2.
            (3.0, 20.0, 0.02, 1.0 - 0.98_f64.powi(18) * (0.98 * 0.98 + 20.0 * 0.02 * 0.98 + 190.0 * 0.0004)),
            (0.0, 5.0, 0.5, 1.0),
            (1.0, 0.0, 0.5, 0.0),
            (1.0, 5.0, 0.0, 0.0),
            (5.0, 5.0, 1.0, 1.0),
        ] {
            assert!((tail(x, n, p) - expected).abs() < 1e-12, "{x} of {n}, {p}: {}", tail(x, n, p));
        }
        assert!(tail(2e4, 1e6, 0.01) < 1e-300 && tail(10_100.0, 1e6, 0.01) > 0.1);
    }

    #[test]
    fn more_of_the_same_narrows_it() {
        let width = |times: f64| {
            let (low, high) = difference((times, 100.0 * times), (2.0 * times, 300.0 * times), Z);
            high - low
        };
        assert!(width(1.0) > width(2.0) && width(2.0) > width(20.0));
    }
}
