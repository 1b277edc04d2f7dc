use crate::{Error, Result};

/// From when on it is worth an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Thresholds {
    /// The share of requests to the routes that predict which the server fails (5xx), above 0 and below 1. 0.01.
    pub error_ratio: f64,
    /// The requests within 5 minutes that such a share has to be about: 1 to 1,000,000. 20.
    pub error_requests: u32,
    /// The 99th percentile of the time such a request takes, in seconds: 0.001 to 5. 0.25.
    pub latency_seconds: f64,
    /// The population stability index of a feature or the prediction: 0.01 to 4. 0.25, from which on a change is called
    /// large (Siddiqi, *Credit Risk Scorecards*, 2006).
    pub drift_psi: f64,
    /// The rows that an index has to be about, and an hour has to have before its values out of range count: 200 (below
    /// which the server states no index) to 1,000 (which its window always has). 500.
    pub drift_rows: u32,
    /// The share of a feature's values outside the range of training, above 0 and below 1. 0.05.
    pub out_of_range_ratio: f64,
    /// The minutes that one environment may serve two models: 1 to 1440. 30.
    pub two_models_minutes: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            error_ratio: 0.01,
            error_requests: 20,
            latency_seconds: 0.25,
            drift_psi: 0.25,
            drift_rows: 500,
            out_of_range_ratio: 0.05,
            two_models_minutes: 30,
        }
    }
}

impl Thresholds {
    /// Checks that each is one that an alert can be made of.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first that is not.
    pub fn check(&self) -> Result<()> {
        let share = "write a share above 0 and below 1, such as 0.05";
        let between = |value: f64| value > 0.0 && value < 1.0;
        for (setting, value, holds, rule) in [
            ("error_ratio", self.error_ratio, between(self.error_ratio), share),
            ("out_of_range_ratio", self.out_of_range_ratio, between(self.out_of_range_ratio), share),
            (
                "error_requests",
                f64::from(self.error_requests),
                (1..=1_000_000).contains(&self.error_requests),
                "write a number of requests from 1 to 1000000",
            ),
            // The histogram's buckets end at 10 s: near it a percentile says nothing.
            (
                "latency_seconds",
                self.latency_seconds,
                (0.001..=5.0).contains(&self.latency_seconds),
                "write seconds from 0.001 to 5",
            ),
            ("drift_psi", self.drift_psi, (0.01..=4.0).contains(&self.drift_psi), "write an index from 0.01 to 4"),
            (
                "drift_rows",
                f64::from(self.drift_rows),
                (200..=1000).contains(&self.drift_rows),
                "write a number of rows from 200 to 1000",
            ),
            (
                "two_models_minutes",
                f64::from(self.two_models_minutes),
                (1..=1440).contains(&self.two_models_minutes),
                "write minutes from 1 to 1440",
            ),
        ] {
            if !holds {
                return Err(Error::Setting { setting, value: value.to_string(), rule });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_alert_can_be_made_of_is_named() {
        let refused = |change: fn(&mut Thresholds), setting: &str| {
            let mut thresholds = Thresholds::default();
            thresholds.check().unwrap();
            change(&mut thresholds);
            let error = thresholds.check().unwrap_err().to_string();
            assert!(error.contains(&format!("`{setting}`")), "{error}");
        };
        refused(|it| it.error_ratio = 0.0, "error_ratio");
        refused(|it| it.error_ratio = f64::NAN, "error_ratio");
        refused(|it| it.error_requests = 0, "error_requests");
        refused(|it| it.out_of_range_ratio = 1.0, "out_of_range_ratio");
        refused(|it| it.latency_seconds = 5.1, "latency_seconds");
        refused(|it| it.latency_seconds = f64::NAN, "latency_seconds");
        refused(|it| it.drift_psi = 0.0, "drift_psi");
        refused(|it| it.drift_rows = 199, "drift_rows");
        refused(|it| it.two_models_minutes = 0, "two_models_minutes");
    }
}
