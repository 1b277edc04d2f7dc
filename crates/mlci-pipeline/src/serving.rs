use std::net::SocketAddr;

use mlci_serve::{ServedModel, Server, ServerOptions};

use crate::{
    error::Context as _,
    event::{Event, Finished, ModelRef},
    pipeline::Pipeline,
};

impl Pipeline {
    /// Serves a version from the store in this process until it is told to stop. By default: the newest.
    pub fn serve(&self, model: Option<&str>, listen: SocketAddr) -> Finished {
        self.command("serve", |ending| {
            let version = match model {
                Some(text) => self.find_model(text)?,
                None => {
                    let name = &self.config().project.name;
                    let versions = self.block_on(self.store().versions(name))?;
                    versions.into_iter().next_back().ok_or_else(|| {
                        crate::error::Error::fail(format!("the store has no version of `{name}` yet"))
                            .help(format!("make one: {}", self.command_line("ci")))
                    })?
                }
            };
            ending.model =
                Some(ModelRef { name: version.name.clone(), version: Some(version.number), digest: version.model });
            let bytes = self.block_on(self.store().model_bytes(&version))?;
            let served = ServedModel::from_bytes(&bytes, Some(version.number.to_string()))
                .context(|| format!("{}@{} cannot be served", version.name, version.number))?;
            let options = ServerOptions { listen, ..ServerOptions::default() };
            self.block_on(async {
                let server = Server::bind(served, options).await.context(|| format!("cannot serve at {listen}"))?;
                let address = server.address();
                self.event(&Event::Progress {
                    name: "serve".to_owned(),
                    message: format!("{}@{} at http://{address}; Ctrl-C stops it", version.name, version.number),
                });
                server.run(stopped()).await.context(|| "the server stopped".to_owned())
            })
        })
    }
}

/// Ends when the process is asked to end.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
