use super::*;

fn kubernetes(repository: Option<&str>, context: Option<&str>) -> Result<Kubernetes> {
    of(Environment { context: context.map(str::to_owned), ..Environment::default() }, repository)
}

fn of(environment: Environment, repository: Option<&str>) -> Result<Kubernetes> {
    let environment = Environment { target: crate::config::TargetKind::Kubernetes, ..environment };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let project: ModelName = "wine".parse().unwrap();
    let image = Image { repository: repository.map(str::to_owned), port: 9090, ..Image::default() };
    let name = "staging".parse().unwrap();
    Kubernetes::new(&name, &project, environment, &image, Store::in_memory(), Arc::new(runtime))
}

/// An environment with these keys, and the files that it names.
fn set(keys: &str, files: &[(&str, &str)]) -> Result<Kubernetes> {
    let mut environment: Environment = toml::from_str(&format!("context = \"lab\"\n{keys}")).unwrap();
    environment.files = files
        .iter()
        .map(|(path, text)| {
            let digest = Digest::of(text.as_bytes());
            ((*path).to_owned(), crate::config::OwnFile { digest, text: (*text).to_owned() })
        })
        .collect();
    of(environment, Some("registry/team/wine"))
}

#[test]
fn keys_become_objects() {
    let keys = "cpu = \"250m\"\nmemory = \"1Gi\"\ncpu_limit = \"2\"\npull_secrets = [\"key\"]\nunschedulable_seconds = 7\n\
                manifests = [\"own.yaml\"]\npatches = [\"patch.yaml\"]\n[autoscale]\nmin = 2\nmax = 4\n[network]\nfrom = \
                [\"web\"]\n[ingress]\nhost = \"a.b\"\nclass = \"nginx\"\n[route]\ngateway = \"edge\"\nhosts = [\"a.b\"]\n\
                [service_monitor]\ninterval_seconds = 30\n";
    let own = "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {password: hunter22}";
    let patch = "kind: Deployment\nspec: {template: {spec: {priorityClassName: high}}}";
    let target = set(keys, &[("own.yaml", own), ("patch.yaml", patch)]).unwrap();
    let workload = target.settings.workload(target.image(Digest::of(b"image")).unwrap(), "1", "").unwrap();
    let yaml = workload.render_yaml().unwrap();
    for words in [
        "kind: HorizontalPodAutoscaler",
        "averageUtilization: 80",
        "kubernetes.io/metadata.name: web",
        "ingressClassName: nginx",
        "kind: HTTPRoute",
        "interval: 30s",
        "priorityClassName: high",
        "cpu: 250m",
        "memory: 1Gi",
        "imagePullSecrets:\n      - name: key",
    ] {
        assert!(yaml.contains(words), "no {words:?} in\n{yaml}");
    }
    assert!(!yaml.contains("prometheus.io/scrape") && !yaml.contains("replicas: "), "{yaml}");
    assert_eq!(target.settings.options().unschedulable, Duration::from_secs(7));
    // Printed, a Secret keeps its own.
    let shown = target.shown(&workload, Look::Manifests).unwrap();
    assert!(shown.text.contains("name: own") && shown.text.contains("(not shown)"), "{}", shown.text);
    assert!(!format!("{shown:?}").contains("hunter22"));
    assert_eq!(shown.result["role"]["metadata"]["name"], "wine-deploy");
}

#[test]
fn what_no_cluster_would_take_is_said_at_once() {
    let refused = |keys: &str, files: &[(&str, &str)], words: &[&str]| {
        let error = set(keys, files).err().unwrap();
        assert_eq!(error.outcome, crate::error::Outcome::Invalid);
        for word in words {
            assert!(error.message.contains(word), "no {word:?} in: {}", error.message);
        }
    };
    refused("cpu = \"1 core\"", &[], &["environment `staging`", "`cpu`", "`1 core`"]);
    refused("pull_secrets = [\"A B\"]", &[], &["`pull_secrets`", "`A B`"]);
    refused("[network]\nfrom = [\"A\"]", &[], &["`network.from`", "`A`"]);
    refused("[ingress]\nhost = \"a b\"", &[], &["environment `staging`", "`a b`", "host name"]);
    let patch = "kind: Deployment\nspec: {replicas: 3}";
    refused("patches = [\"p.yaml\"]", &[("p.yaml", patch)], &["environment `staging`", "`spec.replicas`"]);
    refused("manifests = [\"p.yaml\"]", &[("p.yaml", "a: [")], &["`p.yaml`", "no YAML"]);
}

#[test]
fn what_is_missing_is_named() {
    let missing = |repository, context| kubernetes(repository, context).err().unwrap().message;
    assert!(missing(None, Some("lab")).contains("[image] repository"));
    assert!(missing(Some("r/x"), None).contains("its context"));
}

#[test]
fn what_was_there_can_be_applied_again() {
    let target = kubernetes(Some("registry/team/wine"), Some("lab")).unwrap();
    assert_eq!(target.address(), "http://wine.wine-staging.svc");
    let image = ImageReference::new("registry/team/wine", Digest::of(b"image")).unwrap();
    let workload = target.settings.workload(image, "3", "sha256:0").unwrap();
    assert_eq!(workload.port, 9090, "the server listens on the port that its image names");
    assert_eq!(
        (workload.env["MLCI_LOG_FORMAT"].as_str(), workload.env["MLCI_ENVIRONMENT"].as_str()),
        ("ecs", "staging")
    );
    // By these Prometheus tells environments apart.
    assert_eq!(
        (&*workload.extra_labels["mlci.project"], &*workload.extra_labels["mlci.environment"]),
        ("wine", "staging")
    );
    assert_eq!(&*workload.pod_annotations["prometheus.io/port"], "9090");
    assert_eq!((workload.env["MLCI_MODEL_VERSION"].as_str(), workload.annotations[VERSION].as_str()), ("3", "3"));
}
