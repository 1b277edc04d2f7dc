//! Our side: one process that applies a workload, waits, and asks through the Service.

use std::{process::Command, time::Duration};

use mlci_k8s::{ApplyOptions, Cluster, ClusterOptions, RolloutOptions, Workload, http::Request};
use serde_json::{Value, json};

use crate::{Result, kubectl::context};

/// What is deployed, as it is handed to the process.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) namespace: String,
    pub(crate) image: String,
    pub(crate) argument: Option<&'static str>,
    pub(crate) cpu: &'static str,
    pub(crate) replicas: u32,
}

/// How long a pod may find no node.
pub(crate) const GRACE: Duration = Duration::from_secs(3);
/// Kubernetes' own default is 600 s, which kubectl would wait for; 30 s are in its favour.
const DEADLINE: Duration = Duration::from_secs(30);

impl Plan {
    pub(crate) fn workload(&self) -> Result<Workload> {
        let mut workload = Workload::new(self.namespace.parse()?, "wine".parse()?, self.image.parse()?);
        workload.replicas = Some(self.replicas);
        workload.args = self.argument.map(ToOwned::to_owned).into_iter().collect();
        workload.resources.cpu = self.cpu.parse()?;
        workload.resources.memory = "32Mi".parse()?;
        workload.drain = Duration::ZERO;
        workload.stop = Duration::from_secs(1);
        workload.progress_deadline = DEADLINE;
        Ok(workload)
    }

    /// The process.
    pub(crate) fn command(&self) -> Result<Command> {
        let plan = json!({
            "namespace": self.namespace, "image": self.image, "argument": self.argument, "cpu": self.cpu,
            "replicas": self.replicas,
        });
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["rollout", &plan.to_string()]);
        Ok(command)
    }

    fn read(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            namespace: text("namespace"),
            image: text("image"),
            argument: (value["argument"] == "exit").then_some("exit"),
            cpu: if value["cpu"] == "10000" { "10000" } else { "10m" },
            replicas: u32::try_from(value["replicas"].as_u64().unwrap_or(1))?,
        })
    }
}

pub(crate) fn rollout(plan: &str) -> Result<()> {
    let workload = Plan::read(plan)?.workload()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let cluster = Cluster::connect(&ClusterOptions::new(context()?)).await?;
        let applied = cluster.apply(&workload, &ApplyOptions::default()).await?;
        let mut options = RolloutOptions::default();
        options.unschedulable = GRACE;
        cluster.rollout(&applied, &options, |_| {}).await?;
        let request = Request::get("/").body(Vec::new())?;
        let answer = cluster.proxy(&workload.namespace, &workload.name, request).await?;
        cluster.prune(&applied).await?;
        // Which version it is, for whoever called.
        println!(
            "{}",
            answer.headers().get("x-version").map(|version| version.to_str()).transpose()?.unwrap_or_default()
        );
        Ok(())
    })
}
