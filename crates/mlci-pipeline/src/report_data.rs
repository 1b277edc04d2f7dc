//! Collects what a report shows, and writes it: one for each run, and the newest.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use jiff::Timestamp;
use mlci_core::{FileError, write_atomic};
use mlci_model::{Estimator, Model};
use mlci_track::{RunSummary, Status};
use mlci_train::{Evaluation, Metric};

use crate::{
    GENERATOR,
    end::Ending,
    error::{Error, Outcome, Result},
    event::{EnvironmentStatus, ErrorEnd, RunRef},
    pipeline::{Known, Pipeline},
    report::{self, Champion, Classes, Coefficient, HistoryPoint, Link, MetricRow, Report, Scatter},
};

/// How many runs the history goes back.
const HISTORY: usize = 50;

/// Writes the report of this command and returns the newest's path, relative to the configuration.
pub(crate) fn write(pipeline: &Pipeline, ending: &Ending, error: Option<&Error>, started: Instant) -> Result<String> {
    let report = collect(pipeline, ending, error, started)?;
    let (html, markdown) = (pipeline.redact(report::html(&report)), pipeline.redact(report::markdown(&report)));
    let folder = pipeline.workdir().report();
    if let Some(run) = &report.run {
        let own = folder.join("runs").join(run);
        write_atomic(&own.join("index.html"), html.as_bytes())?;
        write_atomic(&own.join("report.md"), markdown.as_bytes())?;
        point(&folder.join("latest"), &Path::new("runs").join(run))?;
    }
    write_atomic(&folder.join("index.html"), html.as_bytes())?;
    write_atomic(&folder.join("report.md"), markdown.as_bytes())?;
    Ok(shown(pipeline, &folder.join("index.html")))
}

/// The newest report, if there is one.
pub(crate) fn existing(pipeline: &Pipeline) -> Option<String> {
    let path = pipeline.workdir().report().join("index.html");
    path.is_file().then(|| shown(pipeline, &path))
}

fn shown(pipeline: &Pipeline, path: &Path) -> String {
    let inside = path.strip_prefix(pipeline.workdir().root()).unwrap_or(path);
    let whole = pipeline.root().join(crate::workdir::FOLDER).join(inside);
    whole.strip_prefix(".").unwrap_or(&whole).display().to_string()
}

/// Makes a link point elsewhere, without a moment in which it is missing.
fn point(link: &Path, target: &Path) -> Result<()> {
    let new = link.with_file_name(".latest.tmp");
    mlci_core::remove(&new)?;
    // What a CI system has handed over comes with folders in place of links.
    if fs::symlink_metadata(link).is_ok_and(|there| there.is_dir()) {
        mlci_core::remove(link)?;
    }
    std::os::unix::fs::symlink(target, &new).map_err(FileError::at("create", &new))?;
    Ok(fs::rename(&new, link).map_err(FileError::at("write", link))?)
}

fn collect(pipeline: &Pipeline, ending: &Ending, error: Option<&Error>, started: Instant) -> Result<Report> {
    let known = pipeline.known();
    let seconds = started.elapsed().as_secs_f64();
    let begun = Timestamp::now().checked_sub(started.elapsed()).unwrap_or_else(|_| Timestamp::now());
    let evaluation = known.trained.as_ref().map(|trained| trained.evaluation(pipeline)).transpose()?;
    let model = known.trained.as_ref().map(|trained| trained.load(pipeline)).transpose()?;
    let unit = model.as_ref().and_then(|model| model.schema().target.unit.clone());
    Ok(Report {
        project: pipeline.config().project.name.to_string(),
        outcome: error.map_or(Outcome::Pass, |error| error.outcome),
        headline: headline(ending, error, &known),
        error: error.map(|error| {
            let mut end = ErrorEnd::from(error);
            // The checks of the gate say it themselves, with their numbers.
            let by_gate = known.gate.as_ref().is_some_and(|gate| !gate.report.verdict.is_pass());
            if error.outcome == Outcome::Refused && by_gate {
                end.causes.clear();
            }
            end
        }),
        run: ending.run.as_ref().map(|run: &RunRef| run.id.clone()),
        started: begun,
        seconds,
        model: ending.model.clone(),
        champion: known
            .gate
            .as_ref()
            .and_then(|gate| gate.champion.as_ref())
            .map(|champion| Champion { version: champion.version, digest: champion.model }),
        metrics: evaluation
            .as_ref()
            .map(|evaluation| metrics(pipeline, evaluation, &known, unit.as_deref()))
            .unwrap_or_default(),
        gate: known.gate.as_ref().map(|gate| gate.report.clone()),
        classes: evaluation.as_ref().zip(model.as_ref()).and_then(|(evaluation, model)| classes(evaluation, model)),
        choice: known.trained.as_ref().and_then(|trained| trained.choice.clone()),
        least_squares: known.trained.as_ref().and_then(|trained| trained.least_squares.clone()),
        scatter: evaluation.zip(model.as_ref()).map(|(evaluation, model)| Scatter {
            truth: evaluation.truth,
            prediction: evaluation.prediction,
            lines: evaluation.lines,
            counted: known.data.as_ref().map(|data| data.report.unit).unwrap_or_default(),
            target: model.schema().target.name.clone(),
            unit: unit.clone(),
        }),
        reported: known
            .trained
            .as_ref()
            .and_then(|trained| trained.command.as_ref())
            .map(|command| command.metrics.clone())
            .unwrap_or_default(),
        cross_validation: known.trained.as_ref().and_then(|trained| trained.cross_validation.clone()),
        coefficients: model.as_ref().map(coefficients).unwrap_or_default(),
        history: history(pipeline)?,
        data: known.data.as_ref().map(|data| data.report.clone()),
        lineage: lineage(pipeline, ending, &known),
        stages: ending.stages.clone(),
        environments: ending.environments.clone(),
        generator: GENERATOR.to_owned(),
    })
}

fn headline(ending: &Ending, error: Option<&Error>, known: &Known) -> String {
    if let Some(error) = error {
        return error.message.clone();
    }
    let model = ending.model.as_ref().map_or_else(
        || "the stages that were asked for are done".to_owned(),
        |model| match model.version {
            Some(version) => format!("`{}` version {version}", model.name),
            None => format!("`{}`", model.name),
        },
    );
    let verified: Vec<&str> = ending
        .environments
        .iter()
        .filter(|end| end.status == EnvironmentStatus::Verified)
        .map(|end| end.name.as_str())
        .collect();
    let waiting = ending.environments.iter().find(|end| end.status == EnvironmentStatus::Waiting);
    let gate = match &known.gate {
        Some(gate) if gate.champion.is_some() => " is not worse than the champion",
        Some(_) => " passed the gate",
        None => "",
    };
    let mut text = format!("{model}{gate}");
    if !verified.is_empty() {
        text.push_str(&format!(" and is verified in {}", verified.join(" and ")));
    }
    if let Some(waiting) = waiting {
        text.push_str(&format!("; {} waits for an approval", waiting.name));
    }
    text
}

fn metrics(pipeline: &Pipeline, evaluation: &Evaluation, known: &Known, unit: Option<&str>) -> Vec<MetricRow> {
    let interval = |evaluation: &Evaluation, metric| evaluation.intervals.get(&metric).map(|i| (i.low, i.high));
    let champion = known.gate.as_ref().and_then(|gate| gate.champion.as_ref());
    let limits: BTreeMap<Metric, String> = pipeline
        .config()
        .gate
        .limits
        .iter()
        .map(|(name, limit)| {
            let bounds =
                [limit.min.map(|min| format!("at least {min}")), limit.max.map(|max| format!("at most {max}"))];
            (*name, bounds.into_iter().flatten().collect::<Vec<_>>().join(", "))
        })
        .collect();
    evaluation
        .metrics
        .telling()
        .iter()
        .copied()
        .filter_map(|metric| {
            Some(MetricRow {
                name: metric.to_string(),
                unit: unit.filter(|_| metric.has_unit()).map(str::to_owned),
                value: evaluation.metrics.get(metric)?,
                interval: interval(evaluation, metric),
                champion: champion.and_then(|champion| {
                    let evaluation = &champion.evaluation;
                    Some((evaluation.metrics.get(metric)?, interval(evaluation, metric)))
                }),
                lower_is_better: metric.lower_is_better(),
                limit: limits.get(&metric).cloned(),
            })
        })
        .collect()
}

fn classes(evaluation: &Evaluation, model: &Model) -> Option<Classes> {
    let classes = evaluation.metrics.classification?;
    let [zero, one] = model.schema().target.levels.as_slice() else { return None };
    Some(Classes {
        names: [zero.clone(), one.clone()],
        threshold: classes.threshold,
        confusion: classes.confusion,
        calibration: mlci_train::calibration(evaluation.scored()),
    })
}

fn coefficients(model: &Model) -> Vec<Coefficient> {
    let estimator = &model.parts().estimator;
    let Some(linear) = estimator.linear() else { return Vec::new() };
    // Behind a link they are in units of the link, which has none.
    let is_plain = matches!(estimator, Estimator::Linear(_));
    let target = model.schema().target.unit.clone().filter(|_| is_plain);
    let per = |unit: Option<&String>| match (&target, unit) {
        (Some(target), Some(unit)) => Some(format!("{target} per {unit}")),
        (None, Some(unit)) => Some(format!("per {unit}")),
        (Some(target), None) => Some(target.clone()),
        (None, None) => None,
    };
    let unit = |name: &str| {
        let feature = model.schema().features.iter().find(|feature| feature.name == name);
        per(feature.and_then(|feature| feature.unit.as_ref()))
    };
    let intercept = Coefficient { name: "intercept".to_owned(), value: linear.intercept, unit: target.clone() };
    let others = model.design().names().iter().zip(&linear.coefficients);
    let others = others.map(|(name, value)| Coefficient { name: name.clone(), value: *value, unit: unit(name) });
    std::iter::once(intercept).chain(others).collect()
}

fn history(pipeline: &Pipeline) -> Result<Vec<HistoryPoint>> {
    let point = |run: RunSummary| HistoryPoint {
        run: run.id.to_string(),
        started: run.start,
        status: run.tags.get("verdict").cloned().unwrap_or_else(|| {
            run.status.map_or_else(|| "unreadable".to_owned(), |status: Status| status.to_string().to_lowercase())
        }),
        version: run.tags.get("version").and_then(|text| text.parse().ok()),
        metrics: run
            .metrics
            .iter()
            .filter_map(|(name, point)| Some((name.strip_prefix("test.")?.to_owned(), point.value)))
            .collect(),
    };
    let mut points: Vec<HistoryPoint> = pipeline.runs().list()?.into_iter().take(HISTORY).map(point).collect();
    points.reverse();
    Ok(points)
}

fn lineage(pipeline: &Pipeline, ending: &Ending, known: &Known) -> Vec<Link> {
    let mut links = Vec::new();
    let mut add = |kind: &str, value: String, note: String| links.push(Link { kind: kind.to_owned(), value, note });
    let source = pipeline.source();
    let note = if source.is_clean() { String::new() } else { "not exactly what a commit holds".to_owned() };
    add("commit", source.to_string(), note);
    if let Some(data) = &known.data {
        add("data", data.digest.to_string(), format!("{}, {} bytes", pipeline.config().data.path, data.bytes));
    }
    add("configuration", pipeline.config().model_digest().to_string(), "[data] and [train]".to_owned());
    if let Some(run) = &ending.run {
        add("run", run.id.clone(), String::new());
    }
    if let Some(model) = &ending.model {
        add("model", model.digest.to_string(), String::new());
        if let Some(version) = model.version {
            add("version", format!("{}@{version}", model.name), String::new());
        }
    }
    if let Some(image) = &known.image {
        add("server", image.server.to_string(), String::new());
        let megabytes = image.compressed_bytes as f64 / 1e6;
        add("image", image.digest.to_string(), format!("{}, {megabytes:.1} MB compressed", image.reference()));
    }
    for end in &ending.environments {
        if let Some(image) = &end.image_digest {
            add("release", image.to_string(), format!("{} in {}", end.status.as_str(), end.name));
        }
    }
    links
}
