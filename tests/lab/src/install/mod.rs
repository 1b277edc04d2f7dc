//! The ways of installing: each is the ordinary client of a package registry.

mod debian;
mod go;
mod kubernetes;
mod maven;
mod npm;
mod python;
mod system;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use mlci_core::FileError;

use crate::{
    cache::Cache,
    error::{Error, Result, tail},
};

/// Whether packages may be installed into the system: `--allow-system`.
pub(crate) static ALLOW_SYSTEM: AtomicBool = AtomicBool::new(false);

/// Allows packages to be installed into the system.
pub fn allow_system() {
    ALLOW_SYSTEM.store(true, Ordering::Relaxed);
}

/// What a component is installed from.
#[derive(Debug, Clone, Copy)]
pub enum Install {
    /// A program of a Go module, built by `go install`.
    Go {
        /// The package.
        package: &'static str,
        /// The module's version.
        version: &'static str,
    },
    /// A program of a Go module that replaces modules of others, so that `go install` refuses it.
    GoTool {
        /// The package.
        package: &'static str,
        /// The module's version.
        version: &'static str,
        /// What it replaces: `OLD => NEW VERSION`.
        replaced: &'static [&'static str],
    },
    /// Packages of PyPI in a virtual environment of their own.
    Python {
        /// The name of the environment.
        name: &'static str,
        /// The packages, each with its exact version.
        packages: &'static [&'static str],
    },
    /// What a file of requirements of this repository names, in a virtual environment of its own.
    Requirements {
        /// The name of the environment.
        name: &'static str,
        /// The file's text, each package with its exact version.
        text: &'static str,
    },
    /// Packages of npm in a folder of their own.
    Npm {
        /// The name of the folder.
        name: &'static str,
        /// The packages, each with its exact version.
        packages: &'static [&'static str],
    },
    /// A file from Maven's central repository; one of the kind `zip` is unpacked.
    Maven {
        /// `group:name:version`, or `group:name:version:zip`
        artifact: &'static str,
    },
    /// Files from Maven's central repository with all that they depend on.
    MavenWithDependencies {
        /// The name of the folder.
        name: &'static str,
        /// The artifacts, each `group:name:version`.
        artifacts: &'static [&'static str],
    },
    /// Packages of the Debian release that this machine runs, unpacked and not installed: nothing of the system changes.
    Debian {
        /// The packages; the first gives the name.
        packages: &'static [&'static str],
    },
    /// Packages of the Debian release, installed into the system: only where that is allowed.
    System {
        /// The packages.
        packages: &'static [&'static str],
    },
    /// The programs of Kubernetes, built from its Go modules.
    Kubernetes {
        /// The version, without `v`.
        version: &'static str,
    },
    /// A server of this project, that stands in for one that cannot be had.
    Own,
}

impl Install {
    /// What it is called in the cache, with its version.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Go { package, version } | Self::GoTool { package, version, .. } => {
                let name = package.rsplit('/').next().unwrap_or(package);
                format!("{name}-{version}")
            }
            Self::Python { name, packages } | Self::Npm { name, packages } => {
                // Any other version of any of them is another installation.
                format!("{name}-{}", mlci_core::Digest::of(packages.join(" ").as_bytes()).short())
            }
            Self::Requirements { name, text } => format!("{name}-{}", mlci_core::Digest::of(text.as_bytes()).short()),
            Self::Maven { artifact } => artifact.split(':').skip(1).collect::<Vec<_>>().join("-"),
            Self::MavenWithDependencies { name, artifacts } => {
                format!("{name}-{}", mlci_core::Digest::of(artifacts.join(" ").as_bytes()).short())
            }
            Self::Debian { packages } => {
                let first = packages.first().copied().unwrap_or_default();
                format!("{first}-{}-{}", mlci_core::Digest::of(packages.join(" ").as_bytes()).short(), release())
            }
            Self::System { packages } => {
                format!("system-{}-{}", mlci_core::Digest::of(packages.join(" ").as_bytes()).short(), release())
            }
            Self::Kubernetes { version } => format!("kubernetes-{version}"),
            Self::Own => "own".to_owned(),
        }
    }

    /// What a person would type, and what it needs.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Go { package, version } => format!("go install {package}@{version}"),
            Self::GoTool { package, version, .. } => format!("go get -tool {package}@{version}; go build"),
            Self::Python { packages, .. } => format!("pip install {}", packages.join(" ")),
            Self::Requirements { text, .. } => format!("pip install {}", text.lines().collect::<Vec<_>>().join(" ")),
            Self::Npm { packages, .. } => format!("npm install {}", packages.join(" ")),
            Self::Maven { artifact } => format!("mvn dependency:copy {artifact}"),
            Self::MavenWithDependencies { artifacts, .. } => {
                format!("mvn dependency:copy-dependencies {}", artifacts.join(" "))
            }
            Self::Debian { packages } => format!("apt-get download {} (unpacked, not installed)", packages.join(" ")),
            Self::System { packages } => format!("apt-get install {} (into the system)", packages.join(" ")),
            Self::Kubernetes { version } => format!("go build k8s.io/kubernetes/cmd/... v{version}"),
            Self::Own => "built with the lab".to_owned(),
        }
    }

    /// The program that installs it.
    #[must_use]
    pub fn program(&self) -> Option<&'static str> {
        match self {
            Self::Go { .. } | Self::GoTool { .. } => Some("go"),
            Self::Python { .. } | Self::Requirements { .. } => Some("python3"),
            Self::Npm { .. } => Some("npm"),
            Self::Maven { .. } | Self::MavenWithDependencies { .. } => Some("mvn"),
            Self::Debian { .. } | Self::System { .. } => Some("apt-get"),
            Self::Kubernetes { .. } => Some("go"),
            Self::Own => None,
        }
    }

    /// Whether there is nothing left to install.
    #[must_use]
    pub fn is_there(&self, cache: &Cache) -> bool {
        match self {
            Self::Own => true,
            Self::System { packages } => system::missing(packages).is_empty(),
            _ => cache.installed(&self.key()).is_some(),
        }
    }

    /// Installs it unless that was done, and says how long it took where it was done now.
    pub(crate) fn run(&self, cache: &Cache) -> Result<(PathBuf, Option<Duration>)> {
        if let Some(program) = self.program() {
            require(program)?;
        }
        // What the system has is asked of the system: a cache may outlive it.
        if let Self::System { packages } = self {
            return system::install(&cache.downloads(), packages).map(|()| (cache.downloads(), None));
        }
        cache.install(&self.key(), |place| match self {
            Self::Go { package, version } => go::install(place, package, version),
            Self::GoTool { package, version, replaced } => go::install_tool(place, package, version, replaced),
            Self::Python { packages, .. } => python::install(place, packages),
            Self::Requirements { text, .. } => python::install(place, &text.lines().collect::<Vec<_>>()),
            Self::Npm { packages, .. } => npm::install(place, packages),
            Self::Maven { artifact } => maven::install(place, artifact),
            Self::MavenWithDependencies { artifacts, .. } => maven::with_dependencies(place, artifacts),
            Self::Debian { packages } => debian::unpack(place, packages),
            Self::System { .. } => Ok(()),
            Self::Kubernetes { version } => kubernetes::build(cache, place, version),
            Self::Own => Ok(()),
        })
    }
}

/// The release of the system, such as `debian-12`: packages of another are others.
fn release() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    format!("{}-{}", value("ID"), value("VERSION_ID"))
}

/// Where a program is found.
pub(crate) fn require(program: &'static str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file()) {
        return Ok(found);
    }
    let fix = match program {
        "go" => "install Go 1.26 or later",
        "python3" => "install Python 3.10 or later with its venv module",
        "npm" => "install Node 18 or later",
        "kubectl" => "install kubectl 1.33 or later",
        "mvn" | "java" => "install a JDK 17 or later, and Maven",
        "apt-get" => "this component comes from Debian's packages; on another system name a server of your own",
        _ => "install it",
    };
    Err(Error::Missing { program: program.to_owned(), fix: fix.to_owned() })
}

/// Runs a step of an installation; what it prints goes to a log.
pub(crate) fn step(command: &mut Command, log: &Path) -> Result<()> {
    let output = File::options().create(true).append(true).open(log).map_err(FileError::at("open", log))?;
    let errors = output.try_clone().map_err(FileError::at("open", log))?;
    let program = command.get_program().to_string_lossy().into_owned();
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let status = command.stdin(Stdio::null()).stdout(output).stderr(errors).status();
    let status = status.map_err(|source| Error::Run { program: program.clone(), source })?;
    if status.success() {
        return Ok(());
    }
    let command = format!("{program} {}", words.join(" "));
    Err(Error::Step { command, status, log: log.to_owned(), tail: tail(log) })
}
