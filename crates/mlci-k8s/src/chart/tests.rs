use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::*;
use crate::render::tests::{full, workload};

fn text(files: &[RenderedFile], path: &str) -> String {
    let path = format!("charts/wine-quality/{path}");
    files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}")).text.clone()
}

/// `MLCI_BLESS=1` writes the files anew.
#[test]
fn charts_are_as_they_were() {
    let mut chart = Chart::new(full());
    chart.made_by = "cargo xtask generate helm".to_owned();
    // The crate's own version changes with every release.
    chart.version = "1.2.3".to_owned();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart");
    for file in chart.render().unwrap() {
        let path = folder.join(file.path.strip_prefix("charts/").unwrap());
        if std::env::var_os("MLCI_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &file.text).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(file.text, there, "MLCI_BLESS=1 writes {}", path.display());
    }
}

#[test]
fn every_file_is_marked_and_no_place_is_left_open() {
    for workload in [workload(), full()] {
        let image = workload.image.digest().to_string();
        let files = Chart::new(workload).render().unwrap();
        let paths: BTreeSet<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths.len(), files.len());
        for file in &files {
            assert!(RenderedFile::is_ours(&file.text), "{}", file.path);
            for left in ["@", "mlci-slot-", "mlci-name", "zz:"] {
                // What is left of `@` is between repository and digest.
                let text = file.text.replace("%s@%s", "");
                assert!(!text.contains(left), "{left} is left in {}:\n{text}", file.path);
            }
            for of_one_release in [image.as_str(), "staging"] {
                assert!(!file.text.contains(of_one_release), "{of_one_release} is in {}:\n{}", file.path, file.text);
            }
        }
    }
}

#[test]
fn values_are_the_workloads() {
    let values = |workload| -> Value {
        let files = Chart::new(workload).render().unwrap();
        serde_saphyr::from_str(&text(&files, "values.yaml")).unwrap()
    };
    let full = full();
    let written = values(full.clone());
    for (pointer, value) in [
        ("/image/repository", full.image.name()),
        ("/resources/cpuLimit", "2"),
        ("/env/NUMBER", "08"),
        ("/env/SWITCH", "on"),
        ("/env/TEXT", "a: b # c\n- d"),
        ("/labels/team", "cellar"),
        ("/podAnnotations/prometheus.io~1scrape", "true"),
        ("/pullSecrets/0", "registry"),
    ] {
        assert_eq!(written.pointer(pointer).and_then(Value::as_str), Some(value), "{pointer} in {written:#}");
    }
    assert_eq!(written["replicas"], 2);
    assert_eq!(written["image"].get("digest"), None, "it is stated at every installation");
    assert_eq!(written["environment"], "", "the chart is that of every environment");
    let written = values(workload());
    for empty in ["env", "labels", "annotations", "podAnnotations"] {
        assert_eq!(written[empty], serde_json::json!({}), "{empty}");
    }
}

/// Each value has a line in the schema and the reverse, so that none is refused or goes unchecked.
#[test]
fn values_and_schema_have_the_same_keys() {
    let files = Chart::new(full()).render().unwrap();
    let schema: Value = serde_json::from_str(&text(&files, "values.schema.json")).unwrap();
    let values: Value = serde_saphyr::from_str(&text(&files, "values.yaml")).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let mut known = keys(&schema["properties"]);
    // A chart around this one hands these down.
    assert!(known.remove("global") && known.remove("enabled"));
    assert_eq!(known, keys(&values));
    for (table, more) in [("image", Some("digest")), ("resources", None), ("service", None)] {
        let mut known = keys(&schema["properties"][table]["properties"]);
        assert!(more.is_none_or(|key| known.remove(key)));
        assert_eq!(known, keys(&values[table]), "{table}");
    }
}

#[test]
fn what_fits_no_chart_is_named() {
    let refused = |change: fn(&mut Workload), says: &str| {
        let mut workload = workload();
        change(&mut workload);
        let error = Chart::new(workload).render().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    refused(|it| it.image = format!("reg:5000/wine:v1@{}", it.image.digest()).parse().unwrap(), "`reg:5000/wine:v1`");
    refused(|it| it.extra_labels.extend([("helm.sh/chart".to_owned(), String::new())]), "`helm.sh/chart`");
    refused(|it| it.port = 0, "`port`");
    refused(|it| it.network = Some(crate::Network::default()), "`network`");
    refused(|it| it.patches = crate::ManifestPatch::read("kind: Service").unwrap(), "`patches`");
}
