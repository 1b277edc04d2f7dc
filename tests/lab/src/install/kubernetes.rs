use std::{fs, path::Path, process::Command};

use mlci_core::FileError;

use super::step;
use crate::{
    cache::Cache,
    error::{Error, Result},
};

const PROGRAMS: [&str; 5] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"];

/// Builds the programs of Kubernetes into `PLACE/bin`.
///
/// The module `k8s.io/kubernetes` replaces its staging modules by folders that its archive lacks, so it cannot be
/// installed as it is: a module of ours requires it, and takes the published versions of those.
pub(super) fn build(cache: &Cache, place: &Path, version: &str) -> Result<()> {
    let log = place.join("install.log");
    let source = place.join("source");
    fs::create_dir_all(&source).map_err(FileError::at("create", &source))?;
    let output = Command::new("go")
        .current_dir(&source)
        .env("GOFLAGS", "")
        .args(["mod", "download", "-json", &format!("k8s.io/kubernetes@v{version}")])
        .output()
        .map_err(|source| Error::Run { program: "go".to_owned(), source })?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let folder = answer.get("Dir").and_then(serde_json::Value::as_str).ok_or_else(|| {
        Error::Other(format!("go mod download k8s.io/kubernetes: {}", String::from_utf8_lossy(&output.stderr).trim()))
    })?;
    let manifest = Path::new(folder).join("go.mod");
    let theirs = fs::read_to_string(&manifest).map_err(FileError::at("read", &manifest))?;
    let ours = source.join("go.mod");
    fs::write(&ours, wrapper(&theirs, version)).map_err(FileError::at("write", &ours))?;

    let minor = version.split('.').nth(1).unwrap_or_default();
    let variables = "k8s.io/component-base/version";
    let flags = format!(
        "-ldflags=-s -w -X {variables}.gitVersion=v{version} -X {variables}.gitMajor=1 -X {variables}.gitMinor={minor}"
    );
    let mut command = Command::new("go");
    command
        .current_dir(&source)
        .args(["build", "-mod=mod", "-buildvcs=false", "-trimpath", &flags, "-o"])
        .arg(format!("{}/", place.join("bin").display()))
        .args(PROGRAMS.map(|name| format!("k8s.io/kubernetes/cmd/{name}")))
        // 3.7 GB that nothing else needs; kept until the build is done, so that one that was cut short goes on.
        .env("GOCACHE", cache.downloads().join("go-build-kubernetes"))
        .env("CGO_ENABLED", "0");
    step(&mut command, &log)?;
    let _ = fs::remove_dir_all(cache.downloads().join("go-build-kubernetes"));
    Ok(fs::remove_dir_all(&source).map_err(FileError::at("remove", &source))?)
}

/// The go.mod of a module that requires Kubernetes and takes its staging modules in their published versions.
fn wrapper(theirs: &str, version: &str) -> String {
    let published = format!("v0.{}", version.strip_prefix("1.").unwrap_or(version));
    let mut text = "module mlci.lab/kubernetes\n\n".to_owned();
    let one_line = theirs.lines().filter(|line| line.starts_with("go ") || line.starts_with("godebug "));
    text.extend(one_line.map(|line| format!("{line}\n")));
    text.push_str(&format!("\nrequire k8s.io/kubernetes v{version}\n\n"));
    let staging = theirs.lines().filter_map(|line| line.trim().split_once(" => ./staging/").map(|(module, _)| module));
    text.extend(staging.map(|module| format!("replace {module} => {module} {published}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staging_modules_are_replaced_by_published_ones() {
        let theirs = "module k8s.io/kubernetes\n\ngo 1.24.0\n\ngodebug default=go1.24\n\nrequire x v1\n\nreplace (\n\
                      \tk8s.io/api => ./staging/src/k8s.io/api\n\tother => v1\n)\n";
        assert_eq!(
            wrapper(theirs, "1.34.4"),
            "module mlci.lab/kubernetes\n\ngo 1.24.0\ngodebug default=go1.24\n\nrequire k8s.io/kubernetes v1.34.4\n\n\
             replace k8s.io/api => k8s.io/api v0.34.4\n"
        );
    }
}
