//! Rules that the systems' own checkers miss, looked up in what was rendered.

use std::collections::{BTreeMap, BTreeSet};

use mlci_workflows::{Pipeline, System, Trigger};
use serde_norway::Value;

use crate::sample;

fn document(pipeline: &Pipeline, system: System) -> Value {
    serde_norway::from_str(&sample::text(pipeline, system)).unwrap()
}

fn words(value: &Value) -> Vec<String> {
    let list = value.as_sequence().cloned().unwrap_or_default();
    list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Names of the jobs of a workflow with what each `requires`; CircleCI's own parser and schema take any name there.
fn circle_uses(document: &Value) -> BTreeMap<String, Value> {
    let uses = document["workflows"]["mlci"]["jobs"].as_sequence().unwrap();
    let entry = |item: &Value| match item {
        Value::String(name) => (name.clone(), Value::Null),
        map => map
            .as_mapping()
            .unwrap()
            .iter()
            .map(|(name, node)| (name.as_str().unwrap().to_owned(), node.clone()))
            .next()
            .unwrap(),
    };
    uses.iter().map(entry).collect()
}

/// All that must come before a job; fails for an unknown name or a circle.
fn before(uses: &BTreeMap<String, Value>, job: &str, path: &mut Vec<String>) -> BTreeSet<String> {
    assert!(!path.iter().any(|earlier| earlier == job), "a circle: {path:?} {job}");
    path.push(job.to_owned());
    let mut all = BTreeSet::new();
    for need in words(&uses.get(job).unwrap_or_else(|| panic!("{job} is unknown"))["requires"]) {
        all.extend(before(uses, &need, path));
        all.insert(need);
    }
    path.pop();
    all
}

#[test]
fn circleci_requires_known_jobs_without_circles_and_gates_what_waits() {
    for pipeline in [sample::full(), sample::least()] {
        let document = document(&pipeline, System::CircleCi);
        let uses = circle_uses(&document);
        for (name, node) in &uses {
            let known = ["type", "requires", "context", "serial-group", "filters"];
            let keys = node.as_mapping().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
            assert!(keys.iter().all(|key| known.contains(&key.as_str().unwrap())), "{name}: {keys:?}");
            let approval = node["type"] == "approval";
            assert_ne!(approval, document["jobs"].get(name.as_str()).is_some(), "{name} is defined, or waits");
            before(&uses, name, &mut Vec::new());
        }
        for job in &pipeline.jobs {
            let earlier = before(&uses, job.name.as_str(), &mut Vec::new());
            assert!(job.needs.iter().all(|need| earlier.contains(need.as_str())), "{}", job.name);
            let waits = job.environment.as_ref().is_some_and(|environment| environment.approval);
            let gates = earlier.iter().filter(|name| uses[name.as_str()]["type"] == "approval");
            assert_eq!(gates.count() > 0, waits, "{}", job.name);
        }
    }
}

/// What a job of each system is told about its branch, its gate, its lock and its secrets.
#[test]
fn only_the_default_branch_deploys_and_sees_secrets() {
    let pipeline = sample::full();
    let (github, gitlab) = (document(&pipeline, System::GitHub), document(&pipeline, System::GitLab));
    let circleci = circle_uses(&document(&pipeline, System::CircleCi));
    for job in &pipeline.jobs {
        let name = job.name.as_str();
        let trusted = job.trigger == Trigger::DefaultBranch;
        let node = &github["jobs"][name];
        assert_eq!(node["if"].as_str().is_some_and(|condition| condition.contains("'push'")), trusted, "{name}");
        let secrets = |text: &str| {
            pipeline.jobs.iter().flat_map(|job| &job.secrets).filter(|s| text.contains(&format!("secrets.{s}"))).count()
        };
        let text = serde_norway::to_string(node).unwrap();
        assert_eq!(secrets(&text), job.secrets.len(), "{text}");
        assert!(node["timeout-minutes"].as_u64() == Some(job.timeout_minutes.into()));

        let rules = gitlab[name]["rules"].as_sequence().unwrap();
        let for_merge_requests = rules.iter().any(|rule| rule["if"].as_str().unwrap().contains("merge_request_event"));
        assert_ne!(for_merge_requests, trusted, "{name}");
        assert_eq!(words(&circleci[name]["filters"]["branches"]["only"]), if trusted { vec!["main"] } else { vec![] });
        assert_eq!(words(&circleci[name]["context"]).len(), usize::from(!job.secrets.is_empty()), "{name}");

        let Some(environment) = &job.environment else { continue };
        let environment_name = environment.name.as_str();
        assert_eq!(node["environment"]["name"], environment_name);
        assert_eq!(gitlab[name]["environment"]["name"], environment_name);
        assert_eq!(gitlab[name]["resource_group"].as_str(), Some(&*format!("wine-quality-{environment_name}")));
        assert_eq!(circleci[name]["serial-group"].as_str(), Some(&*format!("wine-quality/{environment_name}")));
        assert_eq!(node["concurrency"]["cancel-in-progress"], false);
        let manual = rules.iter().all(|rule| rule["when"] == "manual" && rule["allow_failure"] == false);
        assert_eq!(manual, environment.approval, "{name}");
    }
    assert_eq!(github["permissions"], serde_norway::from_str::<Value>("contents: read").unwrap());
}

/// A job that needs another gets what it hands over, by the same name, at the same place.
#[test]
fn what_is_handed_over_is_taken_over() {
    let pipeline = sample::full();
    let (github, circleci) = (document(&pipeline, System::GitHub), document(&pipeline, System::CircleCi));
    let uploads = |job: &str, what: &str, key: &str| -> Vec<String> {
        let steps = github["jobs"][job]["steps"].as_sequence().unwrap().clone();
        let chosen = steps.into_iter().filter(|step| step["uses"].as_str().is_some_and(|uses| uses.contains(what)));
        chosen.map(|step| step["with"][key].as_str().unwrap().to_owned()).collect()
    };
    for job in &pipeline.jobs {
        let name = job.name.as_str();
        let has = |step: &str| {
            circleci["jobs"][name]["steps"].as_sequence().unwrap().iter().any(|node| node.get(step).is_some())
        };
        assert_eq!(has("attach_workspace"), !job.needs.is_empty(), "{name}");
        for need in &job.needs {
            let [taken] = &uploads(name, "download-artifact", "name")[..] else { panic!("{name} takes one") };
            assert!(uploads(need.as_str(), "upload-artifact", "name").contains(taken), "{name} takes {taken}");
            assert_eq!(uploads(name, "download-artifact", "path"), [".mlci"]);
            let giver = circleci["jobs"][need.as_str()]["steps"].as_sequence().unwrap();
            assert!(giver.iter().any(|node| node.get("persist_to_workspace").is_some()), "{need} gives");
        }
    }
}
