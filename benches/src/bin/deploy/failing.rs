//! From a fault that shows in the cluster to the exit of whoever waits for the rollout.

use mlci_core::Digest;
use serde_json::{Value, json};

use crate::{
    Result, image,
    kubectl::{Namespace, Watch, joined, kubectl, timed},
    ours::Plan,
};

const RUNS: usize = 3;

pub(crate) struct Fault {
    name: &'static str,
    /// The cluster's words for it, the first of which is the moment that counts.
    states: &'static [&'static str],
    /// What ours has to name.
    says: &'static [&'static str],
    argument: Option<&'static str>,
    cpu: &'static str,
    image_is_there: bool,
}

pub(crate) const CASES: [Fault; 3] = [
    Fault {
        name: "bad-image",
        states: &["ErrImagePull", "ImagePullBackOff"],
        says: &["pod `wine-", "container `server`", "not found", "check that the image was pushed"],
        argument: None,
        cpu: "10m",
        image_is_there: false,
    },
    Fault {
        name: "crash-loop",
        states: &["CrashLoopBackOff"],
        says: &["pod `wine-", "container `server`", "exit code 7", "log: the model cannot be loaded"],
        argument: Some("exit"),
        cpu: "10m",
        image_is_there: true,
    },
    Fault {
        name: "unschedulable",
        states: &["Unschedulable"],
        says: &["pod `wine-", "Insufficient cpu", "add a node"],
        argument: None,
        cpu: "10000",
        image_is_there: true,
    },
];

pub(crate) fn measure(fault: &Fault) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let (our, their) = once(fault, run)?;
        ours.push(our);
        theirs.push(their);
    }
    println!("{}", json!({ "case": fault.name, "peer": "kubectl rollout status", "ours": ours, "theirs": theirs }));
    Ok(())
}

/// Both wait for the same Deployment at the same time.
fn once(fault: &Fault, run: usize) -> Result<(f64, f64)> {
    let namespace = Namespace::make(fault.name, run)?;
    let image = if fault.image_is_there {
        image::push("v1").to_string()
    } else {
        format!("{}/mlci-k8s-test:nope@{}", image::registry(), Digest::of(b"nope"))
    };
    let plan = Plan { namespace: namespace.0.clone(), image, argument: fault.argument, cpu: fault.cpu, replicas: 1 };
    let watch = Watch::of("pods", &namespace.0)?;
    let ours = timed(plan.command()?);
    let first = std::cell::RefCell::new(None);
    watch.when("a pod", |pod| {
        *first.borrow_mut() = Some(pod.clone());
        true
    })?;
    let mut status = kubectl(&namespace.0)?;
    status.args(["rollout", "status", "deployment/wine"]);
    let theirs = timed(status);
    let moment = std::time::Instant::now();
    // The first state of the pod may be the one already.
    let shown = if first.borrow().as_ref().is_some_and(|pod| shows(pod, fault.states)) {
        moment
    } else {
        watch.when(fault.name, |pod| shows(pod, fault.states))?
    };
    let (_, ended, output) = joined(ours)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() || !fault.says.iter().all(|words| said.contains(words)) {
        return Err(format!("{}: ours ended with {} and said: {said}", fault.name, output.status).into());
    }
    let (_, their_end, output) = joined(theirs)?;
    let their_words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Err(format!("{}: kubectl took it for a success", fault.name).into());
    }
    let after = |end: std::time::Instant| end.saturating_duration_since(shown).as_secs_f64();
    eprintln!(
        "{} {run}: ours after {:.2} s; kubectl after {:.2} s: {}",
        fault.name,
        after(ended),
        after(their_end),
        their_words.trim()
    );
    if run == 0 {
        eprintln!("{said}");
    }
    Ok((after(ended), after(their_end)))
}

fn shows(pod: &Value, states: &[&str]) -> bool {
    let list = |key: &str| pod["status"][key].as_array().into_iter().flatten();
    let waits = list("containerStatuses").filter_map(|status| status["state"]["waiting"]["reason"].as_str());
    let scheduled = list("conditions").filter(|it| it["status"] == "False").filter_map(|it| it["reason"].as_str());
    waits.chain(scheduled).any(|state| states.contains(&state))
}
