use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use crate::{
    apply::FIELD_MANAGER,
    call::Action,
    error::{Error, Result},
    place::Place,
    rollout::WATCH_SECONDS,
    workload::LABEL_MANAGER,
};

/// Which cluster to connect to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClusterOptions {
    /// The kubeconfig. None: the files in the variable `KUBECONFIG`, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it. There is no default: the current context is whatever someone last worked with.
    pub context: String,
    /// How long one call may take, with all its tries. 30 s. (Rollouts have a limit of their own.)
    pub timeout: Duration,
}

impl ClusterOptions {
    /// This context of the usual kubeconfig, with 30 s for a call.
    #[must_use]
    pub fn new(context: impl Into<String>) -> Self {
        Self { kubeconfig: None, context: context.into(), timeout: Duration::from_secs(30) }
    }
}

/// A connection to one cluster. Cheap to clone; needs a tokio runtime.
///
/// Every call has a time limit. What fails in passing (429, 5xx, a lost connection) is tried again within it. A call
/// that is dropped before it has ended leaves behind what the API server had already taken; to make it again is safe.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    pub(crate) place: Arc<Place>,
    pub(crate) timeout: Duration,
    /// The manager whose Deployments are worked on: the value of their label `app.kubernetes.io/managed-by`.
    pub(crate) owner: &'static str,
    version: String,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("place", &self.place).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Connects, and asks the API server for its version, so that a wrong address or credential shows here.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`], [`Error::NoContext`] with the contexts that there are, [`Error::Credentials`],
    /// [`Error::Unreachable`], [`Error::Certificate`], [`Error::Unauthorized`], [`Error::TimedOut`].
    pub async fn connect(options: &ClusterOptions) -> Result<Self> {
        let path = || kubeconfig_name(options.kubeconfig.as_ref());
        let unusable = |source: KubeconfigError| Error::Kubeconfig { path: path(), source: Box::new(source) };
        let kubeconfig = match &options.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        }
        .map_err(unusable)?;
        if !kubeconfig.contexts.iter().any(|context| context.name == options.context) {
            let mut known: Vec<_> = kubeconfig.contexts.into_iter().map(|context| context.name).collect();
            known.sort();
            return Err(Error::NoContext { context: options.context.clone(), known, path: path() });
        }
        let chosen = KubeConfigOptions { context: Some(options.context.clone()), cluster: None, user: None };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &chosen).await.map_err(unusable)?;
        config.connect_timeout = Some(options.timeout);
        // Longer than any watch is silent: a connection that is lost with nobody to say so is given up.
        config.read_timeout = Some(options.timeout.max(Duration::from_secs(u64::from(WATCH_SECONDS) * 2)));
        // Tries are made here, with the cluster's time limit and for idempotent calls only.
        config.default_retry = false;
        let place = Place { context: options.context.clone(), server: address(&config.cluster_url) };
        let unusable = |source| Error::Credentials { place: Arc::new(place.clone()), source };
        let client = client(config, options.timeout).await.map_err(unusable)?;
        Self::with_client(client, place, options.timeout).await
    }

    /// As [`Cluster::connect`], with a client made elsewhere, such as inside a cluster.
    ///
    /// # Errors
    /// As for [`Cluster::connect`], without those of the kubeconfig.
    pub async fn with_client(client: Client, place: Place, timeout: Duration) -> Result<Self> {
        let place = Arc::new(place);
        let mut cluster = Self { client, place, timeout, owner: FIELD_MANAGER, version: String::new() };
        let action = Action { verb: "get", resource: "/version", namespace: None, name: None };
        // Once only: whoever cannot be reached now is to be reported now.
        let version = cluster.call_once(&action, cluster.client.apiserver_version()).await?;
        cluster.version = version.git_version;
        Ok(cluster)
    }

    /// The same connection, for what a Helm release has made: [`Cluster::restart`], [`Cluster::scale`],
    /// [`Cluster::pause`], [`Cluster::resume`], [`Cluster::applied`] and [`Deployed::ours`](crate::Deployed::ours) go by
    /// Helm's label then. [`Cluster::apply`], [`Cluster::prune`] and [`Cluster::delete`] stay with what mlci has made
    /// itself.
    #[must_use]
    pub const fn of_helm(mut self) -> Self {
        self.owner = "Helm";
        self
    }

    /// Whether an object with these labels is the owner's.
    pub(crate) fn owns(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(LABEL_MANAGER).is_some_and(|manager| manager == self.owner)
    }

    /// The context and the address.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The version of the API server, such as `v1.34.4`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// A plugin for credentials is run when the client is made, and waited for: in a thread of its own, since one that hangs
/// cannot be stopped.
async fn client(config: Config, limit: Duration) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    let (sender, made) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let _inside = runtime.enter();
        // Whoever asked may have given up.
        let _ = sender.send(Client::try_from(config));
    });
    match tokio::time::timeout(limit, made).await {
        Ok(Ok(made)) => Ok(made?),
        Ok(Err(_)) => Err("the client could not be made".into()),
        Err(_) => Err(format!("its plugin for credentials did not answer within {limit:?}").into()),
    }
}

/// The address for a message: without a user and password, if someone has put them there.
fn address(url: &http::Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}{}", url.scheme_str().unwrap_or("https"), url.path().trim_end_matches('/'))
}

/// The kubeconfig for a message: a path, or where the tools look.
fn kubeconfig_name(path: Option<&PathBuf>) -> String {
    match (path, std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty())) {
        (Some(path), _) => format!("`{}`", path.display()),
        (None, Some(variable)) => format!("`{}` (from KUBECONFIG)", variable.display()),
        (None, None) => "`~/.kube/config` (KUBECONFIG is not set)".to_owned(),
    }
}

#[cfg(test)]
mod tests;
