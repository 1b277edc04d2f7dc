use crate::{
    name::{NameError, Namespace},
    object::ObjectId,
};

/// A [`Workload`](crate::Workload) that no cluster would take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// A label, annotation or environment variable is called what Kubernetes does not allow.
    #[error("the workload has a {field} that Kubernetes would refuse")]
    Name {
        /// Which field.
        field: &'static str,
        /// What is wrong.
        source: NameError,
    },
    /// A label that mlci finds its objects by would be overwritten.
    #[error("the label `{key}` is set by mlci itself: remove it from the workload's labels")]
    Reserved {
        /// The label.
        key: String,
    },
    /// A number is outside what Kubernetes allows.
    #[error("`{field}` of the workload is {value}: {rule}")]
    Number {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        rule: &'static str,
    },
    /// A path of a probe or of the Ingress is not one.
    #[error("the path `{path}` has to start with `/`, as in `/readyz`")]
    Path {
        /// The path.
        path: String,
    },
    /// A host name is none.
    #[error("`{host}` is no host name: write letters, digits and `-` between dots, as in `wine.example.com`")]
    Host {
        /// The name.
        host: String,
    },
    /// A patch is for an object that is not rendered.
    #[error("{patch} changes nothing: what is rendered is {}", shown(rendered))]
    PatchOfNothing {
        /// Kind and name of what it would change.
        patch: String,
        /// What there is.
        rendered: Vec<ObjectId>,
    },
    /// A patch changes what the rollout is judged by, or what objects are found by.
    #[error("a patch changes `{field}` of {object}, which mlci goes by: leave it out")]
    Protected {
        /// The object.
        object: ObjectId,
        /// The field.
        field: &'static str,
    },
    /// Two objects would be one.
    #[error("{object} is there twice: give the object of your own another name")]
    Twice {
        /// The object.
        object: ObjectId,
    },
    /// An object of the user's own is for another namespace.
    #[error(
        "{object} is for the namespace `{namespace}`, and the workload is in `{of}`: leave `metadata.namespace` out"
    )]
    OtherNamespace {
        /// The object.
        object: ObjectId,
        /// What it says.
        namespace: String,
        /// The workload's.
        of: Namespace,
    },
}

fn shown(objects: &[ObjectId]) -> String {
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
