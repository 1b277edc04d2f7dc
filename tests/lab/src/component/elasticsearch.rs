//! Elasticsearch and OpenSearch: one node each, with a small heap.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use mlci_core::FileError;

use super::{Component, Kind};
use crate::{
    error::{Error, Result},
    install::{Install, require},
    place::Place,
};

/// The last version under the Apache licence. The archive is the whole server with one module, its transport.
pub(super) static ELASTICSEARCH: Component = Component {
    name: "elasticsearch",
    about: "Elasticsearch 7.10.2, one node",
    kind: Kind::Real,
    installs: &[Install::Maven { artifact: "org.elasticsearch.distribution.integ-test-zip:elasticsearch:7.10.2:zip" }],
    root: false,
    programs: &["java", "unshare"],
    needs: &[],
    minutes: 1,
    hands_out: &["MLCI_LAB_ELASTICSEARCH"],
    start: |place| {
        let home = place.program("elasticsearch-7.10.2")?;
        start(place, &Node { home, name: "elasticsearch", prefix: "ES", variable: "MLCI_LAB_ELASTICSEARCH" })
    },
};

/// With the modules for ingest pipelines: processors, conditions and templates.
pub(super) static OPENSEARCH: Component = Component {
    name: "opensearch",
    about: "OpenSearch 2.19.6, one node",
    kind: Kind::Real,
    installs: &[
        Install::Maven { artifact: "org.opensearch.distribution.integ-test-zip:opensearch:2.19.6:zip" },
        Install::MavenWithDependencies {
            name: "opensearch-modules",
            artifacts: &[
                "org.opensearch.plugin:ingest-common:2.19.6",
                "org.opensearch.plugin:lang-painless:2.19.6",
                "org.opensearch.plugin:lang-mustache-client:2.19.6",
            ],
        },
    ],
    root: false,
    programs: &["java", "unshare"],
    needs: &[],
    minutes: 1,
    hands_out: &["MLCI_LAB_OPENSEARCH"],
    start: |place| {
        let (from, jars) = (place.program("opensearch-2.19.6")?, place.program("jars")?);
        let home = place.state.join("home");
        // Links, since what is installed must not change, and this needs more modules.
        link_all(&from, &home)?;
        for module in &MODULES {
            module.add(&home, &jars)?;
        }
        start(place, &Node { home, name: "opensearch", prefix: "OPENSEARCH", variable: "MLCI_LAB_OPENSEARCH" })
    },
};

struct Node {
    home: PathBuf,
    /// Of its program and its configuration.
    name: &'static str,
    /// Of its variables.
    prefix: &'static str,
    /// What is handed out.
    variable: &'static str,
}

fn start(place: &mut Place<'_>, node: &Node) -> Result<()> {
    let (port, transport) = (place.port()?, place.port()?);
    let [configuration, data, logs, temporary] = ["config", "data", "logs", "tmp"].map(|name| place.folder(name));
    let (configuration, data, logs, temporary) = (configuration?, data?, logs?, temporary?);
    let theirs = node.home.join("config/log4j2.properties");
    fs::copy(&theirs, configuration.join("log4j2.properties")).map_err(FileError::at("copy", &theirs))?;
    write(
        &configuration.join(format!("{}.yml", node.name)),
        &format!(
            "network.host: 127.0.0.1\nhttp.port: {port}\ntransport.port: {transport}\ndiscovery.type: single-node\n\
             cluster.routing.allocation.disk.threshold_enabled: false\npath.data: '{}'\npath.logs: '{}'\n",
            data.display(),
            logs.display()
        ),
    )?;
    write(
        &configuration.join("jvm.options"),
        &format!("-Xms256m\n-Xmx256m\n-XX:+UseSerialGC\n-Djava.io.tmpdir={}\n", temporary.display()),
    )?;
    let program = node.home.join("bin").join(node.name);
    let mut command = if rustix::process::geteuid().is_root() {
        // Both refuse to run as root. In a namespace of its own the process has another number, and the same rights on
        // the lab's files: no user is made, and no file is given away.
        let mut command = Command::new(require("unshare")?);
        command.args(["--user", "--map-user=65534", "--map-group=65534"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    let variable = |name: &str| format!("{}_{name}", node.prefix);
    command
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", &temporary)
        .env("JAVA_HOME", java_home()?)
        .env(variable("PATH_CONF"), &configuration)
        .env(variable("TMPDIR"), &temporary)
        .current_dir(&place.state);
    place.spawn(node.name, command)?;
    place.wait_http(node.name, port, "/_cluster/health?wait_for_status=yellow", &[200], Duration::from_secs(120))?;
    place.set(node.variable, format!("http://127.0.0.1:{port}"));
    Ok(())
}

/// The JDK of the `java` that is found; `JAVA_HOME` may be another's affair.
fn java_home() -> Result<PathBuf> {
    let program = require("java")?;
    let real = fs::canonicalize(&program).map_err(FileError::at("resolve", &program))?;
    let home = real.parent().and_then(Path::parent).map(Path::to_owned);
    home.ok_or_else(|| Error::Other(format!("`{}` is in no JDK", real.display())))
}

/// A module of OpenSearch, made from the files that are published for it.
struct Module {
    name: &'static str,
    class: &'static str,
    extends: &'static str,
    /// The beginnings of its files' names.
    jars: &'static [&'static str],
    permissions: &'static [&'static str],
}

static MODULES: [Module; 3] = [
    Module {
        name: "lang-painless",
        class: "org.opensearch.painless.PainlessPlugin",
        extends: "",
        jars: &["lang-painless-", "opensearch-scripting-painless-spi-", "antlr4-runtime-", "asm-"],
        permissions: &["createClassLoader", "getClassLoader"],
    },
    Module {
        name: "ingest-common",
        class: "org.opensearch.ingest.common.IngestCommonPlugin",
        extends: "lang-painless",
        jars: &["ingest-common-", "opensearch-grok-", "opensearch-dissect-", "joni-", "jcodings-"],
        permissions: &["getClassLoader", "accessDeclaredMembers"],
    },
    Module {
        name: "lang-mustache",
        class: "org.opensearch.script.mustache.MustachePlugin",
        extends: "",
        jars: &["lang-mustache-client-", "compiler-"],
        permissions: &["accessDeclaredMembers"],
    },
];

impl Module {
    fn add(&self, home: &Path, jars: &Path) -> Result<()> {
        let folder = home.join("modules").join(self.name);
        fs::create_dir_all(&folder).map_err(FileError::at("create", &folder))?;
        for entry in fs::read_dir(jars).map_err(FileError::at("read", jars))?.flatten() {
            let name = entry.file_name();
            if self.jars.iter().any(|start| name.to_string_lossy().starts_with(start)) {
                fs::hard_link(entry.path(), folder.join(name)).map_err(FileError::at("link", &folder))?;
            }
        }
        let Self { name, class, extends, .. } = self;
        write(
            &folder.join("plugin-descriptor.properties"),
            &format!(
                "name={name}\ndescription={name}\nversion=2.19.6\nopensearch.version=2.19.6\njava.version=11\n\
                 classname={class}\nextended.plugins={extends}\ncustom.foldername=\nhas.native.controller=false\n"
            ),
        )?;
        let granted = |name: &&str| format!("  permission java.lang.RuntimePermission \"{name}\";\n");
        let granted: String = self.permissions.iter().map(granted).collect();
        write(&folder.join("plugin-security.policy"), &format!("grant {{\n{granted}}};\n"))
    }
}

/// The same folders, with links to the same files.
fn link_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(FileError::at("create", to))?;
    for entry in fs::read_dir(from).map_err(FileError::at("read", from))?.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            link_all(&source, &target)?;
        } else {
            fs::hard_link(&source, &target).map_err(FileError::at("link", &target))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    Ok(fs::write(path, text).map_err(FileError::at("write", path))?)
}
