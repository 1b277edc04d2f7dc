use std::{collections::HashMap, net::SocketAddr};

use bollard::{
    models::{ContainerCreateBody, HostConfig, PortBinding},
    query_parameters::{
        CreateContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
        StopContainerOptionsBuilder, WaitContainerOptions,
    },
};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::docker::{Engine, EngineError, Result};

/// On every container that is started here, so that they can be found: `docker ps --all --filter label=mlci.run`.
const LABEL: &str = "mlci.run";
/// Lines of a container's output that are read.
const LINES: &str = "1000";

/// How a container reaches others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Not at all.
    #[default]
    None,
    /// It shares the host's network: its ports are the host's.
    Host,
    /// This TCP port of it, at a free port of 127.0.0.1 (see [`Container::address`]).
    Publish(u16),
}

/// How to run an image, beside what the image itself says.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The network.
    pub network: Network,
    /// Variables that are added or replaced.
    pub env: Vec<(String, String)>,
    /// Arguments for the entry point.
    pub arguments: Vec<String>,
}

/// A container that was started. It stays until [`remove`](Self::remove), also when this value is dropped.
#[derive(Debug, Clone)]
pub struct Container {
    engine: Engine,
    id: String,
    port: Option<u16>,
}

impl Engine {
    /// Starts a container of an image that the engine has, by its tag or id. Without new privileges and, as the image
    /// says, without root.
    ///
    /// # Errors
    /// [`EngineError::Request`] if there is no such image, or if it cannot be started. What was created is removed then.
    pub async fn run(&self, image: &str, options: &RunOptions) -> Result<Container> {
        let action = format!("run `{image}`");
        let mut host = HostConfig { security_opt: Some(vec!["no-new-privileges".to_owned()]), ..HostConfig::default() };
        let mut port = None;
        match options.network {
            Network::None => host.network_mode = Some("none".to_owned()),
            Network::Host => host.network_mode = Some("host".to_owned()),
            Network::Publish(inner) => {
                port = Some(inner);
                let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(String::new()) };
                host.port_bindings = Some(HashMap::from([(format!("{inner}/tcp"), Some(vec![binding]))]));
            }
        }
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            env: Some(options.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            cmd: (!options.arguments.is_empty()).then(|| options.arguments.clone()),
            labels: Some(HashMap::from([(LABEL.to_owned(), "true".to_owned())])),
            exposed_ports: port.map(|port| vec![format!("{port}/tcp")]),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let created =
            self.api.create_container(None::<CreateContainerOptions>, body).await.map_err(self.failed(&action))?;
        let container = Container { engine: self.clone(), id: created.id, port };
        if let Err(error) = self.api.start_container(&container.id, None::<StartContainerOptions>).await {
            // The error that led here is the one to report.
            let _ = container.remove().await;
            return Err(self.failed(&action)(error));
        }
        Ok(container)
    }
}

impl Container {
    /// The engine's id of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where a [published](Network::Publish) port is reached from this host; nothing for other networks.
    ///
    /// # Errors
    /// [`EngineError::Request`]; [`EngineError::CutShort`] if the engine names no address, as when the container ended.
    pub async fn address(&self) -> Result<Option<SocketAddr>> {
        let Some(port) = self.port else { return Ok(None) };
        let action = format!("publish port {port} of the container {}", self.short());
        let seen = self.engine.api.inspect_container(&self.id, None).await.map_err(self.engine.failed(&action))?;
        let ports = seen.network_settings.and_then(|settings| settings.ports).unwrap_or_default();
        let binding = ports.into_values().flatten().flatten().next();
        let address = binding.and_then(|binding| {
            Some(SocketAddr::new(binding.host_ip?.parse().ok()?, binding.host_port?.parse().ok()?))
        });
        address.map(Some).ok_or_else(|| EngineError::CutShort {
            host: self.engine.host.to_string(),
            action,
            missing: "an address",
            last: seen.state.and_then(|state| state.error).unwrap_or_default(),
        })
    }

    /// Whether it runs.
    ///
    /// # Errors
    /// [`EngineError::Request`].
    pub async fn is_running(&self) -> Result<bool> {
        let action = format!("look at the container {}", self.short());
        let seen = self.engine.api.inspect_container(&self.id, None).await.map_err(self.engine.failed(&action))?;
        Ok(seen.state.and_then(|state| state.running).unwrap_or(false))
    }

    /// The last 1000 lines that it wrote so far, to standard output and standard error.
    ///
    /// # Errors
    /// [`EngineError::Request`].
    pub async fn logs(&self) -> Result<String> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(LINES).build();
        let action = format!("read the output of the container {}", self.short());
        let mut output = self.engine.api.logs(&self.id, Some(options));
        let mut bytes = Vec::new();
        while let Some(piece) = output.try_next().await.map_err(self.engine.failed(&action))? {
            bytes.extend_from_slice(&piece.into_bytes());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits until it ends; gives its exit code.
    ///
    /// # Errors
    /// [`EngineError::Request`]; [`EngineError::CutShort`] if the engine names no exit code.
    pub async fn wait(&self) -> Result<i64> {
        let action = format!("wait for the container {}", self.short());
        let mut ended = Box::pin(self.engine.api.wait_container(&self.id, None::<WaitContainerOptions>));
        match ended.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            // bollard's way to say that the code is not 0.
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(self.engine.failed(&action)(error)),
            None => Err(EngineError::CutShort {
                host: self.engine.host.to_string(),
                action,
                missing: "an exit code",
                last: String::new(),
            }),
        }
    }

    /// Asks it to end (the image's stop signal), and kills it after `grace` seconds. Nothing happens if it has ended.
    ///
    /// # Errors
    /// [`EngineError::Request`].
    pub async fn stop(&self, grace: u16) -> Result<()> {
        let options = StopContainerOptionsBuilder::default().t(i32::from(grace)).build();
        let action = format!("stop the container {}", self.short());
        self.engine.api.stop_container(&self.id, Some(options)).await.map_err(self.engine.failed(&action))
    }

    /// Kills it if it runs, and removes it with what it wrote.
    ///
    /// # Errors
    /// [`EngineError::Request`].
    pub async fn remove(&self) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let action = format!("remove the container {}", self.short());
        self.engine.api.remove_container(&self.id, Some(options)).await.map_err(self.engine.failed(&action))
    }

    fn short(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}
