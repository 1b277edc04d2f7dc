use std::{
    net::{SocketAddr, TcpListener as StdListener},
    pin::pin,
    process,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use mlci_core::write_atomic;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::{sleep, timeout, timeout_at},
};

use crate::{ServeError, ServedModel, ServerOptions, app::App, body::Limits, routes};

/// The largest head of a request, in bytes; hyper refuses a larger one with 431. It is what a connection reads at once,
/// too, and far more than browsers, proxies and their cookies make.
const HEAD: usize = 64 << 10;

/// How far the server is on its way to the end. Connections watch this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// No new connections; every answer closes its connection.
    Draining,
    /// Connections without a request close.
    Closing,
    /// All connections close.
    Ended,
}

/// What the accept loops, the connections and the control socket share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    /// The listener's address where its port was left to the system.
    pub(crate) private: Option<SocketAddr>,
    /// Set when the control socket asks for the end.
    pub(crate) stop: Notify,
    router: Router,
    http: http1::Builder,
    phase: watch::Sender<Phase>,
    /// A duplicate of the public listener, to be shared.
    public: Mutex<Option<StdListener>>,
}

/// A server that listens and, once run, serves one model.
///
/// The end, when `shutdown` completes or the control socket says `stop`: `/readyz` turns 503, listening stops, every
/// answer carries `Connection: close`, connections without a request stay open for [`ServerOptions::drain`], answers
/// under way are finished until [`ServerOptions::limit`]. Where another process holds the same listening socket, no
/// connection is lost: those not accepted here are accepted there.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
    options: ServerOptions,
    #[cfg(unix)]
    control: Option<crate::control::Socket>,
}

impl Server {
    /// Listens. Connections wait until [`Server::run`].
    ///
    /// # Errors
    /// [`ServeError::Listen`] naming the address, [`ServeError::Control`].
    pub async fn bind(model: ServedModel, options: ServerOptions) -> Result<Self, ServeError> {
        let listen = |source| ServeError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let private = options.listen.port() == 0;
        let public = if private { None } else { Some(duplicate(&listener).map_err(listen)?) };

        let app =
            App::new(model, Limits { bytes: options.body_limit, time: options.body_timeout }, options.log.clone());
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(options.idle_timeout).max_buf_size(HEAD);
        let shared = Arc::new(Shared {
            router: routes::with_app(app.clone()),
            app,
            private: private.then_some(address),
            stop: Notify::new(),
            http,
            phase: watch::Sender::new(Phase::Serving),
            public: Mutex::new(public),
        });
        #[cfg(not(unix))]
        if let Some(path) = options.control {
            return Err(ServeError::Control { path, source: std::io::ErrorKind::Unsupported.into() });
        }
        #[cfg(unix)]
        let control = match &options.control {
            Some(path) => Some(
                crate::control::Socket::bind(path)
                    .map_err(|source| ServeError::Control { path: path.clone(), source })?,
            ),
            None => None,
        };
        Ok(Self {
            shared,
            listener,
            address,
            options,
            #[cfg(unix)]
            control,
        })
    }

    /// The address that the server listens on, with the port that was chosen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` completes or the control socket says `stop`, and comes to the end described above.
    ///
    /// Dropped before it is done, it accepts nothing more; connections go on until the runtime ends.
    ///
    /// # Errors
    /// [`ServeError::ReadyFile`], before anything is answered.
    pub async fn run(self, shutdown: impl Future) -> Result<(), ServeError> {
        if let Some(path) = &self.options.ready_file {
            let ready = serde_json::json!({"pid": process::id(), "address": self.address.to_string()});
            write_atomic(path, ready.to_string().as_bytes())?;
        }
        let shared = self.shared;
        // Ends every task of this server when this future is dropped.
        let _guard = EndOnDrop(&shared);
        tokio::spawn(accept(shared.clone(), self.listener, shared.phase.subscribe()));
        #[cfg(unix)]
        let control = self.control.map(|socket| socket.serve(shared.clone()));

        tokio::select! {
            _ = shutdown => {}
            () = shared.stop.notified() => {}
        }

        let end = tokio::time::Instant::now() + self.options.limit;
        shared.app.drain();
        shared.phase.send_replace(Phase::Draining);
        // After the phase, so that no listener comes in behind.
        drop(shared.public.lock().unwrap_or_else(PoisonError::into_inner).take());
        // `closed` is when no connection and no accept loop watches the phase any more.
        if timeout(self.options.drain, shared.phase.closed()).await.is_err() {
            shared.phase.send_replace(Phase::Closing);
            if timeout_at(end, shared.phase.closed()).await.is_err() {
                shared.phase.send_replace(Phase::Ended);
                shared.phase.closed().await;
            }
        }
        #[cfg(unix)]
        drop(control);
        Ok(())
    }
}

struct EndOnDrop<'a>(&'a Shared);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.phase.send_replace(Phase::Ended);
    }
}

/// Binds and runs a server: [`Server::bind`], then [`Server::run`].
///
/// # Errors
/// As those two.
pub async fn serve(model: ServedModel, options: ServerOptions, shutdown: impl Future) -> Result<(), ServeError> {
    Server::bind(model, options).await?.run(shutdown).await
}

fn duplicate(listener: &TcpListener) -> std::io::Result<StdListener> {
    #[cfg(unix)]
    let listener = std::os::fd::AsFd::as_fd(listener).try_clone_to_owned()?;
    #[cfg(windows)]
    let listener = std::os::windows::io::AsSocket::as_socket(listener).try_clone_to_owned()?;
    Ok(listener.into())
}

#[cfg_attr(not(unix), expect(dead_code))]
impl Shared {
    /// A duplicate of the public listener.
    pub(crate) fn share(&self) -> std::io::Result<Option<StdListener>> {
        self.public.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(StdListener::try_clone).transpose()
    }

    pub(crate) fn public(&self) -> Option<SocketAddr> {
        self.public.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.local_addr().ok()
    }

    /// Accepts connections on `listener` too, as the public one. Has to be called within the runtime.
    ///
    /// # Errors
    /// The reason, as the control socket hands it on.
    pub(crate) fn take(self: Arc<Self>, listener: StdListener) -> Result<SocketAddr, String> {
        let unfit = |error| format!("the socket cannot be listened on: {error}");
        let address = listener.local_addr().map_err(unfit)?;
        listener.set_nonblocking(true).map_err(unfit)?;
        let copy = listener.try_clone().map_err(unfit)?;
        let listener = TcpListener::from_std(listener).map_err(unfit)?;
        let mut public = self.public.lock().unwrap_or_else(PoisonError::into_inner);
        let phase = self.phase.subscribe();
        if *phase.borrow() != Phase::Serving {
            return Err("the server is stopping".to_owned());
        }
        if let Some(before) = public.as_ref() {
            let before = before.local_addr().map_err(unfit)?;
            return Err(format!("the server has the public address {before} already"));
        }
        *public = Some(copy);
        drop(public);
        tokio::spawn(accept(self, listener, phase));
        Ok(address)
    }
}

async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // Without a sender nothing is left to wait for either.
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, mut phase: watch::Receiver<Phase>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = reached(&mut phase, Phase::Draining) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(tokio::spawn(connection(shared.clone(), stream, phase.clone()))),
            // A client that is gone again is no trouble; without file descriptors, wait until some are free.
            Err(error) if is_of_connection(&error) => {}
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

fn is_of_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, mut phase: watch::Receiver<Phase>) {
    // Answers are small and written at once: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(shared.router.clone());
    let mut connection = pin!(shared.http.serve_connection(TokioIo::new(stream), service));
    // What goes wrong on a connection is the client's doing (gone, too slow, no HTTP) and known to it.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = reached(&mut phase, Phase::Closing) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = reached(&mut phase, Phase::Ended) => {}
    }
}
