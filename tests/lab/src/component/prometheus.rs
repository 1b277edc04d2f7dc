use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command, time::Duration};

use mlci_core::FileError;

use super::{Component, Kind};
use crate::{error::Result, install::Install, place::Place};

/// A Pushgateway that runs, and the programs. Prometheus and Alertmanager are of use only with a configuration, which
/// their user has: what is scraped, by which rules, and who is told.
pub(super) static PROMETHEUS: Component = Component {
    name: "prometheus",
    about: "Prometheus 2.42, Alertmanager 0.25 and Pushgateway 1.5 (Debian)",
    kind: Kind::Real,
    installs: &[Install::Debian { packages: &["prometheus", "prometheus-alertmanager", "prometheus-pushgateway"] }],
    root: false,
    programs: &["unshare", "mount"],
    needs: &[],
    minutes: 1,
    hands_out: &[
        "MLCI_LAB_PROMETHEUS",
        "MLCI_LAB_PROMTOOL",
        "MLCI_LAB_ALERTMANAGER",
        "MLCI_LAB_AMTOOL",
        "MLCI_LAB_PUSHGATEWAY",
    ],
    start: |place| {
        for (name, program) in
            [("MLCI_LAB_PROMETHEUS", "prometheus"), ("MLCI_LAB_PROMTOOL", "promtool"), ("MLCI_LAB_AMTOOL", "amtool")]
        {
            let path = place.program(&format!("root/usr/bin/{program}"))?;
            place.set(name, path.display().to_string());
        }
        let alertmanager = alertmanager(place)?;
        let mut version = Command::new(&alertmanager);
        version.arg("--version");
        place.run("alertmanager", version, Duration::from_secs(20))?;
        place.set("MLCI_LAB_ALERTMANAGER", alertmanager.display().to_string());
        let port = place.port()?;
        let mut command = Command::new(place.program("root/usr/bin/prometheus-pushgateway")?);
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).current_dir(&place.state);
        place.spawn("pushgateway", command)?;
        place.wait_http("pushgateway", port, "/-/ready", &[200], Duration::from_secs(20))?;
        place.set("MLCI_LAB_PUSHGATEWAY", format!("http://127.0.0.1:{port}"));
        Ok(())
    },
};

/// Debian's Alertmanager reads its templates from `/usr/share`, and from nowhere else. It is given a view of the system
/// in which the unpacked files lie there, by a mount that only its own process sees.
fn alertmanager(place: &Place<'_>) -> Result<PathBuf> {
    const SCRIPT: &str = r#"#!/bin/sh
[ "$(id -u)" = 0 ] || own=--map-root-user
exec unshare --mount $own sh -c '
    mount -t overlay overlay -o "lowerdir=$1:/usr/share" /usr/share && shift && exec "$@"
' sh 'SHARE' 'PROGRAM' "$@"
"#;
    let program = place.program("root/usr/bin/prometheus-alertmanager")?;
    let share = place.program("root/usr/share")?;
    let script = SCRIPT.replace("SHARE", &share.display().to_string());
    let script = script.replace("PROGRAM", &program.display().to_string());
    let path = place.state.join("alertmanager");
    let written = fs::write(&path, script).and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)));
    written.map_err(FileError::at("write", &path))?;
    Ok(path)
}
