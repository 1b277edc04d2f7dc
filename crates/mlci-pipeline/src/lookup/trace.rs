//! The chain of digests around one thing, both ways: what it was made from, and where it went.

use std::fmt::Write as _;

use mlci_artifact::Version;
use serde::Serialize;

use crate::{
    error::{Context as _, Error, Result},
    event::Finished,
    pipeline::Pipeline,
    records::{Happened, Release},
};

/// One chain, from the source to the environments.
#[derive(Debug, Serialize)]
struct Chain {
    links: Vec<Link>,
}

/// One link of a chain.
#[derive(Debug, Clone, Serialize)]
struct Link {
    kind: String,
    value: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    /// Whether this is what was asked for.
    asked: bool,
}

impl Pipeline {
    /// Prints every chain that a commit, data, configuration, run, model, version, server, image or environment is in.
    pub fn trace(&self, thing: &str) -> Finished {
        self.command("trace", |ending| {
            let all = self.chains()?;
            let mut chains = with(all.clone(), thing);
            if chains.is_empty()
                && let Some(commit) = crate::source::commit(self.root(), thing)
            {
                chains = with(all, &commit);
            }
            if chains.is_empty() {
                return Err(Error::invalid(format!("nothing here is called `{thing}`")).help(format!(
                    "give a digest or its first 6 digits, a commit, a run, a version such as {}@1, or an environment",
                    self.config().project.name
                )));
            }
            let shown: Vec<String> = chains.iter().map(text).collect();
            ending.text = Some(format!("`>` marks what was asked for\n\n{}", shown.join("\n")));
            let value = serde_json::to_value(&chains).context(|| "the chains cannot be shown".to_owned())?;
            ending.result = Some(serde_json::json!({"thing": thing, "chains": value}));
            Ok(())
        })
    }

    /// A chain for each image, and for each version that is in no image.
    fn chains(&self) -> Result<Vec<Vec<Link>>> {
        let name = &self.config().project.name;
        let builds: Vec<Release> =
            self.block_on(self.records().builds()?.entries())?.into_iter().map(|build| build.body).collect();
        let mut chains = Vec::new();
        for version in self.block_on(self.store().versions(name))? {
            let mut images: Vec<&Release> = Vec::new();
            for build in builds.iter().filter(|build| build.model == version.model) {
                if !images.iter().any(|image| image.image == build.image) {
                    images.push(build);
                }
            }
            if images.is_empty() {
                chains.push(origin(&version));
            }
            for image in images {
                let mut links = origin(&version);
                links.push(link("server", image.server.to_string(), ""));
                links.push(link("image", image.image.to_string(), ""));
                // The same content may have come from several commits and runs.
                for build in builds.iter().filter(|build| build.image == image.image) {
                    let again = [Some(("source", build.source.to_string())), build.run.clone().map(|run| ("run", run))];
                    for (kind, value) in again.into_iter().flatten() {
                        if !links.iter().any(|link| link.value == value) {
                            links.push(link(kind, value, "came to the same image"));
                        }
                    }
                }
                for environment in self.config().environment.keys() {
                    links.extend(self.went_to(environment, image)?);
                }
                chains.push(links);
            }
        }
        Ok(chains)
    }

    fn went_to(&self, environment: &mlci_core::Label, release: &Release) -> Result<Vec<Link>> {
        let history = self.history(environment)?;
        let current = history.current().map(|entry| entry.number);
        let about = history.0.iter().filter(|entry| entry.body.image() == &release.image);
        let links = about.map(|entry| {
            let what = match &entry.body {
                Happened::Approved { by, .. } => format!("approved by {by}"),
                Happened::Deployed { by, .. } => format!("deployed and verified by {by}"),
                Happened::RolledBack { by, reason, .. } => format!("rolled back to by {by}: {reason}"),
                Happened::Rejected { by, reason, .. } => format!("rejected by {by}: {reason}"),
            };
            let now = if Some(entry.number) == current { ", serves now" } else { "" };
            link(
                format!("{environment} #{}", entry.number),
                format!("{what}{now}"),
                entry.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            )
        });
        Ok(links.collect())
    }
}

/// The chains that have this in them, with it marked.
fn with(chains: Vec<Vec<Link>>, thing: &str) -> Vec<Chain> {
    let marked = chains.into_iter().map(|mut links| {
        for link in &mut links {
            link.asked = is(link, thing);
        }
        Chain { links }
    });
    marked.filter(|chain| chain.links.iter().any(|link| link.asked)).collect()
}

fn link(kind: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Link {
    Link { kind: kind.into(), value: value.into(), note: note.into(), asked: false }
}

fn origin(version: &Version) -> Vec<Link> {
    let mut links = Vec::new();
    for kind in ["source", "data", "configuration", "run"] {
        if let Some(value) = version.annotations.get(kind) {
            links.push(link(kind, value, ""));
        }
    }
    links.push(link("model", version.model.to_string(), ""));
    links.push(link("version", format!("{}@{}", version.name, version.number), ""));
    links
}

/// Whether a link is called so: its whole value, the beginning of a digest, commit or run, or its environment.
fn is(link: &Link, thing: &str) -> bool {
    let digits = thing.strip_prefix("sha256:").unwrap_or(thing);
    let value = link.value.strip_prefix("sha256:").unwrap_or(&link.value);
    let shortened = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) && value.starts_with(digits);
    let version = link.kind == "version" && link.value.rsplit('@').next() == Some(thing);
    let environment = link.kind.split_once(" #").is_some_and(|(name, _)| name == thing);
    link.value == thing || version || shortened || environment
}

fn text(chain: &Chain) -> String {
    let width = chain.links.iter().map(|link| link.kind.chars().count()).max().unwrap_or(0);
    chain.links.iter().fold(String::new(), |mut out, link| {
        let mark = if link.asked { '>' } else { ' ' };
        let note = if link.note.is_empty() { String::new() } else { format!("  ({})", link.note) };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{mark} {:width$}  {}{note}", link.kind, link.value);
        out
    })
}
