//! An admission webhook of the test's own on loopback, which the lab's API server calls (Kubernetes documentation,
//! "Dynamic Admission Control"). Only what is of the test's namespace is asked about.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{Arc, Mutex},
};

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use mlci_k8s::{
    Namespace,
    kube::{
        Api, Client,
        api::{Patch, PatchParams},
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// What it answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answers {
    Yes,
    No,
    /// Takes the question and says nothing.
    Never,
    /// Something that is no answer.
    Nonsense,
}

pub(crate) struct Hook {
    name: String,
    api: Api<ValidatingWebhookConfiguration>,
    tls: TlsAcceptor,
    answers: Arc<Mutex<Answers>>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Hook {
    /// One that is asked before anything of this resource is made or changed in this namespace, and says yes.
    pub(crate) async fn new(client: &Client, namespace: &Namespace, group: &str, resource: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").current_dir(&folder).args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key"];
        let certificate = ["-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1", "-out", "crt"];
        openssl(&[&["req", "-x509"], &key[..], &certificate].concat());
        let bundle = openssl(&["base64", "-A", "-in", "crt"]);
        let chain = vec![CertificateDer::from_pem_file(folder.path().join("crt")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(folder.path().join("key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let tls = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));

        let answers = Arc::new(Mutex::new(Answers::Yes));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, tls.clone(), answers.clone()));
        let name = format!("{resource}.{namespace}.test");
        let hook = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": name },
            "webhooks": [{
                "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 1,
                "clientConfig": { "url": format!("https://{address}/"), "caBundle": bundle },
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace.as_str() } },
                "rules": [{
                    "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                    "resources": [resource],
                }],
            }],
        });
        let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
        api.patch(&name, &PatchParams::apply("mlci-test"), &Patch::Apply(hook)).await.unwrap();
        Self { name, api, tls, answers, address, server }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn answers(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    /// Its server goes, with every connection.
    pub(crate) fn close(&self) {
        self.server.abort();
    }

    /// Its server is back at the same address.
    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.server = tokio::spawn(serve(listener, self.tls.clone(), self.answers.clone()));
    }

    pub(crate) async fn remove(self) {
        self.api.delete(&self.name, &Default::default()).await.unwrap();
        self.close();
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, answers: Arc<Mutex<Answers>>) {
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, answers) = (tls.clone(), answers.clone());
        open.spawn(async move {
            // Whoever asked may have gone.
            let _ = answer(stream, tls, &answers).await;
        });
    }
}

/// Requests of one connection, one after the other (RFC 9112).
async fn answer(stream: TcpStream, tls: TlsAcceptor, answers: &Mutex<Answers>) -> std::io::Result<()> {
    let mut stream = BufReader::new(tls.accept(stream).await?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let answers = *answers.lock().unwrap();
        let answer = match answers {
            Answers::Never => std::future::pending().await,
            Answers::Nonsense => String::new(),
            Answers::Yes | Answers::No => {
                let mut response =
                    json!({ "uid": asked["request"]["uid"], "allowed": matches!(answers, Answers::Yes) });
                if matches!(answers, Answers::No) {
                    response["status"] = json!({ "message": "not on a Sunday" });
                }
                json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
                    .to_string()
            }
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
        stream.write_all(format!("{head} {}\r\n\r\n{answer}", answer.len()).as_bytes()).await?;
        stream.flush().await?;
    }
}
