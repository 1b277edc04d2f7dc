use std::{process::Command, time::Duration};

use super::{Component, Kind};
use crate::install::Install;

/// The Docker Engine with a state folder of its own, without bridge and firewall rules: nothing of the machine's network
/// changes. Containers have the host's network or none.
pub(super) static DOCKER: Component = Component {
    name: "docker",
    about: "Docker Engine 20.10 (Debian)",
    kind: Kind::Real,
    installs: &[Install::Debian { packages: &["docker.io", "containerd", "runc", "tini"] }],
    root: true,
    programs: &["umount"],
    needs: &["registry"],
    minutes: 1,
    hands_out: &["DOCKER_HOST"],
    start: |place| {
        let socket = place.state.join("docker.sock");
        let (data, run) = (place.folder("data")?, place.folder("run")?);
        let (sbin, bin) = (place.program("root/usr/sbin")?, place.program("root/usr/bin")?);
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(sbin.join("dockerd"));
        command
            .env("PATH", format!("{}:{}:{path}", sbin.display(), bin.display()))
            .arg("--data-root")
            .arg(data)
            .arg("--exec-root")
            .arg(run)
            .arg("--pidfile")
            .arg(place.state.join("docker.pid"))
            .arg("-H")
            .arg(format!("unix://{}", socket.display()))
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"])
            .args(["--insecure-registry", "127.0.0.0/8"]);
        place.spawn("dockerd", command)?;
        let answers = || {
            use std::io::{Read as _, Write as _};
            let asked = std::os::unix::net::UnixStream::connect(&socket).and_then(|mut stream| {
                stream.set_read_timeout(Some(Duration::from_secs(2)))?;
                stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")?;
                let mut head = [0; 12];
                stream.read_exact(&mut head)?;
                Ok(head.ends_with(b"200"))
            });
            asked.unwrap_or(false)
        };
        place.wait("dockerd", "the engine to answer", Duration::from_secs(60), answers)?;
        place.set("DOCKER_HOST", format!("unix://{}", socket.display()));
        Ok(())
    },
};
