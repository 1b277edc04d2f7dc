use std::collections::BTreeSet;

use mlci_k8s::Chart;
use serde_json::Value;

use crate::{DIGEST, Written, of_kind, workload, write};

fn set() -> [String; 2] {
    ["--set".to_owned(), format!("image.digest={DIGEST}")]
}

fn template(chart: &Written, release: &str) -> Vec<Value> {
    let set = set();
    chart.template(release, &[&set[0], &set[1]])
}

/// Every object has the release's name, also where YAML reads that word as something else.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn objects_are_called_as_their_release() {
    let chart = write(&Chart::new(workload("wine")));
    let longest = format!("a{}", "-b".repeat(26));
    assert_eq!(longest.len(), 53, "the longest that Helm takes");
    for release in ["wine", "wine-staging", "on", "null", "true", "e5", &longest] {
        for object in template(&chart, release) {
            let expected = if object["kind"] == "Pod" { format!("{release}-verify") } else { release.to_owned() };
            assert_eq!(object["metadata"]["name"], expected, "{object:#}");
        }
    }
    for release in ["2nd", "a.b"] {
        let set = set();
        let error = chart.refused(release, &[&set[0], &set[1]]);
        assert!(error.contains(&format!("the release `{release}`")) && error.contains("choose one of"), "{error}");
    }
}

/// Two releases in one namespace share no object, and no Service sends to the other's pods.
#[test]
#[ignore = "needs Helm: cargo xtask test --lab helm"]
fn two_releases_in_one_namespace() {
    let chart = write(&Chart::new(workload("wine")));
    // A name that is made of release and chart would be the same for these two.
    let releases = [template(&chart, "a"), template(&chart, "a-wine")];
    let names = releases.each_ref().map(|objects| {
        let name = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
        objects.iter().map(name).collect::<BTreeSet<_>>()
    });
    assert!(names[0].is_disjoint(&names[1]), "{names:?}");
    let [one, other] = releases;
    for (selecting, pods) in [(&one, &other), (&other, &one)] {
        let selector = of_kind(selecting, "Service")["spec"]["selector"].as_object().unwrap();
        let labels = &of_kind(pods, "Deployment")["spec"]["template"]["metadata"]["labels"];
        assert!(selector.iter().any(|(key, value)| labels.get(key) != Some(value)), "{selector:?} selects {labels}");
        let own = &of_kind(selecting, "Deployment")["spec"]["template"]["metadata"]["labels"];
        assert!(selector.iter().all(|(key, value)| own.get(key) == Some(value)), "{selector:?} selects not {own}");
    }
}
