//! What a deployment would do, and what Helm has done so far.

use mlci_k8s::{Manifest, Name, ObjectDiff};
use serde_json::json;

use super::{Helm, chart::manifests};
use crate::{
    deploy::{
        kubernetes::change,
        target::{Look, Shown},
    },
    error::{Error, Result},
    records::Release,
};

/// How many revisions `status` shows.
const SHOWN: &str = "5";

impl Helm {
    pub(super) fn shown(&self, release: &Release, look: Look) -> Result<Shown> {
        self.program.version()?;
        let mut after = self.rendered(&self.handed(release)?)?;
        match look {
            Look::Manifests => {
                after.iter_mut().for_each(Manifest::hide_secret);
                let workload = self.cluster.of_release(release)?;
                let name = Name::legal(&format!("{}-deploy", workload.name));
                let role = mlci_k8s::helm_role(&workload, &name).map_err(|error| Error::invalid(error.to_string()))?;
                let text: String = after.iter().map(ToString::to_string).collect();
                let objects: Vec<_> = after.iter().map(Manifest::value).collect();
                Ok(Shown { text: text.trim_end().to_owned(), result: json!({ "manifests": objects, "role": role }) })
            }
            Look::Changes => {
                let before = if self.program.history()?.is_empty() {
                    Vec::new()
                } else {
                    let text = self.program.in_place(&["get", "manifest", self.release()], self.limit())?;
                    manifests(&text, "the present revision")?
                };
                let changes = ObjectDiff::between(&before, &after);
                let namespace = self.cluster.namespace.as_str();
                let text = match changes.as_slice() {
                    [] => format!("nothing would change in the release `{}` in `{namespace}`", self.release()),
                    changes => changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
                };
                let changes: Vec<_> = changes.iter().map(change).collect();
                Ok(Shown { text, result: json!({ "namespace": namespace, "changes": changes }) })
            }
        }
    }

    /// The last revisions, as `helm history` shows them, and what holds the release, where something does.
    pub(super) fn revisions(&self) -> Result<String> {
        let history = self.program.history()?;
        let Some(last) = history.last() else { return Ok(format!("no Helm release `{}`", self.release())) };
        let table = self.program.in_place(&["history", self.release(), "--max", SHOWN], self.limit())?;
        // Helm pads its columns with blanks.
        let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
        let mut text = lines.join("\n");
        if last.is_pending() {
            text.push_str(&format!("\n{}", self.locked(last)));
        }
        Ok(text)
    }

    pub(super) fn not_helms(&self) -> Error {
        let (name, namespace) = (&self.cluster.name, &self.cluster.namespace);
        Error::fail(format!("a Deployment `{name}` is in namespace `{namespace}` already, and Helm has not made it")).help(
            "remove it and its Service, or choose another namespace; to let Helm take over what is there: helm upgrade \
             --install --take-ownership, by hand",
        )
    }
}
