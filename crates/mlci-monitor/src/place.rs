use mlci_core::Label;

/// An environment, and where Prometheus finds its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name: the label `environment` of every series.
    pub name: Label,
    /// Where its servers are.
    pub place: Place,
}

/// Where the servers of an environment are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// At a fixed `HOST:PORT`.
    Address(String),
    /// In the pods of this namespace that mlci has deployed.
    Namespace(String),
    /// Not known beforehand, such as a free port.
    Unknown,
}
