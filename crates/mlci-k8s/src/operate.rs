use std::time::Duration;

use k8s_openapi::{api::apps::v1::Deployment, jiff::Timestamp};
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    apply::{Applied, ApplyOptions, FIELD_MANAGER},
    call::Action,
    cluster::Cluster,
    error::{Error, Result},
    image::ImageReference,
    kind::DEPLOYMENT,
    name::{Name, Namespace},
    place::FieldConflict,
    record::server_image,
    rollout::{Progress, RolledOut, RolloutOptions},
    workload::Workload,
};

/// As `kubectl rollout restart` sets it, so that either sees the other's restarts.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// How long the controller may take to see a change. It takes some milliseconds, unless it is away.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

impl Cluster {
    /// Replaces every pod by a new one of the same version, as `kubectl rollout restart` does; [`Cluster::rollout`]
    /// waits for it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotOurs`] for a Deployment that mlci has not made; the errors of every call.
    pub async fn restart(&self, namespace: &Namespace, name: &Name) -> Result<Applied> {
        let deployment = self.our_deployment("restart", namespace, name).await?;
        let patch = json!({
            "spec": { "template": { "metadata": { "annotations": { RESTARTED: Timestamp::now().to_string() } } } },
        });
        self.patch_deployment(namespace, name, &deployment, &patch).await
    }

    /// Changes the number of pods; [`Cluster::rollout`] waits for it. The next [`Cluster::apply`] sets its own number.
    ///
    /// # Errors
    /// [`Error::Conflict`] when someone else, such as an autoscaler, manages the number; [`Error::NotFound`];
    /// [`Error::NotOurs`]; the errors of every call.
    pub async fn scale(&self, namespace: &Namespace, name: &Name, replicas: u32) -> Result<Applied> {
        let deployment = self.our_deployment("scale", namespace, name).await?;
        // A patch takes a field without asking, so that the question is asked here.
        let conflicts = replica_managers(&deployment);
        if !conflicts.is_empty() {
            let action = Action::new("scale", &DEPLOYMENT.resource, namespace.as_str(), name.as_str()).to_string();
            return Err(Error::Conflict { action, place: self.place.clone(), conflicts });
        }
        let patch = json!({ "spec": { "replicas": replicas } });
        self.patch_deployment(namespace, name, &deployment, &patch).await
    }

    /// Holds a rollout where it is, as `kubectl rollout pause` does: no further pod is replaced, and whoever waits for the
    /// rollout is told ([`Reason::Paused`](crate::Reason::Paused)). What serves goes on. Returns once the controller has seen
    /// it, which until then goes on; to drop the future before that leaves the rollout paused all the same.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotOurs`]; [`Error::NotSeen`]; the errors of every call.
    pub async fn pause(&self, namespace: &Namespace, name: &Name) -> Result<()> {
        self.set_paused("pause", namespace, name, &json!(true)).await.map(drop)
    }

    /// Lets a rollout go on that was paused, by whomever; [`Cluster::rollout`] waits for it. To go back instead, apply
    /// what was there before ([`Cluster::apply`] leaves the pause as it is) and resume then: the pods of the version that
    /// was given up go. Returns once the controller has seen it, as [`Cluster::pause`] does.
    ///
    /// # Errors
    /// Those of [`Cluster::pause`].
    pub async fn resume(&self, namespace: &Namespace, name: &Name) -> Result<Applied> {
        self.set_paused("resume", namespace, name, &json!(null)).await
    }

    async fn set_paused(&self, verb: &'static str, namespace: &Namespace, name: &Name, to: &Value) -> Result<Applied> {
        let deployment = self.our_deployment(verb, namespace, name).await?;
        let set = self.patch_deployment(namespace, name, &deployment, &json!({ "spec": { "paused": to } })).await?;
        let begun = Instant::now();
        loop {
            let now = self.our_deployment(verb, namespace, name).await?;
            if now.status.and_then(|status| status.observed_generation).is_some_and(|seen| seen >= set.generation) {
                return Ok(set);
            }
            if begun.elapsed() >= SEEN_WITHIN {
                let action = Action::new(verb, &DEPLOYMENT.resource, namespace.as_str(), name.as_str()).to_string();
                return Err(Error::NotSeen { action, place: self.place.clone(), seconds: SEEN_WITHIN.as_secs() });
            }
            sleep(LOOK).await;
        }
    }

    /// Applies an earlier workload again, waits until every pod runs its digest, and removes what that workload has
    /// not. It does not matter what runs now,
    /// whether that is broken, or whether another rollout is under way.
    ///
    /// # Errors
    /// Those of [`Cluster::apply`] and [`Cluster::rollout`].
    pub async fn rollback(
        &self,
        to: &Workload,
        options: &RolloutOptions,
        progress: impl FnMut(&Progress),
    ) -> Result<RolledOut> {
        let applied = self.apply(to, &ApplyOptions::default()).await?;
        let done = self.rollout(&applied, options, progress).await?;
        self.prune(&applied).await?;
        Ok(done)
    }

    /// What has been applied last, by whomever, such as by Helm ([`Cluster::of_helm`]): what [`Cluster::rollout`] waits
    /// for.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotOurs`], also for a Deployment whose image has no digest; the errors of every call.
    pub async fn applied(&self, namespace: &Namespace, name: &Name) -> Result<Applied> {
        let deployment = self.our_deployment("watch", namespace, name).await?;
        self.as_applied(namespace, name, deployment)
    }

    fn as_applied(&self, namespace: &Namespace, name: &Name, deployment: Deployment) -> Result<Applied> {
        let image: Option<ImageReference> = server_image(&deployment).and_then(|image| image.parse().ok());
        Ok(Applied {
            namespace: namespace.clone(),
            name: name.clone(),
            labelled: name.clone(),
            image: image.ok_or_else(|| self.not_ours("patch", namespace, name))?,
            uid: deployment.metadata.uid.unwrap_or_default(),
            generation: deployment.metadata.generation.unwrap_or_default(),
            obsolete: Vec::new(),
            autoscaler: None,
            declared: Vec::new(),
        })
    }

    async fn our_deployment(&self, verb: &'static str, namespace: &Namespace, name: &Name) -> Result<Deployment> {
        let api = self.deployments(namespace);
        let action = Action::new("get", &DEPLOYMENT.resource, namespace.as_str(), name.as_str());
        let deployment = self.call(&action, || api.get(name.as_str())).await?;
        if self.owns(deployment.labels()) {
            return Ok(deployment);
        }
        Err(self.not_ours(verb, namespace, name))
    }

    fn not_ours(&self, verb: &'static str, namespace: &Namespace, name: &Name) -> Error {
        let action = Action { verb, ..Action::new("", &DEPLOYMENT.resource, namespace.as_str(), name.as_str()) };
        Error::NotOurs { action: action.to_string(), place: self.place.clone() }
    }

    async fn patch_deployment(
        &self,
        namespace: &Namespace,
        name: &Name,
        before: &Deployment,
        patch: &Value,
    ) -> Result<Applied> {
        let api = self.deployments(namespace);
        let action = Action::new("patch", &DEPLOYMENT.resource, namespace.as_str(), name.as_str());
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        // The patch is for the Deployment that was looked at, and no later one of its name.
        let mut patch = patch.clone();
        patch["metadata"] = json!({ "uid": before.uid() });
        let patch = Patch::Merge(patch);
        let deployment = self.call(&action, || api.patch(name.as_str(), &params, &patch)).await?;
        self.as_applied(namespace, name, deployment)
    }
}

/// Who else manages the number of pods.
fn replica_managers(deployment: &Deployment) -> Vec<FieldConflict> {
    let others = deployment.managed_fields().iter().filter(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER));
    let managers = others.filter(|entry| {
        entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
    });
    managers
        .map(|entry| FieldConflict {
            manager: entry.manager.clone().unwrap_or_default(),
            field: ".spec.replicas".to_owned(),
        })
        .collect()
}
