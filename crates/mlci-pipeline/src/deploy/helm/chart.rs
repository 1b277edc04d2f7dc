//! What Helm is handed: a chart, and values that say which release is to run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mlci_core::FileError;
use mlci_k8s::{Chart, Manifest, Workload};
use serde_json::Value;
use tempfile::TempDir;

use super::Helm;
use crate::{
    error::{Context as _, Error, Result},
    records::Release,
};

/// A chart and its values, as files that are there as long as this is.
pub(super) struct Handed {
    _folder: TempDir,
    pub(super) chart: String,
    /// `--values FILE` for each, those that win last.
    pub(super) values: Vec<String>,
}

impl Handed {
    /// The arguments that name them.
    pub(super) fn arguments(&self) -> Vec<&str> {
        std::iter::once(&self.chart).chain(&self.values).map(String::as_str).collect()
    }
}

impl Helm {
    /// As [`Self::handed`], and a chart of the user's is looked at: whether what it makes can be watched and proved.
    pub(super) fn checked(&self, release: &Release) -> Result<Handed> {
        let handed = self.handed(release)?;
        if self.environment.chart.is_some() {
            self.check(&self.rendered(&handed)?, &self.cluster.of_release(release)?)?;
        }
        Ok(handed)
    }

    pub(super) fn handed(&self, release: &Release) -> Result<Handed> {
        let workload = self.cluster.of_release(release)?;
        let folder = tempfile::tempdir().context(|| "cannot make a temporary folder for the chart".to_owned())?;
        let chart = match &self.environment.chart {
            Some(own) => self.root.join(own),
            None => self.made_anew(&workload, release, folder.path())?,
        };
        let stated = folder.path().join("values.json");
        let values = Chart::values_of(&workload, self.name.as_str());
        fs::write(&stated, format!("{values:#}\n")).map_err(FileError::at("write", &stated))?;
        let own = self.environment.values.iter().map(|path| self.root.join(path));
        let files = own.chain([stated]).map(|path| shown(&path));
        let values = files.flat_map(|file| ["--values".to_owned(), file]).collect();
        Ok(Handed { _folder: folder, chart: shown(&chart), values })
    }

    /// The chart that `generate helm` writes, with the environment's durations. What is stated as a value has no default
    /// in it, since Helm would add the one to the other.
    fn made_anew(&self, workload: &Workload, release: &Release, folder: &Path) -> Result<PathBuf> {
        let mut plain = workload.clone();
        for map in [&mut plain.env, &mut plain.extra_labels, &mut plain.annotations, &mut plain.pod_annotations] {
            map.clear();
        }
        let mut chart = Chart::new(plain);
        chart.description = format!("The model {} behind its HTTP API", release.name);
        chart.app_version = release.version.to_string();
        let unfit = |error| Error::invalid(format!("environment `{}` cannot be a chart", self.name)).because(error);
        for file in chart.render().map_err(unfit)? {
            let path = folder.join(&file.path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(FileError::at("create", parent))?;
            }
            fs::write(&path, file.text).map_err(FileError::at("write", &path))?;
        }
        Ok(folder.join(&chart.folder).join(chart.name.as_str()))
    }

    /// What Helm makes of a chart, for the version of the cluster where that can be told, else for the one that Helm was
    /// built with. Tests and other hooks are left out: they are no part of what is installed.
    pub(super) fn rendered(&self, handed: &Handed) -> Result<Vec<Manifest>> {
        let version = self.cluster.version().ok();
        let version: Vec<&str> = version.iter().flat_map(|version| ["--kube-version", version]).collect();
        let chart = handed.arguments();
        let arguments = [&["template", self.release()], chart.as_slice(), &["--no-hooks"], &version].concat();
        let text = self.program.in_place(&arguments, self.limit())?;
        manifests(&text, "what Helm makes of the chart")
    }

    fn check(&self, manifests: &[Manifest], workload: &Workload) -> Result<()> {
        let (chart, name) = (self.environment.chart.as_deref().unwrap_or_default(), workload.name.as_str());
        let unfit = |what: String| {
            Error::invalid(format!("the chart `{chart}` of environment `{}` {what}", self.name))
                .help("begin with the chart that `generate helm` writes, and keep its names, labels and the container `server`")
        };
        let find = |kind: &str| {
            let mut all = manifests.iter().map(Manifest::value);
            all.find(|it| it["kind"] == kind && it["metadata"]["name"] == name)
        };
        let (Some(deployment), Some(_)) = (find("Deployment"), find("Service")) else {
            return Err(unfit(format!("makes no Deployment and Service with the name `{name}`")));
        };
        let template = &deployment["spec"]["template"];
        for key in ["app.kubernetes.io/name", "app.kubernetes.io/instance"] {
            if template["metadata"]["labels"][key] != name {
                return Err(unfit(format!(
                    "does not give its pods the label `{key}: {name}`, by which they are found"
                )));
            }
        }
        let containers = template["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let image = containers.iter().find(|it| it["name"] == "server").map(|it| &it["image"]);
        if image.and_then(Value::as_str) != Some(workload.image.to_string().as_str()) {
            return Err(unfit(format!("does not run `{}` in its container `server`", workload.image)));
        }
        for (key, value) in &workload.annotations {
            if deployment["metadata"]["annotations"][key] != value.as_str() {
                return Err(unfit(format!("leaves out the annotation `{key}` of the value `annotations`")));
            }
        }
        Ok(())
    }
}

pub(super) fn manifests(text: &str, what: &str) -> Result<Vec<Manifest>> {
    Manifest::read(text).map_err(|error| Error::fail(format!("{what} cannot be read")).because(error))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
