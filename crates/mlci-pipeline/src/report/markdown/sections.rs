use super::{
    super::{
        Report,
        chart::{Fit, rebin},
        coefficients,
        text::{count, counted, interval, number, seconds, signed},
        view::{self, Mark},
    },
    escape::{code, plain, prose, spark},
};

/// A section: a sentence and a table.
pub(super) struct Table {
    title: &'static str,
    lead: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Rows that were not even made.
    more: usize,
}

/// More rows than fit into any table.
const ROWS: usize = 500;

impl Table {
    fn new(
        title: &'static str,
        lead: String,
        head: Vec<&'static str>,
        rows: impl ExactSizeIterator<Item = Vec<String>>,
    ) -> Self {
        let more = rows.len().saturating_sub(ROWS);
        Self { title, lead, head, rows: rows.take(ROWS).collect(), more }
    }

    /// The section in at most `budget` bytes; empty if there is nothing to say.
    pub(super) fn render(&self, budget: usize) -> String {
        if self.rows.is_empty() && self.lead.is_empty() {
            return String::new();
        }
        let mut text = format!("\n## {}\n\n", self.title);
        if !self.lead.is_empty() {
            text += &format!("{}\n\n", self.lead);
        }
        if self.rows.is_empty() {
            return text;
        }
        text += &format!("| {} |\n|{}\n", self.head.join(" | "), " --- |".repeat(self.head.len()));
        let mut left_out = self.more as u64;
        for row in &self.rows {
            let line = format!("| {} |\n", row.join(" | "));
            // The note about what was cut takes its part of the budget.
            if text.len() + line.len() + 100 > budget {
                left_out += 1;
            } else {
                text += &line;
            }
        }
        if left_out > 0 {
            let verb = if left_out == 1 { "was" } else { "were" };
            text += &format!("\n{} {verb} left out here; see the HTML report.\n", counted(left_out, "row"));
        }
        text
    }
}

pub(super) fn tables(report: &Report) -> [Table; 15] {
    [
        metrics(report),
        gate(report),
        groups(report),
        folds(report),
        choice(report),
        reported(report),
        fit(report),
        confusion(report),
        calibration(report),
        history(report),
        data(report),
        coefficients(report),
        lineage(report),
        stages(report),
        environments(report),
    ]
}

fn mark((tone, word): Mark) -> String {
    format!("{} {word}", tone.sign())
}

fn ranged(value: f64, range: Option<(f64, f64)>) -> String {
    range.map_or_else(|| number(value), |range| format!("{} ({})", number(value), interval(range)))
}

fn metrics(report: &Report) -> Table {
    let rows = report.metrics.iter().map(|metric| {
        let unit = metric.unit.as_deref().map(|unit| format!(" ({})", prose(unit))).unwrap_or_default();
        let change = view::change(metric).map(|(difference, word)| format!("{difference} ({word})"));
        vec![
            format!("{}{unit}", code(&metric.name)),
            ranged(metric.value, metric.interval),
            metric.champion.map_or_else(|| "none".into(), |(value, range)| ranged(value, range)),
            change.unwrap_or_default(),
            metric.limit.as_deref().map_or_else(|| "none".into(), prose),
        ]
    });
    let lead = if report.metrics.is_empty() { "" } else { "On held-out rows, with 95 % bootstrap intervals." };
    Table::new("Metrics", lead.into(), vec!["Metric", "This model", "Champion", "Difference", "Limit"], rows)
}

fn gate(report: &Report) -> Table {
    let checks = report.gate.as_ref().map(view::checks).unwrap_or_default();
    let rows = checks.iter().map(|check| {
        vec![
            code(check.name),
            mark(check.mark),
            check.value.clone(),
            check.bound.clone(),
            check.interval.clone(),
            prose(check.note),
        ]
    });
    let head = vec!["Check", "Verdict", "Value", "Bound", "Interval", "What it says"];
    Table::new("Gate", String::new(), head, rows)
}

fn folds(report: &Report) -> Table {
    let head = vec!["Metric", "Mean", "Std. deviation", "Folds"];
    let Some(validation) = &report.cross_validation else {
        return Table::new("Cross-validation", String::new(), head, [].into_iter());
    };
    let rows = validation.spread.iter().map(|(metric, spread)| {
        let folds = view::fold_values(validation, *metric);
        vec![code(metric.as_str()), number(spread.mean), number(spread.standard_deviation), folds]
    });
    Table::new("Cross-validation", view::folds(validation), head, rows)
}

fn reported(report: &Report) -> Table {
    let rows = report.reported.iter().map(|(metric, value)| vec![code(metric), number(*value)]);
    let lead = if report.reported.is_empty() { "" } else { view::REPORTED };
    Table::new("Measured by the training command", lead.into(), vec!["Metric", "Value"], rows)
}

fn groups(report: &Report) -> Table {
    let lead = report.gate.as_ref().and_then(view::grouped).unwrap_or_default();
    let groups = report.gate.as_ref().map(view::groups).unwrap_or_default();
    let rows = groups.into_iter().map(|(group, state, [rows, value, champion, worse, why])| {
        vec![code(&group), mark(state), rows, value, champion, if why.is_empty() { worse } else { prose(&why) }]
    });
    let head = vec!["Group", "Verdict", "Rows", "This model", "Champion", "Worse by"];
    Table::new("Groups of rows", lead, head, rows)
}

fn choice(report: &Report) -> Table {
    let lead = report.choice.as_ref().map(view::choice).unwrap_or_default();
    let candidates = report.choice.as_ref().map(view::candidates).unwrap_or_default();
    let rows = candidates.into_iter().map(|[candidate, mean, deviation, note]| {
        vec![candidate, mean, deviation, if note.is_empty() { note } else { prose(&note) }]
    });
    Table::new("Hyper-parameters", lead, vec!["Candidate", "Mean", "Std. deviation", ""], rows)
}

fn confusion(report: &Report) -> Table {
    let lead = report.classes.as_ref().map(|classes| {
        let threshold = number(classes.threshold);
        format!("{} is said from a probability of {threshold} on.", code(&classes.names[1]))
    });
    let rows = report.classes.as_ref().map(|classes| view::confusion(classes).to_vec()).unwrap_or_default();
    let rows = rows.into_iter().map(|[class, zeros, ones]| vec![code(&class), zeros, ones]);
    let head = vec!["True class", "Said to be the other", "Said to be positive"];
    Table::new("Confusion", lead.unwrap_or_default(), head, rows)
}

fn calibration(report: &Report) -> Table {
    let bins = report.classes.as_ref().map(view::calibration).unwrap_or_default();
    let head = vec!["Probability from", "Rows", "Mean probability", "Share positive"];
    Table::new("Calibration", String::new(), head, bins.into_iter().map(Vec::from))
}

fn fit(report: &Report) -> Table {
    let fit = report.scatter.as_ref().filter(|_| report.classes.is_none()).map(Fit::of);
    let rows = fit.as_ref().and_then(|fit| {
        let ((mean, deviation), worst) = (fit.moments()?, fit.worst()?);
        let counts: Vec<f64> = fit.bins(24).1.into_iter().map(|count| count as f64).collect();
        let place = fit.place(&worst).map_or_else(String::new, |place| format!(" at {place}"));
        Some(vec![
            count(fit.rows()),
            signed(mean),
            number(deviation),
            format!("{}{place}", signed(worst.residual)),
            spark(&counts),
        ])
    });
    let head = vec!["Held-out rows", "Mean", "Std. deviation", "Largest", "Distribution"];
    let lead = if rows.is_some() { "Actual minus predicted." } else { "" };
    Table::new("Residuals", lead.into(), head, rows.into_iter())
}

fn history(report: &Report) -> Table {
    let newest = report.history.get(report.history.len().saturating_sub(40)..).unwrap_or_default();
    let rows = view::history_metrics(report).into_iter().filter_map(|(name, ..)| {
        let values: Vec<f64> = newest.iter().filter_map(|run| run.metrics.get(name).copied()).collect();
        Some(vec![code(name), spark(&values), number(*values.first()?), number(*values.last()?)])
    });
    let rows: Vec<_> = rows.collect();
    let lead = match (rows.is_empty(), newest.len() < report.history.len()) {
        (true, _) => String::new(),
        (_, true) => format!("The newest {} of {}.", newest.len(), counted(report.history.len() as u64, "run")),
        (_, false) => format!("{}, oldest first.", counted(newest.len() as u64, "run")),
    };
    Table::new("Metric history", lead, vec!["Metric", "Trend", "First", "Last"], rows.into_iter())
}

fn data(report: &Report) -> Table {
    let columns = report.data.as_ref().map(|data| data.columns.as_slice()).unwrap_or_default();
    let rows = columns.iter().map(|column| {
        let unit = column.unit.as_deref().map(|unit| format!(" ({})", prose(unit))).unwrap_or_default();
        let profile = column.profile.as_ref();
        let measured = view::measured(column);
        let moment = |value: Option<f64>| value.map(number).unwrap_or_default();
        let findings = view::findings(column).iter().map(|finding| format!("; {}", prose(finding))).collect::<String>();
        vec![
            format!("{}{unit}{findings}", code(&column.name)),
            column.role.to_string(),
            profile.map(view::bins).map(|(edges, counts)| spark(&rebin(&edges, counts))).unwrap_or_default(),
            moment(measured.map(|profile| profile.mean)),
            moment(measured.map(|profile| profile.standard_deviation)),
            view::range(column).map(|(least, greatest)| format!("{least} to {greatest}")).unwrap_or_default(),
            count(column.missing),
            column.distinct.to_string(),
        ]
    });
    let head = vec!["Column", "Role", "Distribution", "Mean", "Std. deviation", "Range", "Missing", "Distinct"];
    let lead = report.data.as_ref().map(|data| format!("{}.", view::rows(data))).unwrap_or_default();
    Table::new("Data", lead, head, rows)
}

fn coefficients(report: &Report) -> Table {
    let effects = coefficients::effects(report);
    let certainty = coefficients::certainty(report);
    let rows = report.coefficients.iter().zip(effects).enumerate().map(|(place, (coefficient, effect))| {
        let unit = coefficient.unit.as_deref().map(prose).unwrap_or_default();
        let mut row = vec![code(&coefficient.name), signed(coefficient.value)];
        row.extend(certainty.iter().filter_map(|all| all.get(place)).flatten().cloned());
        row.extend([unit, effect.map(signed).unwrap_or_default()]);
        row
    });
    let mut head = vec!["Feature", "Coefficient"];
    head.extend(certainty.iter().flat_map(|_| coefficients::CERTAINTY));
    head.extend(["Unit", "Effect of one std. deviation"]);
    let lead = coefficients::least_squares(report).map(|lead| prose(&lead)).unwrap_or_default();
    Table::new("Coefficients", lead, head, rows)
}

fn lineage(report: &Report) -> Table {
    let rows = report.lineage.iter().map(|link| {
        let note = if link.note.is_empty() { String::new() } else { prose(&link.note) };
        vec![plain(&super::super::text::clip(&link.kind, 40)), code(&link.value), note]
    });
    Table::new("Lineage", String::new(), vec!["What", "Digest or id", "Note"], rows)
}

fn stages(report: &Report) -> Table {
    let rows = report.stages.iter().map(|stage| {
        let note = if stage.note.is_empty() { String::new() } else { prose(&stage.note) };
        vec![code(&stage.name), mark(view::stage(stage.status)), seconds(stage.seconds), note]
    });
    Table::new("Stages", String::new(), vec!["Stage", "Status", "Time", "Note"], rows)
}

fn environments(report: &Report) -> Table {
    let rows = report.environments.iter().map(|environment| {
        let digest = environment.model_digest.map(|digest| code(&digest.short()));
        let version = environment.model_version.map(|version| format!("version {version}"));
        let model: Vec<String> = version.into_iter().chain(digest).collect();
        vec![
            code(&environment.name),
            mark(view::environment(environment.status)),
            environment.address.as_deref().map_or_else(|| "none".into(), prose),
            if model.is_empty() { "none".into() } else { model.join(", ") },
            if environment.note.is_empty() { String::new() } else { prose(&environment.note) },
        ]
    });
    Table::new("Environments", String::new(), vec!["Environment", "Status", "Address", "Model", "Note"], rows)
}
