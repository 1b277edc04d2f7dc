use super::*;

/// Each of these lacks one thing of a rollout that is done.
#[test]
fn done_takes_everything() {
    let done = || {
        let pods = vec![running("a", "new"), running("b", "new"), going(running("old-1", "old"))];
        world(deployment("new", 2, 2, [2, 2, 2]), vec![replica_set("old", None), replica_set("new", None)], pods)
    };
    assert!(matches!(machine().step(&done(), Duration::ZERO), State::Done(_)));
    type Change = fn(&mut World);
    let changes: [(&str, Change); 9] = [
        ("the generation applied", |it| it.deployment = Some(deployment("old", 1, 1, [2, 2, 2]))),
        ("the generation observed", |it| it.deployment = Some(deployment("new", 2, 1, [2, 2, 2]))),
        ("all pods updated", |it| it.deployment = Some(deployment("new", 2, 2, [2, 1, 2]))),
        ("no old pod in the numbers", |it| it.deployment = Some(deployment("new", 2, 2, [3, 2, 2]))),
        ("all pods available", |it| it.deployment = Some(deployment("new", 2, 2, [2, 2, 1]))),
        ("the new ReplicaSet", |it| it.replica_sets.truncate(1)),
        ("every pod", |it| drop(it.pods.remove(0))),
        ("every pod ready", |it| {
            it.pods[0] = pod("a", "new", false, json!({ "restartCount": 0, "state": { "running": {} } }));
        }),
        ("every old pod on its way out", |it| it.pods[2] = running("old-1", "old")),
    ];
    for (missing, change) in changes {
        let mut world = done();
        change(&mut world);
        assert!(matches!(machine().step(&world, Duration::ZERO), State::Progress(_)), "without {missing}");
    }
}

#[test]
fn no_pods_are_done_when_none_are_wanted() {
    let mut none = deployment("new", 2, 2, [0, 0, 0]);
    none.spec.as_mut().unwrap().replicas = Some(0);
    let state = machine().step(&world(none, vec![replica_set("new", None)], vec![]), Duration::ZERO);
    assert!(matches!(state, State::Done(_)));
}

/// Its pods have the labels that the others have too.
#[test]
fn a_canary_is_no_part_of_it() {
    let mut set = replica_set("canary", None);
    set.metadata.owner_references.as_mut().unwrap()[0].uid = "another deployment".to_owned();
    let pods = vec![running("a", "new"), running("b", "new"), running("c", "canary")];
    let world = world(deployment("new", 2, 2, [2, 2, 2]), vec![replica_set("new", None), set], pods);
    let State::Done(progress) = machine().step(&world, Duration::ZERO) else { panic!("it is done") };
    assert_eq!((progress.ready, progress.old), (2, 0));
}
