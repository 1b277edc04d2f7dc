//! What reads and runs the definitions for CI systems. None of it is a server: a start hands out where it is.

use std::{fs, os::unix::fs::PermissionsExt as _};

use mlci_core::FileError;

use super::{Component, Kind};
use crate::{
    error::Result,
    install::{Install, require},
    place::Place,
};

const NODE: Install = Install::Npm {
    name: "ci-tools",
    packages: &[
        "node@24.21.0",
        "gitlab-ci-local@4.75.1",
        "@actions/workflow-parser@0.3.61",
        "@actions/languageservice@0.3.61",
        "esbuild@0.28.2",
        "@circleci/circleci-config-parser@0.10.0-alpha.3",
        "@circleci/circleci-config-sdk@0.12.5",
    ],
};
const SCHEMAS: Install = Install::Python { name: "check-jsonschema", packages: &["check-jsonschema==0.39.0"] };
const RSYNC: Install = Install::Debian { packages: &["rsync", "libpopt0", "libxxhash0"] };

pub(super) static GITHUB: Component = Component {
    name: "github",
    about: "act 0.2.89, actionlint 1.7.12, GitHub's workflow parser 0.3.61",
    kind: Kind::StandIn,
    installs: &[
        Install::Go { package: "github.com/nektos/act", version: "v0.2.89" },
        Install::Go { package: "github.com/rhysd/actionlint/cmd/actionlint", version: "v1.7.12" },
        NODE,
    ],
    root: false,
    programs: &["git", "bash"],
    needs: &[],
    minutes: 3,
    hands_out: &["MLCI_LAB_ACT", "MLCI_LAB_ACTIONLINT", "MLCI_LAB_NODE", "MLCI_LAB_NODE_MODULES"],
    start: |place| {
        hand_out(place, "MLCI_LAB_ACT", "bin/act")?;
        hand_out(place, "MLCI_LAB_ACTIONLINT", "bin/actionlint")?;
        node(place)
    },
};

pub(super) static GITLAB: Component = Component {
    name: "gitlab",
    about: "gitlab-ci-local 4.75.1, GitLab's schema by check-jsonschema 0.39.0",
    kind: Kind::StandIn,
    installs: &[NODE, SCHEMAS, RSYNC],
    root: false,
    programs: &["git", "bash"],
    needs: &[],
    minutes: 1,
    hands_out: &["MLCI_LAB_GITLAB_CI_LOCAL", "MLCI_LAB_NODE", "MLCI_LAB_CHECK_JSONSCHEMA"],
    start: |place| {
        node(place)?;
        hand_out(place, "MLCI_LAB_GITLAB_CI_LOCAL", "node_modules/gitlab-ci-local/dist/index.js")?;
        hand_out(place, "MLCI_LAB_CHECK_JSONSCHEMA", "venv/bin/check-jsonschema")?;
        rsync(place)
    },
};

pub(super) static JENKINS: Component = Component {
    name: "jenkins",
    about: "Groovy 5.0.8 under a strict interpreter of this project; Jenkins itself is in no package registry",
    kind: Kind::StandIn,
    installs: &[Install::Maven { artifact: "org.apache.groovy:groovy:5.0.8" }],
    root: false,
    programs: &["java", "git"],
    needs: &[],
    minutes: 1,
    hands_out: &["MLCI_LAB_GROOVY", "MLCI_LAB_JAVA"],
    start: |place| {
        place.set("MLCI_LAB_JAVA", require("java")?.display().to_string());
        hand_out(place, "MLCI_LAB_GROOVY", "groovy-5.0.8.jar")
    },
};

pub(super) static CIRCLECI: Component = Component {
    name: "circleci",
    about: "CircleCI's configuration parser 0.10.0-alpha.3 and schema; its steps under an interpreter of this project",
    kind: Kind::StandIn,
    installs: &[NODE, SCHEMAS],
    root: false,
    programs: &["git", "bash"],
    needs: &[],
    minutes: 1,
    hands_out: &["MLCI_LAB_CHECK_JSONSCHEMA", "MLCI_LAB_NODE", "MLCI_LAB_NODE_MODULES"],
    start: |place| {
        hand_out(place, "MLCI_LAB_CHECK_JSONSCHEMA", "venv/bin/check-jsonschema")?;
        node(place)
    },
};

fn hand_out(place: &mut Place<'_>, name: &str, path: &str) -> Result<()> {
    let path = place.program(path)?;
    place.set(name, path.display().to_string());
    Ok(())
}

fn node(place: &mut Place<'_>) -> Result<()> {
    hand_out(place, "MLCI_LAB_NODE", "node_modules/.bin/node")?;
    hand_out(place, "MLCI_LAB_NODE_MODULES", "node_modules")
}

/// gitlab-ci-local calls rsync by its name, which finds its libraries only where they were unpacked.
fn rsync(place: &mut Place<'_>) -> Result<()> {
    let (program, libraries) = (place.program("root/usr/bin/rsync")?, place.program("root/usr/lib")?);
    let folder = place.folder("bin")?;
    let wrapper = folder.join("rsync");
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{0}/x86_64-linux-gnu:{0}/aarch64-linux-gnu' exec '{1}' \"$@\"\n",
        libraries.display(),
        program.display()
    );
    let written =
        fs::write(&wrapper, script).and_then(|()| fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)));
    written.map_err(FileError::at("write", &wrapper))?;
    let path = std::env::var("PATH").unwrap_or_default();
    place.set("PATH", format!("{}:{path}", folder.display()));
    Ok(())
}
