use serde::Serialize;

/// One figure beside another.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) bench: &'static str,
    pub(crate) case: &'static str,
    pub(crate) unit: &'static str,
    /// The median of the runs.
    pub(crate) ours: f64,
    /// The lowest and the highest of the runs.
    pub(crate) spread: (f64, f64),
    pub(crate) runs: usize,
    /// What it is held against; `goal` where that is a number that was set, and not measured.
    pub(crate) peer: &'static str,
    pub(crate) theirs: f64,
    /// Theirs over ours: above 1, ours is better.
    pub(crate) ratio: f64,
    /// The peak of the memory, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ours_mib: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) theirs_mib: Option<f64>,
}

impl Case {
    pub(crate) fn new(bench: &'static str, case: &'static str, peer: &'static str, theirs: f64, runs: &[f64]) -> Self {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let ours = at(sorted.len() / 2);
        let spread = (at(0), at(sorted.len().saturating_sub(1)));
        Self {
            bench,
            case,
            unit: "s",
            ours,
            spread,
            runs: sorted.len(),
            peer,
            theirs,
            ratio: theirs / ours,
            ours_mib: None,
            theirs_mib: None,
        }
    }

    pub(crate) fn with_memory(self, ours: f64, theirs: f64) -> Self {
        Self { ours_mib: Some(ours), theirs_mib: Some(theirs), ..self }
    }

    /// The memory of both, for people.
    pub(crate) fn memory(&self) -> String {
        match (self.ours_mib, self.theirs_mib) {
            (Some(ours), Some(theirs)) => format!("{ours:.0} beside {theirs:.0} MiB"),
            _ => String::new(),
        }
    }

    /// What a figure is shown in, and by how much it is multiplied for that.
    pub(crate) fn shown_in(&self) -> (&'static str, f64) {
        match self.unit {
            "s" => ("ms", 1e3),
            other => (other, 1.0),
        }
    }

    pub(crate) fn line(&self) -> String {
        let (unit, by) = self.shown_in();
        format!(
            "{:<14} {:<22} {:>9.2} {unit}  ({:.2} to {:.2}, {} runs)   {} {:.0} {unit}   ratio {:.2}   {}",
            self.bench,
            self.case,
            self.ours * by,
            self.spread.0 * by,
            self.spread.1 * by,
            self.runs,
            self.peer,
            self.theirs * by,
            self.ratio,
            self.memory()
        )
    }
}
