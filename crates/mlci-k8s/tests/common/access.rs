//! Who else may ask an API server: accounts with a Role and no more, and the kubeconfigs that name them.

use std::time::Duration;

use k8s_openapi::api::{
    authorization::v1::SubjectAccessReview,
    core::v1::ServiceAccount,
    rbac::v1::{Role, RoleBinding},
};
use mlci_k8s::{
    ClusterOptions,
    kube::{
        Api, Client, Config,
        api::{Patch, PatchParams, PostParams},
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A kubeconfig for the same server, for this user of its own: the context `limited`.
pub(crate) fn kubeconfig(config: &Config, user: &Value) -> (TempDir, ClusterOptions) {
    let folder = tempfile::tempdir().unwrap();
    let pem = config.root_cert.iter().flatten().map(|der| certificate(der)).collect::<String>();
    std::fs::write(folder.path().join("ca.crt"), pem).unwrap();
    let text = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{ "name": "c", "cluster": {
            "server": config.cluster_url.to_string(), "certificate-authority": folder.path().join("ca.crt"),
        } }],
        "users": [{ "name": "u", "user": user }],
        "contexts": [{ "name": "limited", "context": { "cluster": "c", "user": "u" } }],
    });
    let path = folder.path().join("config");
    std::fs::write(&path, text.to_string()).unwrap();
    let mut options = ClusterOptions::new("limited");
    options.kubeconfig = Some(path);
    (folder, options)
}

fn certificate(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for block in der.chunks(3) {
        let bits = block.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - block.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit > block.len() { '=' } else { DIGITS[index] as char });
        }
    }
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// An account that has this Role, both of this name, once the API server acts on it. Its uid.
pub(crate) async fn account(client: &Client, namespace: &str, name: &str, role: Value) -> String {
    let params = PatchParams::apply("mlci-test");
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
    let account = accounts.patch(name, &params, &Patch::Apply(account)).await.unwrap();
    let roles: Api<Role> = Api::namespaced(client.clone(), namespace);
    let first = role["rules"][0].clone();
    roles.patch(name, &params, &Patch::Apply(role)).await.unwrap();
    let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }],
    });
    bindings.patch(name, &params, &Patch::Apply(binding)).await.unwrap();
    granted(client, namespace, name, &first).await;
    account.metadata.uid.unwrap()
}

/// The authorizer hears of a Role and of its binding by watches of its own, some time after they were written.
async fn granted(client: &Client, namespace: &str, name: &str, rule: &Value) {
    let review: SubjectAccessReview = serde_json::from_value(json!({
        "metadata": {},
        "spec": {
            "user": format!("system:serviceaccount:{namespace}:{name}"),
            "resourceAttributes": {
                "namespace": namespace, "verb": rule["verbs"][0], "group": rule["apiGroups"][0],
                "resource": rule["resources"][0],
            },
        },
    }))
    .unwrap();
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    for _ in 0..300 {
        let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
        if answer.status.is_some_and(|status| status.allowed) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("after 30 s the API server does not act on the Role of `{name}`: {rule}");
}
