use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use crate::{
    call::Action,
    cluster::Cluster,
    error::{Error, Result, chain},
    name::{Name, Namespace},
    service::Endpoint,
};

/// A loopback address whose connections go to the pods of a Service, until this is dropped.
///
/// Each connection goes to the next ready pod behind the Service, as it is at that moment, but to none of a canary. A connection that cannot be
/// made is closed, and [`Forward::last_error`] says why.
#[derive(Debug)]
pub struct Forward {
    address: SocketAddr,
    error: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

impl Forward {
    /// Where to connect to: a free port of 127.0.0.1.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why a connection was closed last, with its causes.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // The connections are in a set that the task owns, and end with it.
        self.task.abort();
    }
}

/// Which pods a forward goes to.
#[derive(Debug, Clone)]
enum Target {
    Service(Name, Arc<AtomicUsize>),
    Pod(Endpoint),
}

impl Cluster {
    /// Opens a loopback address that leads to the ready pods behind a workload's Service, by the port-forward of the API
    /// server. For verification: traffic goes through the API server and this process.
    ///
    /// # Errors
    /// [`Error::NoEndpoint`] when no pod is ready now; [`Error::Listen`]; the errors of every call.
    pub async fn forward(&self, namespace: &Namespace, service: &Name) -> Result<Forward> {
        if self.endpoints(namespace, service).await?.is_empty() {
            return Err(self.no_endpoint(namespace, service));
        }
        self.listen(namespace, Target::Service(service.clone(), Arc::default())).await
    }

    /// Opens a loopback address that leads to one pod's port. Whether there is such a pod shows with the first connection.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn forward_pod(&self, namespace: &Namespace, pod: &str, port: u16) -> Result<Forward> {
        self.listen(namespace, Target::Pod(Endpoint { pod: pod.to_owned(), port })).await
    }

    async fn listen(&self, namespace: &Namespace, target: Target) -> Result<Forward> {
        let failed = |source| Error::Listen { source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let error = Arc::new(Mutex::new(None));
        let (cluster, namespace, problem) = (self.clone(), namespace.clone(), Arc::clone(&error));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        // Out of file handles or the like: what is open goes on.
                        let Ok((stream, _)) = accepted else {
                            sleep(Duration::from_millis(50)).await;
                            continue;
                        };
                        let (cluster, namespace, target) = (cluster.clone(), namespace.clone(), target.clone());
                        let problem = Arc::clone(&problem);
                        connections.spawn(async move {
                            if let Err(error) = cluster.connect_through(stream, &namespace, &target).await {
                                *problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain(&error));
                            }
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Forward { address, error, task })
    }

    async fn connect_through(&self, mut local: TcpStream, namespace: &Namespace, target: &Target) -> Result<()> {
        let Endpoint { pod, port } = match target {
            Target::Pod(endpoint) => endpoint.clone(),
            Target::Service(service, turn) => self.endpoint(namespace, service, turn).await?,
        };
        let action = Action::new("create", "pods/portforward", namespace.as_str(), &pod);
        let (api, ports) = (self.pod_api(namespace), [port]);
        let mut forwarder = self.call(&action, || api.portforward(&pod, &ports)).await?;
        let Some(mut remote) = forwarder.take_stream(port) else { return Ok(()) };
        let refused = forwarder.take_error(port);
        // Either side may close at any time; only what the pod's side says is an error.
        let _ = copy_bidirectional(&mut local, &mut remote).await;
        drop(remote);
        forwarder.abort();
        let said = match refused {
            Some(refused) => refused.await,
            None => None,
        };
        match said {
            Some(message) => Err(Error::Forward { pod, port, place: self.place.clone(), message }),
            None => Ok(()),
        }
    }
}
