//! The target `helm`: the same objects as those of `kubernetes`, as a release of Helm's, for teams that live with its
//! list, history and rollback.
//!
//! Helm applies; everything else is as there: our own state machine judges the rollout, the golden predictions are asked
//! through the Service, and only then is the release recorded. Where that fails, Helm goes back to the revision of what
//! was verified last.

mod back;
mod chart;
mod history;
mod lock;
mod program;
mod show;

use std::{path::PathBuf, time::Duration};

use mlci_core::{Digest, Label};
use mlci_k8s::{Cluster, Deployed};

use self::{
    chart::Handed,
    history::{Revision, description},
    program::{Program, named},
};
use super::{
    kubernetes::{Kubernetes, Wanted, other, with_undone},
    target::{DeployError, Look, Running, Shown, Target},
};
use crate::{
    config::Environment,
    error::{Error, Result},
    pipeline::Pipeline,
    records::{Records, Release},
};

pub(crate) use self::program::version;

/// The longest name that Helm gives a release.
const LONGEST: usize = 53;

/// An environment in a cluster, by way of Helm.
pub(crate) struct Helm {
    name: Label,
    environment: Environment,
    /// What is read there, watched and asked.
    cluster: Kubernetes,
    program: Program,
    /// What the paths of the configuration are relative to.
    root: PathBuf,
    records: Records,
}

impl Helm {
    pub(crate) fn new(
        pipeline: &Pipeline,
        name: &Label,
        environment: Environment,
        cluster: Kubernetes,
    ) -> Result<Self> {
        let release = cluster.name.as_str();
        if release.len() > LONGEST {
            return Err(Error::invalid(format!(
                "environment `{name}`: `{release}` is no name for a Helm release, which has {LONGEST} characters at most"
            ))
            .help("choose a shorter [project] name, or the target `kubernetes`"));
        }
        let root = std::path::absolute(pipeline.root()).map_err(mlci_core::FileError::at("locate", pipeline.root()))?;
        let path = named(environment.helm.as_deref(), &root);
        let program = Program::new(path, release, &cluster.context, cluster.namespace.as_str());
        Ok(Self { name: name.clone(), environment, cluster, program, root, records: pipeline.records().clone() })
    }

    fn release(&self) -> &str {
        self.cluster.name.as_str()
    }

    /// How long Helm may wait for a hook or an object.
    fn limit(&self) -> Duration {
        self.cluster.settings.options().timeout
    }

    fn lock_limit(&self) -> Duration {
        self.environment.lock_seconds.map_or_else(|| self.limit(), |seconds| Duration::from_secs(seconds.into()))
    }

    /// Lets Helm change the release. It waits for hooks, and for nothing else: that is ours.
    fn change(&self, arguments: &[&str]) -> Result<()> {
        let (limit, seconds) = (self.limit(), format!("{}s", self.limit().as_secs()));
        let done = self.program.in_place(&[arguments, &["--timeout", &seconds]].concat(), limit);
        let in_progress = |error: &Error| error.causes().iter().any(|cause| cause.contains("another operation"));
        done.map(drop).map_err(|error| match in_progress(&error) {
            true => error.help("somebody has begun to work on the release just now: run it again"),
            false => error,
        })
    }

    fn roll_back(&self, revision: u32) -> Result<()> {
        self.change(&["rollback", self.release(), &revision.to_string()])
    }

    fn uninstall(&self) -> Result<()> {
        self.change(&["uninstall", self.release()])
    }

    fn upgrade(&self, release: &Release, handed: &Handed) -> Result<()> {
        let said = description(release, &self.environment.digest());
        let mut arguments = vec!["upgrade", self.release()];
        arguments.extend(handed.arguments());
        arguments.extend(["--install", "--reset-values", "--description", &said]);
        if self.cluster.create_namespace {
            arguments.push("--create-namespace");
        }
        self.change(&arguments)
    }

    /// Helm applies, and everything else is judged as in any cluster.
    async fn bring(
        &self,
        cluster: &Cluster,
        wanted: Wanted<'_>,
        before: Option<&Deployed>,
        progress: &dyn Fn(String),
    ) -> Result<Running, DeployError> {
        let (namespace, name) = (&self.cluster.namespace, &self.cluster.name);
        let mut rolls = cluster.applied(namespace, name).await.map_err(other)?;
        // Nothing has changed, and so nothing begins anew by itself: that is what was asked for then.
        if before.is_some_and(|before| before.generation == rolls.generation) {
            rolls = cluster.restart(namespace, name).await.map_err(other)?;
        }
        self.cluster.judge(cluster, &rolls, wanted, progress).await?;
        self.cluster.serves(cluster).await
    }
}

fn newest(history: &[Revision]) -> u32 {
    history.last().map_or(0, |last| last.revision)
}

impl Target for Helm {
    fn is_local(&self) -> bool {
        false
    }

    fn observe(&self) -> Result<Option<Running>> {
        self.cluster.observe()
    }

    fn hangs(&self) -> Result<Option<u32>> {
        Ok(None)
    }

    fn deploy(
        &self,
        release: &Release,
        serving: Option<&Release>,
        progress: &dyn Fn(String),
    ) -> Result<Running, DeployError> {
        // Before anything is changed: a program, a store or a cluster that is not there is no fault of the release.
        self.program.version()?;
        let handed = self.checked(release)?;
        let work = async {
            let model = self.cluster.model(release).await?;
            let cluster = self.cluster.connect().await.map_err(other)?;
            self.cluster.before(&cluster).await?;
            let history = self.unlocked(progress)?;
            // What was left behind may have changed it.
            let before = self.cluster.before(&cluster).await?;
            if before.as_ref().is_some_and(|before| !before.ours) {
                return Err(DeployError::Other(self.not_helms()));
            }
            if let Err(error) = self.upgrade(release, &handed) {
                let newest = newest(&history);
                return Err(self.half_done(error, &cluster, serving, newest, progress).await);
            }
            let ours = newest(&self.program.history()?);
            progress(format!("revision {ours} of `{}` is installed", self.release()));
            let wanted = Wanted { release, model: &model };
            let brought = self.bring(&cluster, wanted, before.as_ref(), progress).await;
            let Err(DeployError::Release(error)) = brought else { return brought };
            let undone = self.undo(&cluster, serving, ours, progress).await;
            Err(DeployError::Release(with_undone(error, undone)))
        };
        self.cluster.runtime.block_on(work)
    }

    fn settle(&self) -> Result<bool> {
        // A release that is locked is looked at by the next deployment, which may have to wait.
        Ok(false)
    }

    fn verify(&self, release: &Release, running: &Running) -> Result<()> {
        self.cluster.verify(release, running)
    }

    fn pause(&self) -> Result<()> {
        self.cluster.pause()
    }

    fn resume(&self) -> Result<()> {
        self.cluster.resume()
    }

    fn wanted(&self) -> Result<Option<Digest>> {
        self.cluster.wanted()
    }

    fn give_up(&self, back: Option<&Release>, progress: &dyn Fn(String)) -> Result<Option<Running>, DeployError> {
        self.program.version()?;
        let work = async {
            let model = match back {
                Some(release) => Some(self.cluster.model(release).await?),
                None => None,
            };
            let cluster = self.cluster.connect().await.map_err(other)?;
            let history = self.unlocked(progress)?;
            // All of them: the newest may be the verified one again, where a lock was taken back.
            let before = newest(&history).saturating_add(1);
            let (Some(release), Some(model)) = (back, &model) else {
                if !history.is_empty() {
                    self.uninstall()?;
                }
                return Ok(None);
            };
            self.put_back(back, &history, before, progress).await?;
            let running = self.cluster.back_at(&cluster, Wanted { release, model }, progress).await?;
            Ok(Some(running))
        };
        self.cluster.runtime.block_on(work)
    }

    fn stop(&self) -> Result<bool> {
        self.cluster.stop()
    }

    fn log(&self) -> Result<Option<(String, Vec<u8>)>> {
        self.cluster.log()
    }

    fn look(&self, release: &Release, look: Look) -> Result<Shown> {
        self.shown(release, look)
    }

    fn tables(&self) -> Result<Vec<String>> {
        let mut tables = self.cluster.tables()?;
        tables.push(self.revisions()?);
        Ok(tables)
    }
}
