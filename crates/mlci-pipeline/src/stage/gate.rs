use mlci_artifact::Version;
use mlci_core::{Digest, Verdict};
use mlci_model::Model;
use mlci_train::{EvaluateError, EvaluateOptions, Evaluation, Evidence, GateOptions, GateReport, Limit};
use serde::{Deserialize, Serialize};

use super::{Stage, TrainOutput};
use crate::{
    config::{Gate, Leakage, canonical},
    error::{Context as _, Error, Outcome, Result, chain},
    pipeline::Pipeline,
    words::count,
};

/// The check of a comparison with the champion.
const CHAMPION: &str = "champion";

/// Compares the held-out metrics with the limits and with the champion's on the same rows.
pub(crate) struct GateStage<'p> {
    pub(crate) pipeline: &'p Pipeline,
    pub(crate) trained: &'p TrainOutput,
    /// The champion, where that is another model.
    pub(crate) champion: Option<&'p Version>,
    /// Whether this model is the champion itself.
    pub(crate) reigns: bool,
    pub(crate) data: Digest,
    /// Whether the store was asked for a champion.
    pub(crate) asked: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GateOutput {
    pub(crate) report: GateReport,
    pub(crate) champion: Option<Champion>,
}

/// The model to beat, and how it did on the rows that the challenger was held out on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Champion {
    pub(crate) version: u64,
    pub(crate) model: Digest,
    pub(crate) evaluation: Evaluation,
}

fn options(gate: &Gate, seed: u64) -> GateOptions {
    let limits = gate.limits.iter();
    GateOptions {
        limits: limits.map(|(name, limit)| Limit { metric: *name, min: limit.min, max: limit.max }).collect(),
        compare: gate.compare,
        margin: gate.margin,
        confidence: gate.confidence,
        min_rows: gate.min_rows,
        seed,
        leakage_fails: gate.leakage == Leakage::Fail,
        ..GateOptions::default()
    }
}

impl GateStage<'_> {
    /// How the champion does on the held-out rows. It may have been trained on some of them, after a change of the seed:
    /// that can only make it harder to beat. The inner error: it cannot be evaluated on this data.
    fn champion(&self, version: &Version) -> Result<std::result::Result<Champion, EvaluateError>> {
        let bytes = self.pipeline.block_on(self.pipeline.store().model_bytes(version))?;
        let model = Model::decode(&bytes)?;
        if !model.is_runnable() {
            let champion = format!("{}@{}", model.name(), version.number);
            let message =
                format!("the champion {champion} is an ONNX model, and mlci was built without the feature `onnx`");
            return Err(Error::invalid(message).help(
                "until another model is the champion, build it with that: `features = [\"onnx\"]` of mlci-pipeline in \
                 xtask/Cargo.toml, or cargo install mlci-pipeline --features onnx",
            ));
        }
        let held_out = self.pipeline.gathered_of(&self.data)?.gathered.held_out();
        let rows: Vec<usize> = (0..held_out.rows()).collect();
        let (seed, threshold) = (self.pipeline.config().train.seed, self.pipeline.config().gate.threshold);
        // Where the champion predicts the other class: the same probabilities, seen from the challenger's.
        let challenger = self.trained.load(self.pipeline)?;
        let positive = challenger.schema().target.levels.get(1).cloned();
        let options = EvaluateOptions { seed, threshold, positive, ..EvaluateOptions::default() };
        Ok(mlci_train::evaluate_with(&model, held_out, &rows, &options).map(|evaluation| Champion {
            version: version.number,
            model: version.model,
            evaluation,
        }))
    }

    /// Compares, whatever comes of it.
    pub(crate) fn compare(&self) -> Result<GateOutput> {
        let challenger = self.trained.evaluation(self.pipeline)?;
        let config = self.pipeline.config();
        let options = options(&config.gate, config.train.seed);
        let champion = self.champion.map(|version| self.champion(version)).transpose()?;
        let (champion, unusable) = match champion {
            Some(Ok(champion)) => (Some(champion), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let slices = match config.gate.slices.as_slice() {
            [] => Vec::new(),
            columns => {
                let gathered = &self.pipeline.gathered_of(&self.data)?.gathered;
                mlci_train::slices(gathered, columns).context(|| "the rows cannot be grouped".to_owned())?
            }
        };
        let mut report = mlci_train::gate_with(
            &options,
            &Evidence {
                challenger: &challenger,
                champion: champion.as_ref().map(|champion| &champion.evaluation),
                slices: &slices,
                leaks: &self.trained.leaks,
            },
        );
        if let Some(error) = unusable {
            // There is a champion, and nothing is known of how it compares.
            say_uncompared(&mut report, "the champion cannot be evaluated on this data");
            let promote = format!("promote MODEL@VERSION --to {}", config.gate.champion);
            let way_out = match error {
                EvaluateError::Columns { .. } => "keep its columns in the data, or name another",
                _ => "name another",
            };
            for check in report.checks.iter_mut().filter(|check| check.name == CHAMPION) {
                check.verdict = Some(Verdict::NoData);
                check.explanation = format!(
                    "the champion cannot be evaluated on this data ({}); {way_out}: {}",
                    chain(&error).join(": "),
                    self.pipeline.command_line(&promote)
                );
            }
            report.verdict = Verdict::all(report.checks.iter().filter_map(|check| check.verdict));
        }
        Ok(GateOutput { report, champion })
    }

    fn inputs_against(&self, champion: &str) -> Digest {
        Digest::builder()
            .part(self.trained.model.as_bytes())
            .part(self.data.as_bytes())
            .part(canonical(&self.pipeline.config().gate).as_bytes())
            .part(self.pipeline.code().as_bytes())
            .part(champion)
            .finish()
    }

    /// Notes that the model passed for the day when it is the champion itself: it is not compared then, and what it
    /// passed once it passed.
    pub(crate) fn remember(&self, output: &GateOutput) -> Result<()> {
        let inputs = self.inputs_against("itself");
        if self.reigns || self.pipeline.journal().get::<GateOutput>(self.name(), &inputs)?.is_some() {
            return Ok(());
        }
        self.pipeline.journal().put(self.name(), &inputs, 0.0, output)
    }

    /// Says why there was no comparison, where the reason is not that there is no champion.
    pub(crate) fn explain(&self, mut output: GateOutput) -> GateOutput {
        if self.reigns && output.champion.is_none() {
            say_uncompared(&mut output.report, "this model is the champion");
        }
        if !self.asked {
            say_uncompared(&mut output.report, "the store was not asked");
        }
        output
    }
}

/// Says why nothing was compared with a champion, where the library knows only that there was none to compare with.
fn say_uncompared(report: &mut GateReport, why: &str) {
    let checks = report.checks.iter_mut().filter(|check| [CHAMPION, "slice"].contains(&check.name.as_str()));
    let checks = checks.filter(|check| check.verdict.is_none());
    checks.for_each(|check| check.explanation = format!("not applicable: {why}"));
}

/// Whether it is for want of held-out rows alone that something is left open.
fn wants_rows(report: &GateReport, rows: usize, min_rows: usize) -> bool {
    let mut open = report.checks.iter().filter(|check| check.verdict == Some(Verdict::NoData));
    // With a comparison the interval is there, and straddles the margin.
    rows < min_rows || open.all(|check| check.name == CHAMPION && report.comparison.is_some())
}

impl Stage for GateStage<'_> {
    type Output = GateOutput;

    fn name(&self) -> &'static str {
        "gate"
    }

    fn inputs(&self) -> Result<Digest> {
        Ok(match self.champion {
            _ if self.reigns => self.inputs_against("itself"),
            Some(version) => self.inputs_against(&version.model.to_string()),
            None => self.inputs_against("nobody"),
        })
    }

    fn holds(&self, _: &GateOutput) -> Result<bool> {
        Ok(true)
    }

    fn work(&self) -> Result<GateOutput> {
        let output = self.compare()?;
        self.pipeline.seen_gate(&output);
        if output.report.verdict.is_pass() {
            return Ok(output);
        }
        let reasons: Vec<String> = output
            .report
            .checks
            .iter()
            .filter(|check| check.verdict.is_some_and(|verdict| !verdict.is_pass()))
            .map(|check| format!("{}: {}", check.name, check.explanation))
            .collect();
        let (rows, min_rows) = (self.trained.test.rows, self.pipeline.config().gate.min_rows);
        let (message, help) = match output.report.verdict {
            Verdict::NoData if !wants_rows(&output.report, rows, min_rows) => (
                "the gate cannot decide whether to let the model pass",
                "the reasons say what is missing: more held-out rows alone need not decide",
            ),
            Verdict::NoData => (
                "the gate has too little data to let the model pass",
                "more held-out rows decide: raise [train] test_fraction, or add data",
            ),
            _ => ("the gate refuses the model", "the report shows the numbers; [gate] states the limits"),
        };
        Err(Error::new(Outcome::Refused, message).because_of(reasons).help(help))
    }

    fn note(&self, output: &GateOutput) -> String {
        let applied = output.report.checks.iter().filter(|check| check.verdict.is_some()).count();
        let against = match &output.champion {
            Some(champion) if self.reigns => {
                format!("the champion itself, compared with version {} before", champion.version)
            }
            Some(champion) => format!("champion: version {}", champion.version),
            None if self.reigns => "this model is the champion".to_owned(),
            None if !self.asked => "the store was not asked for a champion".to_owned(),
            None => "no champion yet".to_owned(),
        };
        format!("{} {}, {against}", count(applied as u64, "check"), output.report.verdict)
    }
}
