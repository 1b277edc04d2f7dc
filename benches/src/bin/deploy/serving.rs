//! What a deployment that goes well costs beside the cluster's own time, and how long the way back takes.

use serde_json::{Value, json};

use crate::{
    Result, image,
    kubectl::{Namespace, Watch, joined, kubectl, succeed, timed},
    ours::Plan,
};

const RUNS: usize = 3;
const REPLICAS: u32 = 2;

#[derive(Default)]
struct Figures {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Figures {
    fn print(&self, case: &str, peer: &str) {
        println!("{}", json!({ "case": case, "peer": peer, "ours": self.ours, "theirs": self.theirs }));
    }
}

pub(crate) fn measure() -> Result<()> {
    let images = [image::push("v1").to_string(), image::push("v2").to_string()];
    let (mut overhead, mut back) = (Figures::default(), Figures::default());
    for run in 0..RUNS {
        let namespace = Namespace::make("ours", run)?;
        let plan = |version: usize| Plan {
            namespace: namespace.0.clone(),
            image: images[version].clone(),
            argument: None,
            cpu: "10m",
            replicas: REPLICAS,
        };
        overhead.ours.push(beside_the_cluster(&namespace, &plan(0), false)?);
        expect(plan(1).command()?, "v2")?;
        back.ours.push(expect(plan(0).command()?, "v1")?);

        let namespace = Namespace::make("theirs", run)?;
        let plan = |version: usize| Plan { namespace: namespace.0.clone(), ..plan(version) };
        overhead.theirs.push(beside_the_cluster(&namespace, &plan(0), true)?);
        succeed(&mut applies(&namespace, &plan(1))?)?;
        let mut undo = shell(&namespace, "kubectl rollout undo deployment/wine")?;
        let started = std::time::Instant::now();
        succeed(&mut undo)?;
        back.theirs.push(started.elapsed().as_secs_f64());
        eprintln!(
            "serving {run}: overhead {:.2?} and {:.2?} s, way back {:.2?} and {:.2?} s",
            overhead.ours.last(),
            overhead.theirs.last(),
            back.ours.last(),
            back.theirs.last()
        );
    }
    overhead.print("apply-to-verified", "kubectl apply, rollout status");
    back.print("rollback", "kubectl rollout undo, status");
    Ok(())
}

/// How much longer it takes than the cluster does from the Deployment's appearance to its last ready pod.
fn beside_the_cluster(namespace: &Namespace, plan: &Plan, theirs: bool) -> Result<f64> {
    let watch = Watch::of("deployments", &namespace.0)?;
    let run = timed(if theirs { applies(namespace, plan)? } else { plan.command()? });
    let made = watch.when("the Deployment", |_| true)?;
    let ready = watch.when("the last ready pod", is_complete)?;
    let (start, end, output) = joined(run)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let cluster = ready.saturating_duration_since(made);
    Ok(end.saturating_duration_since(start).saturating_sub(cluster).as_secs_f64())
}

fn is_complete(deployment: &Value) -> bool {
    let status = &deployment["status"];
    let all = |key: &str| status[key] == REPLICAS;
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && all("replicas")
        && all("updatedReplicas")
        && all("availableReplicas")
}

/// The same objects, by kubectl.
fn applies(namespace: &Namespace, plan: &Plan) -> Result<std::process::Command> {
    let file = std::env::temp_dir().join(format!("{}.yaml", namespace.0));
    std::fs::write(&file, plan.workload()?.render_yaml()?)?;
    shell(namespace, &format!("kubectl apply --server-side --filename {} && rm {0}", file.display()))
}

/// A command of kubectl, and then the wait for what came of it.
fn shell(namespace: &Namespace, command: &str) -> Result<std::process::Command> {
    let words: Vec<String> =
        kubectl(&namespace.0)?.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let with = format!("kubectl {}", words.join(" "));
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("{} && {with} rollout status deployment/wine", command.replacen("kubectl", &with, 1))]);
    Ok(shell)
}

/// The time that a deployment of ours takes, which has to end with this version behind the Service.
fn expect(mut command: std::process::Command, version: &str) -> Result<f64> {
    let started = std::time::Instant::now();
    let output = succeed(&mut command)?;
    let took = started.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stdout);
    if said.trim() == version { Ok(took) } else { Err(format!("`{said}` serves, and not {version}").into()) }
}
