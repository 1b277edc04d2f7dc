use std::{process::Command, time::Duration};

use mlci_core::write_atomic;

use super::super::{Component, Kind};
use crate::{
    error::{Error, Result},
    install::Install,
    place::Place,
};

/// Where pods ask for names (`cluster.sh` tells the kubelet): the address that a node's own DNS cache has elsewhere.
const DNS: &str = "169.254.20.10";

/// The API of metrics, which the API server hands on to a server on this machine.
const METRICS: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec: {type: ExternalName, externalName: localhost, ports: [{port: PORT}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: metrics-server, namespace: kube-system, port: PORT}
"#;

/// What a cluster mostly has besides: names of Services, and how much pods use. Both run on the machine, beside the
/// cluster instead of in it, since there is no image of them to be had.
pub(crate) static ADDONS: Component = Component {
    name: "kubernetes-addons",
    about: "metrics-server 0.8.0 and CoreDNS 1.15.0 for the cluster; their build takes long, so they are there on demand only",
    kind: Kind::Real,
    installs: &[
        Install::Go { package: "sigs.k8s.io/metrics-server/cmd/metrics-server", version: "v0.8.0" },
        Install::Go { package: "github.com/coredns/coredns", version: "v1.15.0" },
    ],
    root: true,
    programs: &["kubectl", "ip", "bash"],
    needs: &["kubernetes"],
    minutes: 9,
    hands_out: &["MLCI_LAB_KUBE_ADDONS"],
    start: |place| {
        let kubeconfig = place.others.get("KUBECONFIG").cloned();
        let kubeconfig = kubeconfig.ok_or_else(|| Error::Other("the lab's cluster has no kubeconfig".to_owned()))?;
        metrics(place, &kubeconfig)?;
        names(place, &kubeconfig)?;
        place.set("MLCI_LAB_KUBE_ADDONS", "metrics-server CoreDNS");
        Ok(())
    },
};

fn metrics(place: &mut Place<'_>, kubeconfig: &str) -> Result<()> {
    let port = place.port()?.to_string();
    let mut command = Command::new(place.program("bin/metrics-server")?);
    for flag in ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"] {
        command.arg(format!("--{flag}={kubeconfig}"));
    }
    command
        .args(["--bind-address=127.0.0.1", &format!("--secure-port={port}"), "--metric-resolution=10s"])
        .args(["--kubelet-request-timeout=5s", "--kubelet-use-node-status-port", "--kubelet-insecure-tls"])
        .arg(format!("--cert-dir={}", place.folder("certificates")?.display()));
    place.spawn("metrics-server", command)?;
    let objects = place.state.join("metrics.yaml");
    write_atomic(&objects, METRICS.replace("PORT", &port).as_bytes())?;
    let kubectl = |arguments: &[&str]| {
        let mut command = Command::new("kubectl");
        command.arg(format!("--kubeconfig={kubeconfig}")).args(arguments);
        command
    };
    place.run("apply", kubectl(&["apply", "--filename", &objects.display().to_string()]), Duration::from_secs(30))?;
    let nodes = || kubectl(&["get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"]).output();
    let measured = || nodes().is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("\"usage\""));
    place.wait("metrics-server", "the use of the node", Duration::from_secs(120), measured)
}

fn names(place: &mut Place<'_>, kubeconfig: &str) -> Result<()> {
    let ready = place.port()?;
    let file = place.state.join("Corefile");
    let text = format!(
        ".:53 {{\n  bind {DNS}\n  kubernetes cluster.local {{\n    kubeconfig {kubeconfig}\n  }}\n  errors\n  \
         ready 127.0.0.1:{ready}\n}}\n"
    );
    write_atomic(&file, text.as_bytes())?;
    let address = |action: &str| {
        let mut command = Command::new("ip");
        command.args(["address", action, &format!("{DNS}/32"), "dev", "lo"]);
        command
    };
    place.on_stop(&address("del"))?;
    place.run("address", address("add"), Duration::from_secs(10))?;
    let mut command = Command::new(place.program("bin/coredns")?);
    command.arg("-conf").arg(file);
    place.spawn("coredns", command)?;
    place.wait_http("coredns", ready, "/ready", &[200], Duration::from_secs(60))
}
