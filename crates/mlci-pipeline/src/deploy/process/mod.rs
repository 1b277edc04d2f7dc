//! The target `process`: the image's content as a process on this machine, on one stable loopback port.
//!
//! A new instance starts on a private port and is verified there. It then gets the listening socket from the old one,
//! so that no connection is lost, and the old one stops once its connections are done. Unix only.

mod instance;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use mlci_core::{FileError, write_atomic};
use mlci_image::Layout;
use mlci_model::Model;
use tokio::runtime::Runtime;

use self::instance::Instance;
use super::{
    target::{DeployError, Running, Target},
    verify::{Expected, verify},
};
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
    pub(crate) layout: Layout,
    pub(crate) runtime: Arc<Runtime>,
    /// A server that runs on this machine, where the image's does not (macOS).
    pub(crate) host_server: Option<PathBuf>,
}

impl Process {
    fn current_file(&self) -> PathBuf {
        self.folder.join("current")
    }

    fn current(&self) -> Result<Option<Instance>> {
        let path = self.current_file();
        match fs::read_to_string(&path) {
            Ok(name) => Ok(Some(Instance::at(self.folder.join("instances").join(name.trim())))),
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
        Duration::from_secs_f64(self.environment.drain_seconds) + Duration::from_secs(12)
    }

    /// Stops and removes what a killed deployment left behind: every instance but the current one.
    fn reap(&self, keep: Option<&Instance>) -> Result<()> {
        for instance in self.instances()? {
            if keep.is_none_or(|keep| keep.folder() != instance.folder()) {
                instance.stop(self.grace())?;
                instance.remove()?;
            }
        }
        Ok(())
    }

    /// The public listener: the old instance's own where it listens on the wanted port, else a new one.
    fn listener(&self, old: Option<&Instance>) -> Result<TcpListener> {
        let path = self.folder.join("port");
        let kept = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u16>().ok());
        let wanted = self.environment.port.or(kept);
        if let Some(old) = old.filter(|old| old.is_alive())
            && let Ok(listener) = old.control().and_then(|control| control.share().context(|| "no listener".to_owned()))
            && listener.local_addr().is_ok_and(|address| wanted.is_none_or(|port| address.port() == port))
        {
            return Ok(listener);
        }
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = match TcpListener::bind(address(wanted.unwrap_or(0))) {
            Ok(listener) => listener,
            // A port that nobody asked for may change; one in the configuration may not.
            Err(_) if self.environment.port.is_none() => {
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
        let expected = Expected { model, digest: release.model, version: release.version, pid: Some(pid) };
        let verified = self.runtime.block_on(verify(address, &expected, ANSWER))?;
        Ok(format!(
            "{} golden predictions agree ({:.1} ms)",
            verified.predictions,
            verified.elapsed.as_secs_f64() * 1e3
        ))
    }

    /// Starts the release on a private port and verifies it there.
    fn start(&self, instance: &Instance, release: &Release, progress: &dyn Fn(String)) -> Result<Started, DeployError> {
        let unpacked = self.layout.unpack(&release.image, &instance.folder().join("image")).map_err(Error::from)?;
        let (model, digest) = Model::load(&unpacked.model).map_err(Error::from)?;
        if digest != release.model {
            let message = format!("image {} holds the model {digest}, not {}", release.image.short(), release.model);
            return Err(DeployError::Other(Error::fail(message)));
        }
        let server = self.host_server.as_ref().unwrap_or(&unpacked.server);
        let drain = self.environment.drain_seconds;
        let mut child = instance.spawn(server, &unpacked.model, release, drain)?;
        let wait = Duration::from_secs(self.environment.ready_seconds);
        let broken = |error: Error| DeployError::Release(instance.with_log(error));
        let ready = instance.wait_ready(&mut child, wait).map_err(broken)?;
        let seen = self.verify_at(&ready.address, release, &model, ready.pid).map_err(broken)?;
        progress(format!("started on {}, {seen}", ready.address));
        Ok(Started { model, pid: ready.pid })
    }

    /// Gives the public port to the new instance, makes it the current one, and stops the old one.
    fn swap(&self, new: &Instance, started: &Started, old: Option<&Instance>, release: &Release) -> Result<Running> {
        let listener = self.listener(old)?;
        let public = new.control()?.serve(&listener).context(|| "the new server did not take the port".to_owned())?;
        drop(listener);
        new.describe(release)?;
        write_atomic(&self.current_file(), new.name().as_bytes())?;
        if let Some(old) = old {
            old.stop(self.grace())?;
            old.remove()?;
        }
        let address = format!("http://{public}");
        // Only the new one listens now, so this is what every client gets.
        self.verify_at(&address, release, &started.model, started.pid)?;
        Ok(Running {
            address,
            image: release.image,
            model: release.model,
            version: release.version.to_string(),
            pid: started.pid,
        })
    }
}

struct Started {
    model: Model,
    pid: u32,
}

impl Target for Process {
    fn observe(&self) -> Result<Option<Running>> {
        let Some(current) = self.current()?.filter(Instance::is_alive) else { return Ok(None) };
        // A server that hangs counts as none: it will be replaced.
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
            pid: status.pid,
        }))
    }

    fn deploy(&self, release: &Release, progress: &dyn Fn(String)) -> Result<Running, DeployError> {
        let old = self.current()?;
        self.reap(old.as_ref())?;
        let last = self.instances()?.iter().filter_map(Instance::number).max().unwrap_or(0);
        let new = Instance::create(&self.folder.join("instances"), last + 1)?;
        let deployed = self.start(&new, release, progress).and_then(|started| {
            progress(match &old {
                Some(old) if old.is_alive() => "taking over the port from the one before".to_owned(),
                _ => "taking the port".to_owned(),
            });
            Ok(self.swap(&new, &started, old.as_ref(), release)?)
        });
        if deployed.is_err() && self.current()?.is_none_or(|current| current.folder() != new.folder()) {
            // The first error is the one to report; the next deployment tries to clean up again.
            let _ = new.stop(self.grace()).and_then(|_| new.remove());
        }
        deployed
    }

    fn verify(&self, release: &Release, running: &Running) -> Result<()> {
        let Some(current) = self.current()? else { return Err(Error::fail("nothing runs")) };
        let (model, _) = Model::load(&current.model())?;
        self.verify_at(&running.address, release, &model, running.pid).map(drop)
    }

    fn stop(&self) -> Result<bool> {
        let mut any = false;
        for instance in self.instances()? {
            any |= instance.stop(self.grace())?;
            instance.remove()?;
        }
        let path = self.current_file();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::at("remove", &path)(error).into())
            }
            _ => Ok(any),
        }
    }

    fn log(&self) -> Option<PathBuf> {
        self.current().ok().flatten().map(|current| current.log())
    }
}
