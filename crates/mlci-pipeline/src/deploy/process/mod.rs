//! The target `process`: the image's content as a process on this machine, on one stable loopback port.
//!
//! A new instance starts on a private port and is verified there. It then gets the listening socket from the old one,
//! so that no connection is lost, and the old one stops once its connections are done. Unix only.

mod instance;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use mlci_core::{FileError, write_atomic};
use mlci_image::Layout;
use mlci_model::Model;
use mlci_serve::verify::{Expected, verify};
use tokio::runtime::Runtime;

use self::instance::Instance;
use super::target::{DeployError, Running, Target};
use crate::{
    config::Environment,
    error::{Context as _, Error, Result},
    records::Release,
};

/// How long a server may take for one answer while it is verified.
const ANSWER: Duration = Duration::from_secs(5);

pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) environment: Environment,
    /// The image layout; opened by what needs an image, so that stopping does not depend on it.
    pub(crate) images: PathBuf,
    pub(crate) runtime: Arc<Runtime>,
    /// A server that runs on this machine, where the image's does not (macOS).
    pub(crate) host_server: Option<PathBuf>,
}

impl Process {
    fn current_file(&self) -> PathBuf {
        self.folder.join("current")
    }

    /// The instance that is to serve; none where its folder is gone.
    fn current(&self) -> Result<Option<Instance>> {
        let path = self.current_file();
        match fs::read_to_string(&path) {
            Ok(name) => {
                let instance = Instance::at(self.folder.join("instances").join(name.trim()));
                Ok(Some(instance).filter(|instance| instance.number().is_some() && instance.folder().is_dir()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::at("read", &path)(error).into()),
        }
    }

    fn instances(&self) -> Result<Vec<Instance>> {
        let folder = self.folder.join("instances");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(FileError::at("read", &folder)(error).into()),
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths.into_iter().map(Instance::at).collect())
    }

    fn grace(&self) -> Duration {
        Duration::from_secs_f64(self.environment.drain_seconds + instance::LIMIT + 2.0)
    }

    /// The instances beside the current one: what a command that was cut short left behind.
    fn leftovers(&self) -> Result<Vec<Instance>> {
        let current = self.current()?.map(|current| current.name());
        Ok(self.instances()?.into_iter().filter(|instance| Some(instance.name()) != current).collect())
    }

    /// The public listener: the old instance's own where it listens on the wanted port, else a new one.
    fn listener(&self, old: Option<&Instance>, progress: &dyn Fn(String)) -> Result<TcpListener> {
        let path = self.folder.join("port");
        let kept = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u16>().ok());
        let wanted = self.environment.port.or(kept);
        let mut killed = false;
        if let Some(old) = old.filter(|old| old.is_alive()) {
            match old.control().and_then(|control| control.share().context(|| "no listener".to_owned())) {
                Ok(listener) => {
                    if listener.local_addr().is_ok_and(|address| wanted.is_none_or(|port| address.port() == port)) {
                        return Ok(listener);
                    }
                }
                // It hangs: it answers nobody, and holds the port.
                Err(_) => {
                    old.kill()?;
                    killed = true;
                }
            }
        }
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut bound = TcpListener::bind(address(wanted.unwrap_or(0)));
        // The kernel closes a killed process's sockets after the lock by which its end is told.
        let end = Instant::now() + Duration::from_secs(2);
        while killed && bound.is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
            bound = TcpListener::bind(address(wanted.unwrap_or(0)));
        }
        let listener = match bound {
            Ok(listener) => listener,
            // A port that nobody asked for may change; one in the configuration may not.
            Err(source) if self.environment.port.is_none() => {
                progress(format!(
                    "127.0.0.1:{} is taken by something else ({source}), so it moves",
                    wanted.unwrap_or(0)
                ));
                TcpListener::bind(address(0)).context(|| "no loopback port is free".to_owned())?
            }
            Err(source) => {
                let port = wanted.unwrap_or(0);
                return Err(Error::fail(format!("environment `{}` cannot listen on 127.0.0.1:{port}", self.name))
                    .because(source)
                    .help(format!(
                        "stop what uses the port, or write another: [environment.{}] port = {}",
                        self.name,
                        port.saturating_add(1)
                    )));
            }
        };
        let port = listener.local_addr().context(|| "the listener has no address".to_owned())?.port();
        write_atomic(&path, format!("{port}\n").as_bytes())?;
        Ok(listener)
    }

    fn verify_at(&self, address: &str, release: &Release, model: &Model, pid: u32) -> Result<String> {
        let mut expected = Expected::new(model, release.model);
        (expected.version, expected.pid) = (Some(release.version.to_string()), Some(pid));
        let verified = self.runtime.block_on(verify(address, &expected, ANSWER))?;
        Ok(format!(
            "{} golden predictions agree ({:.1} ms)",
            verified.predictions,
            verified.elapsed.as_secs_f64() * 1e3
        ))
    }

    /// Starts the release on a private port and verifies it there.
    fn start(&self, instance: &Instance, release: &Release, progress: &dyn Fn(String)) -> Result<Started, DeployError> {
        let layout = Layout::open(&self.images).map_err(Error::from)?;
        let unpacked = layout.unpack(&release.image, &instance.folder().join("image")).map_err(Error::from)?;
        let (model, digest) = Model::load(&unpacked.model).map_err(Error::from)?;
        if digest != release.model {
            let message = format!("image {} holds the model {digest}, not {}", release.image.short(), release.model);
            return Err(DeployError::Other(Error::fail(message)));
        }
        let server = self.host_server.as_ref().unwrap_or(&unpacked.server);
        let variables = self.environment.log_variables(&self.name);
        let start = instance::Start { drain: self.environment.drain_seconds, variables: &variables };
        let mut child = instance.spawn(server, &unpacked.model, release, &start)?;
        let wait = Duration::from_secs(self.environment.ready_seconds);
        let broken = |error: Error| DeployError::Release(instance.with_log(error));
        let ready = instance.wait_ready(&mut child, wait).map_err(broken)?;
        let seen = self.verify_at(&ready.address, release, &model, ready.pid).map_err(broken)?;
        progress(format!("started on {}, {seen}", ready.address));
        Ok(Started { model, pid: ready.pid })
    }

    /// Gives the public port to the new instance, makes it the current one, and stops the old one.
    ///
    /// Where that fails before the new one is known to answer there, the old one was not touched.
    fn swap(
        &self,
        new: &Instance,
        started: &Started,
        old: Option<&Instance>,
        release: &Release,
        progress: &dyn Fn(String),
    ) -> Result<Running> {
        let listener = self.listener(old, progress)?;
        let public = new.control()?.serve(&listener).context(|| "the new server did not take the port".to_owned())?;
        drop(listener);
        let address = format!("http://{public}");
        // Both listen now, and either may answer, so the new one is asked for until it does.
        let end = Instant::now() + ANSWER;
        while let Err(error) = self.verify_at(&address, release, &started.model, started.pid) {
            if Instant::now() > end {
                return Err(error);
            }
        }
        new.describe(release)?;
        write_atomic(&self.current_file(), new.name().as_bytes())?;
        if let Some(old) = old {
            old.stop(self.grace())?;
            old.remove()?;
        }
        Ok(Running {
            address,
            image: release.image,
            model: release.model,
            version: release.version.to_string(),
            pid: Some(started.pid),
        })
    }
}

/// The process that runs in an environment's folder, whoever has started it.
pub(super) fn running(folder: &Path) -> Option<u32> {
    let current = fs::read_to_string(folder.join("current")).ok()?;
    let instance = Instance::at(folder.join("instances").join(current.trim()));
    if instance.is_alive() { instance.pid() } else { None }
}

struct Started {
    model: Model,
    pid: u32,
}

impl Target for Process {
    fn observe(&self) -> Result<Option<Running>> {
        let Some(current) = self.current()?.filter(Instance::is_alive) else { return Ok(None) };
        // A server that hangs counts as none; a deployment ends it by force.
        let Ok(status) = current.control().and_then(|control| control.status().context(|| "no status".to_owned()))
        else {
            return Ok(None);
        };
        let (Some(image), Some(address)) = (current.described()?, status.addresses.public) else { return Ok(None) };
        Ok(Some(Running {
            address: format!("http://{address}"),
            image,
            model: status.digest,
            version: status.version,
            pid: Some(status.pid),
        }))
    }

    fn hangs(&self) -> Result<Option<u32>> {
        match self.current()?.filter(Instance::is_alive) {
            Some(current) if self.observe()?.is_none() => Ok(current.pid()),
            _ => Ok(None),
        }
    }

    fn deploy(
        &self,
        release: &Release,
        _: Option<&Release>,
        progress: &dyn Fn(String),
    ) -> Result<Running, DeployError> {
        self.settle()?;
        let old = self.current()?;
        let last = self.instances()?.iter().filter_map(Instance::number).max().unwrap_or(0);
        let new = Instance::create(&self.folder.join("instances"), last + 1)?;
        let deployed = self.start(&new, release, progress).and_then(|started| {
            progress(match &old {
                Some(old) if old.is_alive() => "taking over the port from the one before".to_owned(),
                _ => "taking the port".to_owned(),
            });
            Ok(self.swap(&new, &started, old.as_ref(), release, progress)?)
        });
        if deployed.is_err() && self.current()?.is_none_or(|current| current.folder() != new.folder()) {
            // The first error is the one to report; the next command tries to clean up again.
            let _ = new.stop(self.grace());
            let _ = fs::copy(new.log(), self.folder.join("failed.log"));
            let _ = new.remove();
        }
        deployed
    }

    fn settle(&self) -> Result<bool> {
        let leftovers = self.leftovers()?;
        for instance in &leftovers {
            instance.stop(self.grace())?;
            instance.remove()?;
        }
        Ok(!leftovers.is_empty())
    }

    fn verify(&self, release: &Release, running: &Running) -> Result<()> {
        let Some(current) = self.current()? else { return Err(Error::fail("nothing runs")) };
        if self.leftovers()?.iter().any(Instance::is_alive) {
            return Err(Error::fail("a deployment was cut short, and its server still answers too")
                .help("ci, deploy or down clears it away"));
        }
        let Some(pid) = running.pid else { return Err(Error::fail("nothing runs")) };
        if self.host_server.is_none() {
            // The program that runs, not the file that it was started from.
            let path = PathBuf::from(format!("/proc/{pid}/exe"));
            let (server, _) = mlci_core::digest_file(&path)?;
            if server != release.server {
                return Err(Error::fail(format!(
                    "process {pid} is not the server of the release: its digest is {server}"
                )));
            }
        }
        let (model, _) = Model::load(&current.model())?;
        self.verify_at(&running.address, release, &model, pid).map(drop)
    }

    fn stop(&self) -> Result<bool> {
        // First, so that it never names an instance that is gone.
        mlci_core::remove(&self.current_file())?;
        let mut any = false;
        for instance in self.instances()? {
            any |= instance.stop(self.grace())?;
            instance.remove()?;
        }
        Ok(any)
    }

    fn log(&self) -> Result<Option<(String, Vec<u8>)>> {
        let Some(path) = self.current()?.map(|current| current.log()) else { return Ok(None) };
        let bytes = fs::read(&path).map_err(FileError::at("read", &path))?;
        Ok(Some((path.display().to_string(), bytes)))
    }
}
