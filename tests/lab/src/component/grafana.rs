use super::{Component, Kind};
use crate::install::Install;

/// Grafana's own library for dashboards. Its server is in no package registry.
pub(super) static GRAFANA: Component = Component {
    name: "grafana",
    about: "Grafana's foundation SDK 10.1.0, which reads and writes dashboards; the server itself is not to be had",
    kind: Kind::StandIn,
    installs: &[Install::Python { name: "grafana", packages: &["grafana-foundation-sdk==1769699998!10.1.0"] }],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 1,
    hands_out: &["MLCI_LAB_GRAFANA_PYTHON"],
    start: |place| {
        place.set("MLCI_LAB_GRAFANA_PYTHON", place.program("venv/bin/python")?.display().to_string());
        Ok(())
    },
};
