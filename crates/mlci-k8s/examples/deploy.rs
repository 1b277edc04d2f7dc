//! Deploys an image, waits, asks it through its Service, and removes it:
//!
//! ```console
//! $ cargo run -p mlci-k8s --example deploy -- CONTEXT NAMESPACE NAME IMAGE@sha256:… [PATH]
//! ```
//! With `render` instead of a context, it prints the manifests and the Role that deploying takes.

#![allow(clippy::print_stdout, reason = "a program speaks to its terminal")]

use std::{env, error::Error};

use mlci_k8s::{ApplyOptions, Cluster, ClusterOptions, RolloutOptions, Workload, http::Request};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [context, namespace, name, image, path @ ..] = arguments.as_slice() else {
        return Err("usage: deploy CONTEXT NAMESPACE NAME IMAGE@sha256:… [PATH]".into());
    };
    let mut workload = Workload::new(namespace.parse()?, name.parse()?, image.parse()?);
    workload.replicas = Some(2);
    if context == "render" {
        println!("{}", workload.render_yaml()?);
        println!("{:#}", mlci_k8s::role(&workload, &"mlci-deploy".parse()?)?);
        return Ok(());
    }

    let cluster = Cluster::connect(&ClusterOptions::new(context)).await?;
    let mut options = ApplyOptions::default();
    options.create_namespace = true;
    let applied = cluster.apply(&workload, &options).await?;
    let done = cluster.rollout(&applied, &RolloutOptions::default(), |progress| println!("{progress}")).await?;
    cluster.prune(&applied).await?;
    println!("done after {:.1?}", done.after);
    println!("{}", cluster.pods(&workload.namespace, &workload.name).await?);
    println!("{}", cluster.services(&workload.namespace, &workload.name).await?);

    let path = path.first().map_or("/readyz", String::as_str);
    let answer = cluster.proxy(&workload.namespace, &workload.name, Request::get(path).body(Vec::new())?).await?;
    println!("{path} answers {}: {}", answer.status(), String::from_utf8_lossy(answer.body()));
    for object in cluster.delete(&workload.namespace, &workload.name).await? {
        println!("deleted: {object}");
    }
    Ok(())
}
