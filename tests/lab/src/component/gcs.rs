use std::{process::Command, time::Duration};

use super::{Component, Kind};
use crate::{error::Error, install::Install};

/// Google Cloud Storage's XML API, as far as the product uses it. The emulators that can be had (fake-gcs-server 1.56,
/// gcp-storage-emulator 2026.7, Google's own testbench 0.45) refuse object_store's writes.
pub(super) static GCS: Component = Component {
    name: "gcs",
    about: "a stand-in of this project for Google Cloud Storage (XML API)",
    kind: Kind::StandIn,
    installs: &[Install::Own],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 0,
    hands_out: &["MLCI_LAB_GCS_BUCKET", "GOOGLE_BASE_URL", "GOOGLE_BEARER_TOKEN"],
    start: |place| {
        const BUCKET: &str = "mlci-lab";
        const TOKEN: &str = "lab-token-of-no-value";
        let port = place.port()?;
        let own = std::env::current_exe().map_err(|source| Error::Run { program: "mlci-lab".to_owned(), source })?;
        let mut command = Command::new(own);
        command.args(["stand-in-gcs", "--port", &port.to_string(), "--bucket", BUCKET]).env("LAB_GCS_TOKEN", TOKEN);
        place.spawn("gcs", command)?;
        place.wait_http("gcs", port, "/", &[401], Duration::from_secs(10))?;
        place.set("GOOGLE_BASE_URL", format!("http://127.0.0.1:{port}"));
        place.set("GOOGLE_BEARER_TOKEN", TOKEN);
        place.set("MLCI_LAB_GCS_BUCKET", BUCKET);
        Ok(())
    },
};
