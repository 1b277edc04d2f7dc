use std::{path::PathBuf, process::Command, time::Duration};

use mlci_core::write_atomic;

use super::{Component, Kind};
use crate::{
    error::{Error, Result},
    install::Install,
    place::Place,
};

/// What is built from the Go modules of Kubernetes is started by this.
const SCRIPT: &str = include_str!("cluster.sh");
const PORTS: usize = 10;

/// A cluster with one node, which really runs pods: API server, controllers, scheduler, kubelet, containerd, proxy.
pub(super) static KUBERNETES: Component = Component {
    name: "kubernetes",
    about: "Kubernetes 1.34.4, one node with containerd 1.6 (Debian), and a registry to pull from",
    kind: Kind::Real,
    installs: &[
        Install::System {
            packages: &[
                "containerd",
                "runc",
                "etcd-server",
                "docker-registry",
                "containernetworking-plugins",
                "iptables",
                "conntrack",
            ],
        },
        Install::Kubernetes { version: "1.34.4" },
    ],
    root: true,
    programs: &["kubectl", "openssl", "curl", "cc", "flock", "ip", "bash"],
    needs: &[],
    minutes: 10,
    hands_out: &["MLCI_LAB_KUBE_CONTEXT", "KUBECONFIG", "MLCI_LAB_KUBE_REGISTRY", "MLCI_LAB_KUBE_POD_LOGS"],
    start: |place| {
        wait_for_the_machine(place)?;
        let script = place.state.join("cluster.sh");
        write_atomic(&script, SCRIPT.as_bytes())?;
        let mut ports = Vec::new();
        while ports.len() < PORTS {
            let port = place.port()?;
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        let state = place.state.join("cluster");
        let words: Vec<String> = ports.iter().map(u16::to_string).collect();
        let environment = [
            ("BIN", place.program("bin")?.display().to_string()),
            ("S", state.display().to_string()),
            ("PORTS", words.join(" ")),
        ];
        let call = |action: &str| {
            let mut command = Command::new("bash");
            command.arg(&script).arg(action).envs(environment.clone());
            command
        };
        // Known before anything runs, so that what is left of a start that was cut short goes too.
        place.on_stop(&call("down"))?;
        place.run("up", call("up"), Duration::from_secs(300))?;
        let kubeconfig: PathBuf = state.join("admin.kubeconfig");
        place.set("KUBECONFIG", kubeconfig.display().to_string());
        place.set("MLCI_LAB_KUBE_CONTEXT", "lab");
        // Where the kubelet keeps what containers print, as `/var/log/pods` elsewhere.
        place.set("MLCI_LAB_KUBE_POD_LOGS", state.join("pods-log").display().to_string());
        let registry = words.get(1).map(|port| format!("127.0.0.1:{port}")).unwrap_or_default();
        place.set("MLCI_LAB_KUBE_REGISTRY", registry);
        Ok(())
    },
};

/// A machine holds one cluster. Another lab's is waited for; a lock that a process of ours holds says so.
fn wait_for_the_machine(place: &mut Place<'_>) -> Result<()> {
    // Not in the cache: labs with different caches share the machine.
    let (lock, held) = (std::env::temp_dir().join("mlci-lab-kubernetes.lock"), place.state.join("held"));
    let mut command = Command::new("flock");
    command.arg(&lock).args(["sh", "-c", "touch \"$0\" && exec sleep infinity"]).arg(&held);
    place.spawn("machine", command)?;
    let waited = place.wait("machine", "the machine's only cluster", Duration::from_secs(1800), || held.exists());
    waited.map_err(|error| Error::Other(format!("another lab's cluster runs on this machine: {error}")))
}
