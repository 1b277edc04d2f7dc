mod addons;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use mlci_core::write_atomic;

pub(super) use self::addons::ADDONS;
use super::{Component, Kind};
use crate::{
    error::{Error, Result},
    install::Install,
    place::Place,
};

/// What is built from the Go modules of Kubernetes is started by this.
const SCRIPT: &str = include_str!("cluster.sh");
const PORTS: usize = 10;

const KUBERNETES_BUILT: Install = Install::Kubernetes { version: "1.34.4" };

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
        KUBERNETES_BUILT,
    ],
    root: true,
    programs: &["kubectl", "openssl", "curl", "cc", "flock", "ip", "bash"],
    needs: &[],
    minutes: 10,
    hands_out: &[
        "MLCI_LAB_KUBE_CONTEXT",
        "KUBECONFIG",
        "MLCI_LAB_KUBE_REGISTRY",
        "MLCI_LAB_KUBE_POD_LOGS",
        "MLCI_LAB_KUBE_CONTROL",
    ],
    start: |place| {
        wait_for_the_machine(place)?;
        let Started { state, control, registry } = start(place, None)?;
        place.set("KUBECONFIG", state.join("admin.kubeconfig").display().to_string());
        place.set("MLCI_LAB_KUBE_CONTEXT", "lab");
        // Where the kubelet keeps what containers print, as `/var/log/pods` elsewhere.
        place.set("MLCI_LAB_KUBE_POD_LOGS", state.join("pods-log").display().to_string());
        place.set("MLCI_LAB_KUBE_REGISTRY", registry);
        place.set("MLCI_LAB_KUBE_CONTROL", control.display().to_string());
        Ok(())
    },
};

/// An API server with its etcd, and nothing that looks after what it holds: ready in seconds, beside a cluster.
pub(super) static API: Component = Component {
    name: "kubernetes-api",
    about: "the API server of Kubernetes 1.34.4 with etcd (Debian), without controllers and nodes",
    kind: Kind::Real,
    installs: &[Install::Debian { packages: &["etcd-server"] }, KUBERNETES_BUILT],
    root: false,
    programs: &["openssl", "curl", "bash"],
    needs: &[],
    minutes: 10,
    hands_out: &["MLCI_LAB_KUBE_API", "MLCI_LAB_KUBE_API_CONTROL"],
    start: |place| {
        let etcd = place.program("root/usr/bin")?;
        let Started { state, control, .. } = start(place, Some(&etcd))?;
        place.set("MLCI_LAB_KUBE_API", state.join("admin.kubeconfig").display().to_string());
        place.set("MLCI_LAB_KUBE_API_CONTROL", control.display().to_string());
        Ok(())
    },
};

struct Started {
    /// The folder of keys, data and logs.
    state: PathBuf,
    /// What stops and starts parts of it: the script with what it has to know.
    control: PathBuf,
    registry: String,
}

/// `light`: etcd and API server alone, and where etcd is.
fn start(place: &mut Place<'_>, light: Option<&Path>) -> Result<Started> {
    let (script, control) = (place.state.join("cluster.sh"), place.state.join("control"));
    write_atomic(&script, SCRIPT.as_bytes())?;
    let mut ports = Vec::new();
    while ports.len() < PORTS {
        let port = place.port()?;
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    let (state, bin) = (place.state.join("cluster"), place.program("bin")?);
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let mut text = format!("export BIN='{}' S='{}' PORTS='{}'\n", bin.display(), state.display(), ports.join(" "));
    if let Some(etcd) = light {
        text.push_str(&format!("export LIGHT=1 PATH='{}':$PATH\n", etcd.display()));
    }
    write_atomic(&control, format!("{text}exec bash '{}' \"$@\"\n", script.display()).as_bytes())?;
    let call = |action: &str| {
        let mut command = Command::new("bash");
        command.arg(&control).arg(action);
        command
    };
    // Known before anything runs, so that what is left of a start that was cut short goes too.
    place.on_stop(&call("down"))?;
    place.run("up", call("up"), Duration::from_secs(300))?;
    let registry = ports.get(1).map(|port| format!("127.0.0.1:{port}")).unwrap_or_default();
    Ok(Started { state, control, registry })
}

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
