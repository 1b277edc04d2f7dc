//! `pause`, `resume` and `abort` in a real cluster.

use crate::{
    on_cluster::OnCluster,
    project::{Project, Watched, eventually},
};

fn held(on: &OnCluster) {
    let project = &on.project;
    let first = project.pass(&["ci"]);
    let (one, image) = (first.text("/image/pushed"), &first.value["image"]["digest"]);

    // Paused before it begins: nothing is deployed over it, and the way on is named.
    let paused = project.pass(&["pause", "staging"]);
    assert!(paused.value["environments"][0]["status"] == "verified", "{:#}", paused.value);
    project.configure("seed = 42", "seed = 43");
    let refused = project.run(&["ci"]);
    assert_eq!(refused.code, 1, "{:#}", refused.value);
    assert!(refused.error().contains("is paused by somebody") && refused.error().contains("resume staging"));
    assert_eq!(on.images(0), [one], "nothing was changed");
    project.pass(&["resume", "staging"]);

    // Paused on its way: who waits is told; resumed, it goes on, and a deployment verifies and records it.
    let deploys = on.under_way("ci");
    project.pass(&["pause", "staging"]);
    let told = deploys.end();
    assert_eq!(told.code, 1, "{:#}", told.value);
    assert!(told.error().contains("resume staging") && told.error().contains("abort staging"), "{}", told.error());
    assert_eq!(project.pass(&["status"]).environment("staging")["status"], "drifted");
    let resumed = project.pass(&["resume", "staging"]);
    let two = told.value["image"]["pushed"].as_str().unwrap();
    eventually("both pods of the second", || on.images(0) == [two]);
    assert_eq!(resumed.code, 0);

    // Given up by somebody else, once it has been paused again.
    project.pass(&["pause", "staging"]);
    let aborted = project.pass(&["abort", "staging", "--reason", "it smells"]);
    let staging = aborted.environment("staging");
    assert_eq!((&staging["status"], &staging["image_digest"]), (&"verified".into(), image), "{:#}", aborted.value);
    eventually("the first alone", || on.images(0) == [one]);
    let passed = project.pass(&["ci"]);
    assert_eq!(passed.environment("staging")["status"], "rejected", "{:#}", passed.value);
    let again = project.run(&["abort", "staging"]);
    assert!(again.code == 2 && again.error().contains("nothing to give up"), "{}", again.error());

    // Given up while it is on its way, by a command that is killed and called again.
    let deploys = on.under_way("deploy");
    let mut aborts = project.start(&["abort", "staging"]);
    let seen = aborts.until(|event| event["event"] == "progress" || event["event"] == "finished").unwrap();
    assert_eq!(seen["event"], "progress", "{seen:#}");
    aborts.kill();
    let told = deploys.end();
    assert_eq!(told.code, 1, "{:#}", told.value);
    // It may have done all that it had to before it was killed.
    let again = project.run(&["abort", "staging"]);
    assert!(again.code == 0 || again.error().contains("nothing to give up"), "{:#}", again.value);
    eventually("the first alone", || on.images(0) == [one]);
    let status = project.pass(&["status"]);
    assert_eq!(status.environment("staging")["image_digest"], *image);
    let trace = project.pass(&["trace", "staging"]).value.to_string();
    assert!(trace.contains("it smells"), "{trace}");
}

/// Stops a process, or lets it go on.
fn signal(watched: &Watched, name: &str) {
    let pid = watched.child.id().to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// Two checkouts with one store: the older commit has read the log, and comes to the cluster only after the newer one was
/// verified and recorded. Its record is refused, and what the log says serves again.
fn late(on: &OnCluster) {
    let one = &on.project;
    let store = format!("[artifact]\nstore = \"{}\"\n\n[data]", one.path("store").display());
    one.configure("[data]", &store);
    let first = one.pass(&["ci"]);
    let two = Project::with(&one.read("mlci.toml"));
    one.configure("seed = 42", "seed = 43");
    one.pass(&["ci", "--stage", "..image"]);
    let mut older = one.start(&["ci"]);
    assert!(older.until(|event| event["event"] == "stage_started" && event["name"] == "deploy").is_some());
    signal(&older, "-STOP");
    assert_eq!(on.images(0), [first.text("/image/pushed")], "it has not come to the cluster yet");

    two.configure("seed = 42", "seed = 44");
    let newer = two.pass(&["ci"]);
    assert_eq!(newer.environment("staging")["status"], "verified", "{:#}", newer.value);
    signal(&older, "-CONT");
    let older = older.end();
    assert_eq!(older.code, 1, "{:#}", older.value);
    let error = older.error();
    assert!(error.contains("somebody else changed `staging`") && error.contains("serves again"), "{error}");
    eventually("the newer one alone", || on.images(0) == [newer.text("/image/pushed")]);
    for project in [one, &two] {
        let status = project.pass(&["status"]);
        let staging = status.environment("staging");
        assert_eq!(
            (&staging["status"], &staging["image_digest"]),
            (&"verified".into(), &newer.value["image"]["digest"])
        );
    }
    let aliases = two.pass(&["models"]).value["result"].to_string();
    assert!(aliases.contains("staging"), "{aliases}");
}

/// A rollback that has written its rejection, and comes to the cluster only after a newer release was recorded.
#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn a_rollback_that_comes_late_gives_way() {
    let on = OnCluster::new();
    let one = &on.project;
    let store = format!("[artifact]\nstore = \"{}\"\n\n[data]", one.path("store").display());
    one.configure("[data]", &store);
    one.pass(&["ci"]);
    one.configure("seed = 42", "seed = 43");
    let second = one.pass(&["ci"]);
    let two = Project::with(&one.read("mlci.toml"));
    two.configure("seed = 43", "seed = 44");
    two.pass(&["ci", "--stage", "..image"]);

    let entries = || {
        let folder = std::fs::read_dir(one.path("store/logs/projects/wine/environments/staging")).unwrap();
        folder.flatten().filter(|entry| entry.path().extension().is_some_and(|ending| ending == "json")).count()
    };
    let before = entries();
    let back = one.start(&["rollback", "staging"]);
    while entries() == before {
        std::hint::spin_loop();
    }
    signal(&back, "-STOP");
    assert_eq!(on.images(0), [second.text("/image/pushed")], "it has not come to the cluster yet");
    let newer = two.pass(&["ci"]);
    assert_eq!(newer.environment("staging")["status"], "verified", "{:#}", newer.value);
    signal(&back, "-CONT");
    let back = back.end();
    assert_eq!(back.code, 1, "{:#}", back.value);
    let error = back.error();
    assert!(error.contains("somebody else changed `staging`") && error.contains("serves again"), "{error}");
    eventually("the newer one alone", || on.images(0) == [newer.text("/image/pushed")]);
    let status = one.pass(&["status"]);
    let staging = status.environment("staging");
    assert_eq!((&staging["status"], &staging["image_digest"]), (&"verified".into(), &newer.value["image"]["digest"]));
}

#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn an_older_commit_that_comes_late_gives_way() {
    late(&OnCluster::new());
}

#[test]
#[ignore = "needs Helm and a Kubernetes cluster: cargo xtask test --lab helm kubernetes"]
fn an_older_commit_that_comes_late_by_helm_gives_way() {
    late(&OnCluster::by_helm());
}

#[test]
#[ignore = "needs a Kubernetes cluster: cargo xtask test --lab kubernetes"]
fn a_rollout_is_paused_resumed_and_given_up() {
    held(&OnCluster::new());
}

#[test]
#[ignore = "needs Helm and a Kubernetes cluster: cargo xtask test --lab helm kubernetes"]
fn a_rollout_of_helms_is_paused_resumed_and_given_up() {
    held(&OnCluster::by_helm());
}
