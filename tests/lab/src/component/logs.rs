//! What ships logs, and what reads the files for those that cannot be had. None of it is a server of the lab's: a start
//! hands out where it is, and the tests run it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use mlci_core::FileError;

use super::{Component, Kind};
use crate::{
    error::Result,
    install::{Install, require},
    place::Place,
};

pub(super) static RSYSLOG: Component = Component {
    name: "rsyslog",
    about: "rsyslog (Debian) with its module for Elasticsearch",
    kind: Kind::Real,
    installs: &[Install::Debian {
        packages: &[
            "rsyslog",
            "rsyslog-elasticsearch",
            "libestr0",
            "libfastjson4",
            "liblognorm5",
            "libcurl4",
            "libldap-2.5-0",
            "libsasl2-2",
            "libnghttp2-14",
            "librtmp1",
            "libssh2-1",
            "libpsl5",
            "libbrotli1",
        ],
    }],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 1,
    hands_out: &["MLCI_LAB_RSYSLOGD"],
    start: |place| {
        let (program, libraries) = (place.program("root/usr/sbin/rsyslogd")?, libraries(place)?);
        let wrapper = place.folder("bin")?.join("rsyslogd");
        // Libraries and modules are where they were unpacked.
        let script = format!(
            "#!/bin/sh\nLD_LIBRARY_PATH='{0}' exec '{1}' -M '{0}/rsyslog' \"$@\"\n",
            libraries.display(),
            program.display()
        );
        let written =
            fs::write(&wrapper, script).and_then(|()| fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)));
        written.map_err(FileError::at("write", &wrapper))?;
        place.set("MLCI_LAB_RSYSLOGD", wrapper.display().to_string());
        Ok(())
    },
};

fn libraries(place: &Place<'_>) -> Result<PathBuf> {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|name| place.program(&format!("root/usr/lib/{name}")));
    let [first, second] = folders;
    first.or(second)
}

/// The schema's own definitions, and a grammar of Logstash's configuration.
pub(super) static ELK_TOOLS: Component = Component {
    name: "elk-tools",
    about: "the field definitions of the Elastic Common Schema 9.4.0, logstash-pipeline-parser 0.0.3",
    kind: Kind::StandIn,
    installs: &[
        Install::Npm { name: "ecs", packages: &["@elastic/ecs@9.4.0"] },
        Install::Python { name: "logstash-pipeline-parser", packages: &["logstash-pipeline-parser==0.0.3"] },
    ],
    root: false,
    programs: &["node"],
    needs: &[],
    minutes: 1,
    hands_out: &["MLCI_LAB_ECS", "MLCI_LAB_NODE_PROGRAM", "MLCI_LAB_LOGSTASH_PYTHON"],
    start: |place| {
        let fields = place.program("node_modules/@elastic/ecs")?;
        place.set("MLCI_LAB_ECS", fields.display().to_string());
        place.set("MLCI_LAB_NODE_PROGRAM", require("node")?.display().to_string());
        let python = place.program("venv/bin/python")?;
        place.set("MLCI_LAB_LOGSTASH_PYTHON", python.display().to_string());
        Ok(())
    },
};
