//! What a command came to, pushed to a Pushgateway when it is over. Nobody waits for it for long, and nothing fails for it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use mlci_core::Label;
use mlci_monitor::push::{Gauges, Group, Pushgateway};

use crate::{
    end::Ending,
    error::{Context as _, Error, Outcome, Result},
    pipeline::Pipeline,
};

/// How long a command waits for the gateway.
const LIMIT: Duration = Duration::from_secs(2);

impl Pipeline {
    /// Pushes how a command ended, if the configuration names a Pushgateway. `environment`: the one that it was about.
    pub(crate) fn push_along(
        &self,
        command: &str,
        environment: Option<&Label>,
        ending: &Ending,
        failure: Option<&Error>,
        started: Instant,
    ) {
        let Some(address) = self.config().monitor.pushgateway.as_deref() else { return };
        let verdict = failure.map_or(Outcome::Pass, |error| error.outcome);
        let gauges = self.gauges(ending, verdict, started);
        if let Err(error) = self.push(address, command, environment, &gauges) {
            let causes = error.causes();
            let why = if causes.is_empty() { String::new() } else { format!(": {}", causes.join(": ")) };
            self.warn(format!("{error}{why}; nothing else is missing, and the next command pushes again"));
        }
    }

    fn push(&self, address: &str, command: &str, environment: Option<&Label>, gauges: &Gauges) -> Result<()> {
        let lost = || "the Pushgateway has not heard of this".to_owned();
        let gateway = Pushgateway::new(address).context(lost)?.timeout(LIMIT);
        let gateway = gateway.variables(|name| std::env::var(name).ok()).context(lost)?;
        let mut group =
            Group::new("mlci").label("project", self.config().project.name.as_str()).label("command", command);
        group = group.label("branch", self.branch());
        if let Some(environment) = environment {
            group = group.label("environment", environment.as_str());
        }
        self.block_on(gateway.push(&group, gauges)).context(lost)
    }

    /// The configured branch, or `other`: a gateway keeps every group for ever, so branches must not make them.
    fn branch(&self) -> &str {
        let wanted = self.config().ci.branch.as_str();
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let names = ["GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BRANCH_NAME", "CIRCLE_BRANCH"];
        let branch = names.into_iter().find_map(variable).or_else(|| crate::source::branch(self.root()));
        if branch.is_none_or(|branch| branch == wanted) { wanted } else { "other" }
    }

    fn gauges(&self, ending: &Ending, verdict: Outcome, started: Instant) -> Gauges {
        let mut gauges = Gauges::default();
        let now = Timestamp::now().as_millisecond() as f64 / 1000.0;
        let help = "How long the command took";
        gauges.set("mlci_run_duration_seconds", help, &[], started.elapsed().as_secs_f64());
        gauges.set("mlci_run_timestamp_seconds", "When the command ended", &[], now);
        if verdict == Outcome::Pass {
            // Pushed only then, so that the gateway keeps the last one through failures.
            gauges.set("mlci_run_success_timestamp_seconds", "When the command last ended with `pass`", &[], now);
        }
        for outcome in Outcome::ALL {
            let value = if outcome == verdict { 1.0 } else { 0.0 };
            gauges.set("mlci_run_verdict", "1 for how the command ended", &[("verdict", outcome.as_str())], value);
        }
        for stage in &ending.stages {
            let help = "How long each stage took";
            gauges.set("mlci_run_stage_duration_seconds", help, &[("stage", stage.name.as_str())], stage.seconds);
        }
        if let Some(version) = ending.model.as_ref().and_then(|model| model.version) {
            gauges.set(
                "mlci_run_model_version",
                "The version of the model that the command was about",
                &[],
                version as f64,
            );
        }
        if let Some(trained) = self.known().trained {
            let held_out = &trained.test;
            let mut metric = |name: &str, value: f64| {
                let help = "Metrics of the model on the rows that were held out";
                gauges.set("mlci_run_held_out", help, &[("metric", name)], value);
            };
            for telling in held_out.telling() {
                if let Some(value) = held_out.get(*telling) {
                    metric(telling.as_str(), value);
                }
            }
        }
        gauges
    }
}
