use super::*;

/// Something that is heard of one object.
type Event = Box<dyn Fn(&mut World)>;

fn sets_deployment(deployment: Deployment) -> Event {
    Box::new(move |world| world.deployment = Some(deployment.clone()))
}

fn adds_set(set: ReplicaSet) -> Event {
    Box::new(move |world| world.replica_sets.push(set.clone()))
}

fn puts(pod: Pod) -> Event {
    Box::new(move |world| {
        world.pods.retain(|it| it.metadata.name != pod.metadata.name);
        world.pods.push(pod.clone());
    })
}

fn removes(name: &'static str) -> Event {
    Box::new(move |world| world.pods.retain(|it| it.metadata.name.as_deref() != Some(name)))
}

/// Every way to interleave the events of several objects, each object's own in order. Returns how many there are.
fn interleavings<'a>(
    queues: &mut [&'a [Event]],
    path: &mut Vec<&'a Event>,
    visit: &mut impl FnMut(&[&Event]),
) -> usize {
    if queues.iter().all(|queue| queue.is_empty()) {
        visit(path);
        return 1;
    }
    let mut ways = 0;
    for index in 0..queues.len() {
        let Some((first, rest)) = queues[index].split_first() else { continue };
        let before = std::mem::replace(&mut queues[index], rest);
        path.push(first);
        ways += interleavings(queues, path, visit);
        path.pop();
        queues[index] = before;
    }
    ways
}

#[test]
fn a_rollout_is_done_at_the_last_event_in_every_order() {
    let deployments = [
        sets_deployment(deployment("new", 2, 1, [2, 2, 2])),
        sets_deployment(deployment("new", 2, 2, [3, 1, 2])),
        sets_deployment(deployment("new", 2, 2, [2, 2, 2])),
    ];
    let sets = [adds_set(replica_set("new", None))];
    let first = [puts(starting("a", "new")), puts(running("a", "new"))];
    let second = [puts(running("b", "new"))];
    let old = [puts(going(running("old-1", "old"))), removes("old-1")];
    let begin =
        world(deployment("old", 1, 1, [1, 1, 1]), vec![replica_set("old", None)], vec![running("old-1", "old")]);
    let mut queues: [&[Event]; 5] = [&deployments, &sets, &first, &second, &old];
    let orders = interleavings(&mut queues, &mut Vec::new(), &mut |events| {
        let mut world = begin.clone();
        let mut machine = machine();
        let mut done_at = None;
        for (number, event) in events.iter().enumerate() {
            event(&mut world);
            match machine.step(&world, Duration::from_secs(number as u64)) {
                State::Progress(_) => assert_eq!(done_at, None),
                State::Done(_) => done_at = done_at.or(Some(number)),
                State::Failed(finding) => panic!("{finding:?}"),
            }
        }
        // Nothing more is waited for than the end of a pod that is on its way out: that one event may come after it.
        assert!(done_at.is_some_and(|number| number + 2 >= events.len()), "{done_at:?}");
    });
    // 9! / (3! · 1! · 2! · 1! · 2!)
    assert_eq!(orders, 15120);
}

/// Back from `bad`, whose pods fail, to `new`, whose ReplicaSet and one pod are still there. While the events come in,
/// the failures of the bad version are still about, and so is the controller's word on its rollout.
#[test]
fn a_rollback_does_not_fail_by_what_it_leaves_behind_in_any_order() {
    let stale = |it| sets_deployment(with_condition(it, "Progressing", "ProgressDeadlineExceeded"));
    let backing_off = || waiting("bad-1", "bad", "ImagePullBackOff", NOT_FOUND, 0, &json!({}));
    let deployments = [
        stale(deployment("new", 2, 1, [3, 1, 2])),
        stale(deployment("new", 2, 2, [3, 2, 2])),
        sets_deployment(deployment("new", 2, 2, [2, 2, 2])),
    ];
    let bad = [puts(backing_off()), puts(going(backing_off())), removes("bad-1")];
    let good = [puts(starting("b", "new")), puts(running("b", "new"))];
    let pods = vec![running("a", "new"), waiting("bad-1", "bad", "ErrImagePull", NOT_FOUND, 0, &json!({}))];
    let sets = vec![replica_set("new", None), replica_set("bad", Some("exceeded quota"))];
    let begin = world(deployment("bad", 1, 1, [3, 1, 2]), sets, pods);
    let mut queues: [&[Event]; 3] = [&deployments, &bad, &good];
    let orders = interleavings(&mut queues, &mut Vec::new(), &mut |events| {
        let mut world = begin.clone();
        let mut machine = machine();
        let mut state = None;
        for (number, event) in events.iter().enumerate() {
            event(&mut world);
            state = Some(machine.step(&world, Duration::from_secs(number as u64)));
            assert!(!matches!(state, Some(State::Failed(_))), "{state:?}");
        }
        assert!(matches!(state, Some(State::Done(_))));
    });
    // 8! / (3! · 3! · 2!)
    assert_eq!(orders, 560);
}
