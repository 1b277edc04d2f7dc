//! A Helm chart of a [`Workload`].

mod schema;
mod slots;
mod templates;
mod values;

use mlci_core::RenderedFile;

use crate::{
    name::Name,
    workload::{Workload, WorkloadError},
};

/// A Helm chart (`apiVersion: v2`, for Helm 3 and 4) that makes what a [`Workload`] describes, from the very objects that
/// [`Cluster::apply`](crate::Cluster::apply) applies.
///
/// The workload's fields are the defaults of the chart's values, with three exceptions: the name and the namespace are the
/// release's, and the image's digest has to be stated at every installation, so the chart is the same for every image.
/// One value is none of the workload's: `environment`, empty by default, which sets the label `mlci.environment` and, for
/// the server, the variable `MLCI_ENVIRONMENT`. Port, probes, arguments and durations are no values; they stand in the
/// templates. Several releases of one chart can stand in one namespace.
///
/// Its test (`helm test`) runs the image with the workload's arguments and `--verify http://HOST:PORT`, the address of the
/// Service; it has to end with 0 if the Service answers as it should, as `mlci-serve` does.
///
/// ```
/// use mlci_k8s::{Chart, ImageReference, Workload};
///
/// let image: ImageReference = format!("registry.example.com/wine@sha256:{:064}", 1).parse()?;
/// let workload = Workload::new("staging".parse()?, "wine".parse()?, image);
/// let files = Chart::new(workload).render()?;
///
/// let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
/// assert!(text("charts/wine/Chart.yaml").unwrap().contains("name: wine"));
/// let deployment = text("charts/wine/templates/deployment.yaml").unwrap();
/// assert!(deployment.contains("kind: Deployment") && !deployment.contains("sha256:"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Chart {
    /// The folder that the chart's own lies in, with `/` between its parts. `charts`.
    pub folder: String,
    /// The chart's name. The workload's.
    pub name: Name,
    /// One sentence. `The model server NAME`.
    pub description: String,
    /// The chart's version (Semantic Versioning 2). This crate's: the chart changes with it and with what it is made from,
    /// and `helm package --version` states another.
    pub version: String,
    /// The version of what it runs, which `helm list` shows. Empty: left out, since what runs is stated at each
    /// installation.
    pub app_version: String,
    /// The command that makes the chart anew, for the first line of its files. Empty: none is named.
    pub made_by: String,
    /// What the chart makes.
    pub workload: Workload,
}

/// What no chart can be made from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// No cluster would take it.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// The image has a tag beside its digest.
    #[error("the repository `{0}` has a tag: leave it out, since the digest alone says what runs")]
    Tag(String),
    /// A label would take the place of the chart's own.
    #[error("the label `{0}` is set by the chart itself: remove it from the workload's labels")]
    Label(String),
    /// It has something that no value of the chart speaks of.
    #[error(
        "a chart has a Deployment, a Service, a ServiceAccount and a PodDisruptionBudget only: leave `{0}` out of the \
         workload, and add such objects to the chart's folder"
    )]
    Part(&'static str),
}

impl Chart {
    /// A chart with the workload's name.
    #[must_use]
    pub fn new(workload: Workload) -> Self {
        Self {
            folder: "charts".to_owned(),
            name: workload.name.clone(),
            description: format!("The model server {}", workload.name),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            app_version: String::new(),
            made_by: String::new(),
            workload,
        }
    }

    /// The chart's files, relative to the folder that `folder` is relative to. The same chart gives the same bytes.
    ///
    /// # Errors
    /// [`ChartError`] where the workload fits no cluster or no chart.
    pub fn render(&self) -> Result<Vec<RenderedFile>, ChartError> {
        self.workload.check()?;
        let workload = &self.workload;
        for (part, there) in [
            ("autoscale", workload.autoscale.is_some()),
            ("network", workload.network.is_some()),
            ("ingress", workload.ingress.is_some()),
            ("route", workload.route.is_some()),
            ("service_monitor", workload.service_monitor.is_some()),
            ("patches", !workload.patches.is_empty()),
            ("manifests", !workload.manifests.is_empty()),
        ] {
            if there {
                return Err(ChartError::Part(part));
            }
        }
        let repository = self.workload.image.name();
        if repository.rsplit('/').next().is_some_and(|last| last.contains(':')) {
            return Err(ChartError::Tag(repository.to_owned()));
        }
        let own = |key: &&String| key.starts_with("app.kubernetes.io/") || key.starts_with("helm.sh/");
        if let Some(key) = self.workload.extra_labels.keys().find(own) {
            return Err(ChartError::Label(key.clone()));
        }
        let mark = self.mark();
        let comment = |text: &str| format!("# {mark}\n{text}");
        let template = |text: &str| format!("{{{{- /* {mark} */ -}}}}\n{text}");
        let mut files = vec![
            self.file(".helmignore", comment(include_str!("files/helmignore"))),
            self.file("Chart.yaml", comment(&self.chart_yaml())),
            self.file("values.yaml", comment(&self.values())),
            self.file("values.schema.json", self.schema(&mark)),
            self.file("templates/_helpers.tpl", template(&self.named(include_str!("files/helpers.tpl")))),
            self.file("templates/NOTES.txt", template(&self.named(include_str!("files/NOTES.txt")))),
        ];
        let templates = self.templates()?;
        files.extend(templates.iter().map(|(path, text)| self.file(&format!("templates/{path}"), template(text))));
        Ok(files)
    }

    fn mark(&self) -> String {
        let mark = RenderedFile::MARK;
        if self.made_by.is_empty() {
            format!("{mark}; edits are lost.")
        } else {
            // Within a comment, whatever it holds.
            let made_by: String = self.made_by.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
            format!("{mark}; edits are lost. To make it anew: {}", made_by.replace("*/", "* /").replace("{{", "{ {"))
        }
    }

    fn file(&self, path: &str, text: String) -> RenderedFile {
        RenderedFile { path: format!("{}/{}/{path}", self.folder, self.name), text }
    }

    /// The names of templates are those of all charts in one installation, so each has the chart's before it.
    fn named(&self, text: &str) -> String {
        text.replace("@CHART@", self.name.as_str())
    }

    fn chart_yaml(&self) -> String {
        let mut object = serde_json::json!({
            "apiVersion": "v2",
            "description": self.description,
            // The sleep before a pod's end, without a shell in the image: on by default since 1.30.
            "kubeVersion": ">=1.30.0-0",
            "name": self.name.as_str(),
            "type": "application",
            "version": self.version,
        });
        if !self.app_version.is_empty() {
            object["appVersion"] = self.app_version.as_str().into();
        }
        crate::yaml::document(&object).trim_start_matches("---\n").to_owned()
    }
}

#[cfg(test)]
mod tests;
