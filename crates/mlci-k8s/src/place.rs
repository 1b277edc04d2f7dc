use std::fmt;

/// Which cluster: every error that came from one says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The context of the kubeconfig.
    pub context: String,
    /// The address of the API server.
    pub server: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "context `{}` ({})", self.context, self.server)
    }
}

/// A field that someone else manages (Kubernetes documentation, "Server-Side Apply", conflicts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// Who manages it, such as `kubectl-edit`.
    pub manager: String,
    /// The field, such as `.spec.replicas`.
    pub field: String,
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is managed by `{}`", self.field, self.manager)
    }
}
