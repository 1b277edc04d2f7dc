//! Overlaying profiles, putting in variables, and checks that a type does not make.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Config, error::Fault};

/// Tables merge key by key; everything else of the overlay replaces what was there.
pub(super) fn overlay<'i>(base: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, value) in over {
        let (span, inner) = (value.span(), value.into_inner());
        if let DeValue::Table(over) = inner {
            if let Some(DeValue::Table(base)) = base.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut) {
                overlay(base, over);
                continue;
            }
            base.insert(key, Spanned::new(span, DeValue::Table(over)));
        } else {
            base.insert(key, Spanned::new(span, inner));
        }
    }
}

/// Remembers which line set each key, for `config show`.
pub(super) fn note_origins(
    table: &DeTable<'_>,
    text: &str,
    path: &str,
    profile: Option<&str>,
    origins: &mut BTreeMap<String, String>,
) {
    for (key, value) in table {
        let name = join(path, key.get_ref());
        if name == "profile" {
            continue;
        }
        if let DeValue::Table(inner) = value.get_ref() {
            note_origins(inner, text, &name, profile, origins);
        } else {
            let line = text.get(..key.span().start).unwrap_or_default().matches('\n').count() + 1;
            let place = profile.map_or(format!("line {line}"), |profile| format!("line {line}, profile {profile}"));
            origins.insert(name, place);
        }
    }
}

/// Keys that say where something is. They are shown, as a place that cannot be read is of no use, and hold no secret:
/// credentials have variables of their own, and an address with a password is refused.
const PLACES: [&str; 10] = [
    "artifact.store",
    "data.path",
    "image.layout",
    "image.repository",
    "image.server",
    "monitor.folder",
    "monitor.pushgateway",
    "monitor.runbook",
    "track.folder",
    "track.mlflow",
];

/// Replaces `${NAME}` in every text; `$${` stands for `${`.
pub(super) fn expand(
    table: &mut DeTable<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
    path: &str,
    origins: &mut BTreeMap<String, String>,
    secrets: &mut Vec<(String, String)>,
) -> Result<(), Fault> {
    let keys: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
    for key in keys {
        let name = join(path, &key);
        if let Some(value) = table.get_mut(key.as_str()) {
            expand_value(value, variable, &name, origins, secrets)?;
        }
    }
    Ok(())
}

fn expand_value(
    value: &mut Spanned<DeValue<'_>>,
    variable: &dyn Fn(&str) -> Option<String>,
    path: &str,
    origins: &mut BTreeMap<String, String>,
    secrets: &mut Vec<(String, String)>,
) -> Result<(), Fault> {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) if text.contains("${") => {
            let origin = origins.entry(path.to_owned()).or_default();
            // The name of the variable stands for its value wherever the configuration is shown.
            origin.push_str(&format!(", from {text}"));
            let mut used = Vec::new();
            *text = substitute(text, variable, span, &mut used)?.into();
            // An environment's is the one whose name says which.
            let is_place = PLACES.contains(&path) || path.ends_with(".canary.prometheus");
            if !is_place {
                secrets.append(&mut used);
            }
            Ok(())
        }
        DeValue::Table(inner) => expand(inner, variable, path, origins, secrets),
        DeValue::Array(items) => {
            items.iter_mut().try_for_each(|item| expand_value(item, variable, path, origins, secrets))
        }
        _ => Ok(()),
    }
}

fn substitute(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    span: Range<usize>,
    secrets: &mut Vec<(String, String)>,
) -> Result<String, Fault> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = after;
            continue;
        }
        let Some((name, tail)) = after.split_once('}') else {
            return Err(Fault::at(span, "`${` without `}`").help("write ${NAME}, or $${ for the characters themselves"));
        };
        let Some(value) = variable(name) else {
            return Err(Fault::at(span, format!("the environment variable `{name}` is not set to a text"))
                .help(format!("set it: export {name}=…")));
        };
        out.push_str(before);
        out.push_str(&value);
        secrets.push((value, name.to_owned()));
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Bounds of numbers and names that refer to each other.
pub(super) fn check(config: &Config, text: &str) -> Result<(), Fault> {
    let at = |table: &str, key: &str, message: String, help: &str| {
        Err(Fault { span: find(text, table, key), message, help: Some(help.to_owned()), secret: false })
    };
    let fraction = config.train.test_fraction;
    if !(fraction > 0.0 && fraction < 1.0) {
        let message = format!("`train.test_fraction` is {fraction}");
        return at("train", "test_fraction", message, "write a share above 0 and below 1, such as 0.2");
    }
    let folds = config.train.folds;
    if folds != 0 && !(2..=1000).contains(&folds) {
        let help = "write from 2 to 1000 folds, or 0 for no cross-validation";
        return at("train", "folds", format!("`train.folds` is {folds}"), help);
    }
    for (key, numbers) in [("penalty", &config.train.penalty), ("l1_share", &config.train.l1_share)] {
        if *numbers == Some(super::Numbers::Several(Vec::new())) {
            let help = "write a number, or several to choose from, or leave the key out";
            return at("train", key, format!("`train.{key}` is an empty list"), help);
        }
    }
    if let Err(error) = config.train.options(config.gate.threshold).check() {
        use mlci_train::OptionError;
        let key = match &error {
            OptionError::Key { key, .. } | OptionError::Value { key, .. } => key.as_str(),
            _ => "folds",
        };
        // The message says what to do, after a colon.
        let text = error.to_string();
        let (message, help) = text.split_once(": ").unwrap_or((&text, ""));
        return at("train", key, message.to_owned(), help);
    }
    let threshold = config.gate.threshold;
    if !(threshold > 0.0 && threshold < 1.0) {
        let message = format!("`gate.threshold` is {threshold}");
        return at("gate", "threshold", message, "write a probability above 0 and below 1, such as 0.5");
    }
    if let Some(metric) = config.gate.compare.filter(|metric| *metric == mlci_train::Metric::Coverage) {
        let message = format!("`gate.compare` is {}", serde_json::json!(metric));
        return at("gate", "compare", message, "write a metric that says which model is better, such as \"rmse\"");
    }
    if let Some(uri) = &config.track.mlflow {
        let help = "write http://HOST:PORT or https://HOST/PREFIX; credentials go into MLFLOW_TRACKING_USERNAME and \
                    MLFLOW_TRACKING_PASSWORD";
        if let Some(fault) = super::address::of_server(uri) {
            let is = if fault.secret { String::new() } else { format!(" is `{uri}`, which") };
            let message = format!("`track.mlflow`{is} {}", fault.message);
            return at("track", "mlflow", message, help).map_err(|error: Fault| error.secret(fault.secret));
        }
    }
    monitor(config).or_else(|(key, message, help, secret)| {
        at("monitor", key, message, &help).map_err(|error: Fault| error.secret(secret))
    })?;
    if let Some((table, key, message, help)) = super::clusters::fault(config) {
        return at(&table, key, message, help);
    }
    if let Some(wrong) = super::folders::misplaced(config) {
        return at(wrong.table, wrong.key, wrong.message, wrong.help);
    }
    let confidence = config.gate.confidence;
    // The interval is taken from 1,000 resamples: further out there is nothing to take it from.
    if !(confidence > 0.5 && confidence <= 0.99) {
        let message = format!("`gate.confidence` is {confidence}");
        return at("gate", "confidence", message, "write a probability above 0.5 and at most 0.99, such as 0.95");
    }
    if !(config.gate.margin >= 0.0 && config.gate.margin.is_finite()) {
        let message = format!("`gate.margin` is {}", config.gate.margin);
        return at("gate", "margin", message, "write 0 or more; 0.02 allows a value 2 % worse than the champion's");
    }
    if let Some(message) = config.data.misnamed() {
        return at("data", "path", message, "name a file, s3://BUCKET/KEY or gs://BUCKET/KEY");
    }
    let delimiter = config.data.delimiter;
    if !delimiter.is_ascii() || matches!(delimiter, '"' | '\n' | '\r') {
        let message = format!("`data.delimiter` is `{}`", delimiter.escape_default());
        let help = "write one ASCII character that is no quote and no line end, such as \";\" or \"\\t\"";
        return at("data", "delimiter", message, help);
    }
    if let Some(comment) = config.data.comment
        && (!comment.is_ascii() || matches!(comment, '"' | '\n' | '\r') || comment == delimiter)
    {
        let message = format!("`data.comment` is `{}`", comment.escape_default());
        let help = "write one ASCII character that is no quote, no line end and not the delimiter, such as \"#\"";
        return at("data", "comment", message, help);
    }
    if config.image.port == 0 {
        return at(
            "image",
            "port",
            "`image.port` is 0".to_owned(),
            "write the port inside the container, such as 8080",
        );
    }
    for (name, environment) in &config.environment {
        let table = format!("environment.{name}");
        if let Some(super::canary::Fault { key, message, help, secret }) = super::canary::fault(environment) {
            let inner = format!("{table}.canary");
            let found = at(&inner, key, format!("{table}: {message}"), &help);
            return found.map_err(|error: Fault| error.secret(secret));
        }
        if !(environment.drain_seconds >= 0.0 && environment.drain_seconds <= 3600.0) {
            let message = format!("`{table}.drain_seconds` is {}", environment.drain_seconds);
            return at(&table, "drain_seconds", message, "write a number of seconds from 0 to 3600");
        }
        if !(1..=3600).contains(&environment.ready_seconds) {
            let message = format!("`{table}.ready_seconds` is {}", environment.ready_seconds);
            return at(&table, "ready_seconds", message, "write a number of seconds from 1 to 3600");
        }
        if environment.approval_days == Some(0) {
            let help = "leave the key out: approvals then hold for ever";
            return at(&table, "approval_days", format!("`{table}.approval_days` is 0"), help);
        }
        if environment.port == Some(0) {
            let help = "leave the key out: a free port is chosen and kept";
            return at(&table, "port", format!("`{table}.port` is 0"), help);
        }
    }
    if let Some(name) = config.ci.environments.keys().find(|name| !config.environment.contains_key(*name)) {
        let known: Vec<&str> = config.environment.keys().map(mlci_core::Label::as_str).collect();
        let help = format!("environments: {}", known.join(", "));
        return at("ci.environments", name.as_str(), format!("`ci.environments.{name}` is no environment"), &help);
    }
    let ports: Vec<u16> = config.environment.values().filter_map(|environment| environment.port).collect();
    if let Some(port) = ports.iter().enumerate().find(|(i, port)| ports.iter().take(*i).any(|p| p == *port)) {
        return Err(Fault {
            span: None,
            message: format!("two environments have the port {}", port.1),
            help: Some("give each its own, or leave the key out".to_owned()),
            secret: false,
        });
    }
    Ok(())
}

/// A key of `[monitor]` that cannot be: its name, what is wrong, what to write, and whether a secret may stand there.
fn monitor(config: &Config) -> Result<(), (&'static str, String, String, bool)> {
    let monitor = &config.monitor;
    let gateway = "write http://HOST:PORT or https://HOST/PREFIX; credentials go into MLCI_PUSHGATEWAY_USERNAME and \
                   MLCI_PUSHGATEWAY_PASSWORD";
    let page = "write the address of a page, such as https://HOST/runbook";
    let of_gateway = monitor.pushgateway.as_deref().and_then(super::address::of_server);
    let of_runbook = monitor.runbook.as_deref().and_then(super::address::of_page);
    for (key, fault, help) in [("pushgateway", of_gateway, gateway), ("runbook", of_runbook, page)] {
        if let Some(fault) = fault {
            return Err((key, format!("`monitor.{key}` {}", fault.message), help.to_owned(), fault.secret));
        }
    }
    match monitor.thresholds().check() {
        Err(mlci_monitor::Error::Setting { setting, value, rule }) => {
            Err((setting, format!("`monitor.{setting}` is {value}"), rule.to_owned(), false))
        }
        Err(other) => Err(("folder", other.to_string(), String::new(), false)),
        Ok(()) => Ok(()),
    }
}

/// The span of a key that is known to have been read.
pub(super) fn find(text: &str, table: &str, key: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut current = document.get_ref();
    for part in table.split('.') {
        match current.get(part)?.get_ref() {
            DeValue::Table(inner) => current = inner,
            _ => return None,
        }
    }
    Some(current.get(key)?.span())
}
