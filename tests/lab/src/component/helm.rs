use super::{Component, Kind};
use crate::install::Install;

/// Helm itself. It is no server: a start hands out where it is.
pub(super) static HELM: Component = Component {
    name: "helm",
    about: "Helm 4.3.1, built from its Go module",
    kind: Kind::Real,
    installs: &[Install::Go { package: "helm.sh/helm/v4/cmd/helm", version: "v4.3.1" }],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 3,
    hands_out: &["MLCI_LAB_HELM"],
    start: |place| {
        let program = place.program("bin/helm")?;
        place.set("MLCI_LAB_HELM", program.display().to_string());
        Ok(())
    },
};
