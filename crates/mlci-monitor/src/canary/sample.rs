use std::collections::BTreeMap;

/// One value of an answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// The labels of its series.
    pub labels: BTreeMap<String, String>,
    /// The value; it may be infinite or no number.
    pub value: f64,
}

impl Sample {
    /// A value with these labels.
    #[must_use]
    pub fn new(labels: &[(&str, &str)], value: f64) -> Self {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { labels: labels.collect(), value }
    }
}
