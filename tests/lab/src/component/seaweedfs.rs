use std::{process::Command, time::Duration};

use super::{
    Component, Kind,
    s3::{BUCKET, KEY, SECRET, hand_out},
};
use crate::{error::Error, install::Install};

/// A second S3 server, of another family: for those who want to know that it is not the first one's manners that work.
pub(super) static SEAWEEDFS: Component = Component {
    name: "seaweedfs",
    about: "SeaweedFS (2026-11-09), an S3 server; its build takes long, so it is there on demand only",
    kind: Kind::Real,
    installs: &[Install::GoTool {
        package: "github.com/seaweedfs/seaweedfs/weed",
        version: "v0.0.0-20261109003541-7506e5f91cd6",
        replaced: &["github.com/tyler-smith/go-bip39 => github.com/cosmos/go-bip39 v1.0.0"],
    }],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 12,
    hands_out: &["MLCI_LAB_S3_BUCKET", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"],
    start: |place| {
        let data = place.folder("data")?;
        // Beside each port it opens the one 10,000 above.
        let ports: Vec<u16> = (0..200).map_while(|_| place.port().ok()).filter(|port| *port < 55_535).take(5).collect();
        let [master, volume, filer, s3, admin] = ports[..] else {
            return Err(Error::Other("no five loopback ports below 55535 are free".to_owned()));
        };
        let mut command = Command::new(place.program("bin/weed")?);
        command
            .args(["mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false"])
            .args(["-admin.port.legacy=0", "-s3.port.iceberg=0", "-s3.port.lance=0"])
            // Else a write to a bucket that is not there makes it.
            .args(["-s3.autoCreateBucket=false", &format!("-bucket={BUCKET}")])
            .arg(format!("-dir={}", data.display()))
            .args([format!("-master.port={master}"), format!("-volume.port={volume}")])
            .args([format!("-filer.port={filer}"), format!("-s3.port={s3}"), format!("-admin.port={admin}")])
            .current_dir(&place.state)
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET);
        place.spawn("seaweedfs", command)?;
        // It answers, and refuses who does not sign.
        place.wait_http("seaweedfs", s3, "/", &[403], Duration::from_secs(60))?;
        // That it does before there is a bucket, and a volume to write to.
        place.wait_http("seaweedfs", filer, &format!("/buckets/{BUCKET}/"), &[200], Duration::from_secs(60))?;
        let volume = format!("/dir/assign?collection={BUCKET}");
        place.wait_http("seaweedfs", master, &volume, &[200], Duration::from_secs(60))?;
        hand_out(place, s3);
        Ok(())
    },
};
