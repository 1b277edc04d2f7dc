use mlci_core::Label;

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why a pipeline cannot be rendered. Nothing is rendered in part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to run.
    #[error("the pipeline has no {what}; add at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// A name that one of the systems does not take for a job.
    #[error("no job can be named `{job}`: {rule}")]
    JobName {
        /// The name.
        job: Label,
        /// The rule that it breaks, and whose rule it is.
        rule: &'static str,
    },
    /// A job needs one that is not listed before it; so a circle cannot arise either.
    #[error("job `{job}` needs `{needs}`, and no job before it has that name; list `{needs}` before `{job}`")]
    UnknownNeed {
        /// The job that needs another.
        job: Label,
        /// The one it needs.
        needs: Label,
    },
    /// A job that runs on every change, so on code of strangers too, asks for something that only reviewed code may have.
    #[error(
        "job `{job}` runs on every change, also on a stranger's, and {asks}; let it run on the default branch only"
    )]
    Untrusted {
        /// The job.
        job: Label,
        /// What it asks for.
        asks: String,
    },
    /// A job that waits for an approval needs nothing, so nothing would have been verified.
    #[error("job `{job}` waits for an approval but needs no other job; name the job that verifies what it deploys")]
    NothingToApprove {
        /// The job.
        job: Label,
    },
    /// A cache would hold what jobs hand over. Caches outlive their run, and a journal of another run, perhaps of a
    /// stranger's, must never be believed.
    #[error("cache `{cache}` holds `{folder}`, which job `{job}` hands over; keep the two apart")]
    CachedState {
        /// The cache.
        cache: Label,
        /// The folder that is handed over.
        folder: String,
        /// The job that hands it over.
        job: Label,
    },
    /// A text that one of the systems would not take literally, or not at all.
    #[error("{what} `{}` cannot be used in a CI definition: {rule}", text.escape_debug())]
    Text {
        /// What kind of text it is, and of which job or cache.
        what: String,
        /// The text.
        text: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A number outside of what all systems take.
    #[error("{what} is {value}, and has to be {least} to {most}")]
    Number {
        /// What is counted.
        what: String,
        /// How many there are.
        value: usize,
        /// The least that all systems take.
        least: usize,
        /// The most that all systems take.
        most: usize,
    },
    /// The YAML writer refused; no description that passed the checks is known to cause it.
    #[error("cannot write `{path}` as YAML")]
    Yaml {
        /// The file.
        path: &'static str,
        /// What the writer says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
