//! The command line. A dozen flags do not need a parser that is larger than the rest of the program.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    time::Duration,
};

use mlci_serve::{
    ServerOptions,
    log::{LogFormat, LogOptions, LogRequests},
};

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) const HELP: &str = "\
Serves a model over HTTP.

Usage: mlci-serve --model FILE [options]

  --model FILE           The model file [MLCI_MODEL]
  --model-version TEXT   The version to serve it under; default: the first 12 digits of its digest [MLCI_MODEL_VERSION]
  --listen ADDRESS       Where to listen; port 0 takes any free port [MLCI_LISTEN; 127.0.0.1:8080]
  --workers NUMBER       Threads; default: one a core [MLCI_WORKERS]
  --body-limit BYTES     The largest request body [MLCI_BODY_LIMIT; 16777216]
  --drain-seconds N      How long connections without a request stay open on stopping [MLCI_DRAIN_SECONDS; 2]
  --limit-seconds N      When to end after being told to stop, answered or not [MLCI_LIMIT_SECONDS; 10]
  --control SOCKET       Make a control socket, to be swapped without losing requests (Unix) [MLCI_CONTROL]
  --ready-file FILE      Where to write {\"pid\", \"address\"} once ready [MLCI_READY_FILE]
  --log-format FORMAT    text, or ecs: a JSON object a line, in the Elastic Common Schema [MLCI_LOG_FORMAT; text]
  --log-requests WHICH   Log none of the requests, the errors, or all [MLCI_LOG_REQUESTS; errors]
  --environment NAME     Where it runs, such as staging, for the log [MLCI_ENVIRONMENT]
  --new-session          Leave the terminal's session, so that closing it does not end the server (Unix)
  --check                Load the model, check its golden predictions, print its name, version and digest, and end
  --verify URL           Ask the server at http://HOST:PORT whether it serves this very model: its digest, and its
                         predictions for the golden rows; its version too, where that is given. Print what it says,
                         and end
  --help, --version

SIGTERM and SIGINT stop it without losing a request: /readyz turns 503, listening ends, answers close their
connections. Exit codes: 0 stopped, checked or verified, 1 failed, 2 wrong usage.";

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    Serve(Arguments),
    Check(Arguments),
    Verify(Arguments, String),
    Help,
    Version,
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) model: PathBuf,
    pub(crate) version: Option<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) new_session: bool,
    pub(crate) log: LogOptions,
    pub(crate) options: ServerOptions,
}

/// Flags that take a value, with the environment variables that stand in for them. What is to be done is never read from
/// a variable: a container would not serve where one is left over.
const VALUES: [(&str, Option<&str>); 13] = [
    ("--model", Some("MLCI_MODEL")),
    ("--model-version", Some("MLCI_MODEL_VERSION")),
    ("--listen", Some("MLCI_LISTEN")),
    ("--workers", Some("MLCI_WORKERS")),
    ("--body-limit", Some("MLCI_BODY_LIMIT")),
    ("--drain-seconds", Some("MLCI_DRAIN_SECONDS")),
    ("--limit-seconds", Some("MLCI_LIMIT_SECONDS")),
    ("--control", Some("MLCI_CONTROL")),
    ("--ready-file", Some("MLCI_READY_FILE")),
    ("--log-format", Some("MLCI_LOG_FORMAT")),
    ("--log-requests", Some("MLCI_LOG_REQUESTS")),
    ("--environment", Some("MLCI_ENVIRONMENT")),
    ("--verify", None),
];
const SWITCHES: [&str; 4] = ["--new-session", "--check", "--help", "--version"];

/// Reads the command line; `environment` stands in for what it leaves out. An empty variable counts as unset.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Task, String> {
    let mut values: [Option<OsString>; VALUES.len()] = Default::default();
    let (mut check, mut new_session) = (false, false);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        // A value that is not UTF-8 can stand in an argument of its own.
        let text = argument.to_str().ok_or_else(|| unknown(&argument.to_string_lossy()))?;
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (text, None),
        };
        match name {
            "--check" if inline.is_none() => check = true,
            "--new-session" if inline.is_none() => new_session = true,
            "--help" | "-h" if inline.is_none() => return Ok(Task::Help),
            "--version" | "-V" if inline.is_none() => return Ok(Task::Version),
            _ => {
                let index = VALUES.iter().position(|(flag, _)| *flag == name).ok_or_else(|| unknown(name))?;
                let value =
                    inline.or_else(|| arguments.next()).ok_or_else(|| format!("the flag {name} needs a value"))?;
                if let Some(slot) = values.get_mut(index) {
                    if slot.is_some() {
                        return Err(format!("the flag {name} is there twice"));
                    }
                    *slot = Some(value);
                }
            }
        }
    }
    for (value, (_, variable)) in values.iter_mut().zip(VALUES) {
        if value.is_none() {
            *value = variable.and_then(&environment).filter(|text| !text.is_empty());
        }
    }

    let [
        model,
        version,
        listen,
        workers,
        body_limit,
        drain,
        limit,
        control,
        ready_file,
        format,
        requests,
        environment,
        verify,
    ] = values;
    let model = model.ok_or("no model: give its file with --model or MLCI_MODEL")?.into();
    let version = version.map(|text| unicode(&text, "--model-version")).transpose()?;
    let mut options = ServerOptions::default();
    if let Some(text) = listen {
        options.listen = value(&text, "--listen", "an IP address and a port, like 127.0.0.1:8080 or [::]:8080")?;
    }
    if let Some(text) = body_limit {
        options.body_limit = value(&text, "--body-limit", "a number of bytes")?;
    }
    if let Some(text) = drain {
        options.drain = seconds(&text, "--drain-seconds")?;
    }
    if let Some(text) = limit {
        options.limit = seconds(&text, "--limit-seconds")?;
    }
    options.control = control.map(PathBuf::from);
    options.ready_file = ready_file.map(PathBuf::from);
    let mut log = LogOptions::default();
    if let Some(text) = format {
        log.format = value::<LogFormat>(&text, "--log-format", "`text` or `ecs`")?;
    }
    if let Some(text) = requests {
        log.requests = value::<LogRequests>(&text, "--log-requests", "`none`, `errors` or `all`")?;
    }
    log.environment = environment.map(|text| unicode(&text, "--environment")).transpose()?;
    // It stands in every line of the log. A label in Kubernetes, where it comes from, is no longer.
    if log.environment.as_ref().is_some_and(|name| name.len() > 63 || name.chars().any(char::is_control)) {
        return Err("--environment: expected a name of at most 63 characters".to_owned());
    }
    let workers =
        workers.map(|text| value::<std::num::NonZeroU16>(&text, "--workers", "a number from 1")).transpose()?;
    let arguments =
        Arguments { model, version, workers: workers.map(|workers| workers.get().into()), new_session, log, options };
    let verify = verify.map(|text| unicode(&text, "--verify")).transpose()?;
    match (check, verify) {
        (false, None) => Ok(Task::Serve(arguments)),
        (true, None) => Ok(Task::Check(arguments)),
        (false, Some(url)) => Ok(Task::Verify(arguments, url)),
        (true, Some(_)) => Err("--check and --verify: one at a time; --verify checks the file too".to_owned()),
    }
}

fn unknown(name: &str) -> String {
    let flags = VALUES.into_iter().map(|(flag, _)| flag).chain(SWITCHES);
    let near = flags
        .map(|flag| (strsim::normalized_damerau_levenshtein(name, flag), flag))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let hint = near.map_or_else(String::new, |(_, flag)| format!("; did you mean {flag}?"));
    format!("no flag `{name}`{hint}")
}

fn unicode(text: &OsStr, flag: &str) -> Result<String, String> {
    text.to_str().map(str::to_owned).ok_or_else(|| format!("the value of {flag} is not UTF-8"))
}

fn value<T: std::str::FromStr>(text: &OsStr, flag: &str, expected: &str) -> Result<T, String> {
    let text = unicode(text, flag)?;
    text.parse().map_err(|_| format!("{flag}: expected {expected}, got `{text}`"))
}

fn seconds(text: &OsStr, flag: &str) -> Result<Duration, String> {
    let expected = "a number of seconds, like 2 or 0.5";
    let seconds: f64 = value(text, flag, expected)?;
    // More than a day is a mistake of units.
    if !(0.0..=86_400.0).contains(&seconds) {
        return Err(format!("{flag}: expected {expected}, at most 86400, got `{seconds}`"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str, environment: &[(&str, &str)]) -> Result<Task, String> {
        let lookup = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        parse(line.split_whitespace().map(OsString::from), lookup)
    }

    #[track_caller]
    fn served(line: &str, environment: &[(&str, &str)]) -> Arguments {
        match parsed(line, environment) {
            Ok(Task::Serve(arguments)) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_the_defaults() {
        let environment = [("MLCI_MODEL", "env"), ("MLCI_LISTEN", "0.0.0.0:1"), ("MLCI_WORKERS", "")];
        let arguments = served("--model=flag --drain-seconds 0.5", &environment);
        assert_eq!(arguments.model, PathBuf::from("flag"));
        assert_eq!(arguments.options.listen, ([0, 0, 0, 0], 1).into());
        assert_eq!(arguments.options.drain, Duration::from_millis(500));
        assert_eq!((arguments.workers, arguments.version), (None, None));
        assert_eq!(arguments.options.limit, ServerOptions::default().limit);
    }

    #[test]
    fn every_flag_of_the_help_exists_and_the_reverse() {
        let help: Vec<_> = HELP.split_whitespace().filter(|word| word.starts_with("--")).collect();
        for flag in VALUES.into_iter().map(|(flag, _)| flag).chain(SWITCHES) {
            assert!(help.iter().any(|word| word.trim_end_matches(',') == flag), "{flag}");
        }
        for variable in VALUES.into_iter().filter_map(|(_, variable)| variable) {
            assert!(HELP.contains(variable), "{variable}");
        }
    }

    #[test]
    fn switches() {
        assert!(matches!(parsed("--help --nonsense", &[]), Ok(Task::Help)));
        assert!(matches!(parsed("-V", &[]), Ok(Task::Version)));
        assert!(matches!(parsed("--check --model m", &[]), Ok(Task::Check(_))));
        let Ok(Task::Verify(arguments, url)) = parsed("--verify http://h:1", &[("MLCI_MODEL", "m")]) else { panic!() };
        assert_eq!((arguments.model, url.as_str()), (PathBuf::from("m"), "http://h:1"));
    }

    #[test]
    fn wrong_usage_says_what_is_wrong() {
        let check = |line, says: &str| {
            let error = parsed(line, &[]).unwrap_err();
            assert!(error.contains(says), "{error:?} does not say {says:?}");
        };
        check("", "--model or MLCI_MODEL");
        check("--modle x", "no flag `--modle`; did you mean --model?");
        check("--frobnicate", "no flag `--frobnicate`");
        check("stray", "no flag `stray`");
        check("--check=yes", "no flag `--check`");
        check("--model", "--model needs a value");
        check("--model a --model b", "--model is there twice");
        check("--model a --listen localhost", "expected an IP address and a port");
        check("--model a --workers 0", "--workers: expected a number from 1, got `0`");
        check("--model a --log-format json", "--log-format: expected `text` or `ecs`, got `json`");
        let long = format!("--model a --environment {}", "x".repeat(64));
        check(&long, "at most 63 characters");
        check("--model a --log-requests some", "expected `none`, `errors` or `all`");
        check("--model a --drain-seconds -1", "at most 86400, got `-1`");
        check("--model a --drain-seconds NaN", "got `NaN`");
        check("--model a --check --verify http://h:1", "one at a time");
    }
}
