use std::{process::Command, time::Duration};

use super::{Component, Kind};
use crate::{install::Install, place::Place};

/// An S3 server on a folder: a bucket is a folder in it.
pub(super) static S3: Component = Component {
    name: "s3",
    about: "versitygw 1.8.0, an S3 server",
    kind: Kind::Real,
    installs: &[Install::Go { package: "github.com/versity/versitygw/cmd/versitygw", version: "v1.8.0" }],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 4,
    hands_out: &["MLCI_LAB_S3_BUCKET", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"],
    start: |place| {
        let port = place.port()?;
        place.folder(&format!("data/{BUCKET}"))?;
        let (data, side) = (place.folder("data")?, place.folder("side")?);
        let mut command = Command::new(place.program("bin/versitygw")?);
        command
            .args(["--port", &format!("127.0.0.1:{port}"), "--quiet", "posix", "--sidecar"])
            .args([side, data])
            .env("ROOT_ACCESS_KEY", KEY)
            .env("ROOT_SECRET_KEY", SECRET);
        place.spawn("versitygw", command)?;
        // It answers, and refuses who does not sign.
        place.wait_http("versitygw", port, "/", &[403], Duration::from_secs(20))?;
        hand_out(place, port);
        Ok(())
    },
};

/// What every S3 server of the lab goes by.
pub(super) const BUCKET: &str = "mlci-lab";
pub(super) const KEY: &str = "lab";
pub(super) const SECRET: &str = "lab-secret-of-no-value";

/// Names the server on this port by the variables that S3 clients read.
pub(super) fn hand_out(place: &mut Place<'_>, port: u16) {
    place.set("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
    place.set("AWS_ACCESS_KEY_ID", KEY);
    place.set("AWS_SECRET_ACCESS_KEY", SECRET);
    place.set("AWS_REGION", "us-east-1");
    place.set("MLCI_LAB_S3_BUCKET", BUCKET);
}
