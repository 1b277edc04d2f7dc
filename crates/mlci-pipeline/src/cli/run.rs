use std::{env, ffi::OsString, io::Write as _, process::ExitCode, sync::Arc};

use clap::{CommandFactory as _, FromArgMatches as _};

use super::{
    Chore,
    arguments::{Cli, Command, ConfigCommand, Format, ModelsCommand, RunsCommand, Stages},
    features, human, output,
};
use crate::{
    CiOptions, Look, Which,
    config::{self, Loaded},
    end::finish,
    error::{Error, Result},
    event::{Event, Finished, Observer, RunRef},
    init::{self, InitOptions},
    interrupt,
    pipeline::Pipeline,
    stage::Selection,
};

pub(super) fn run(arguments: &[OsString], chores: &[Chore]) -> ExitCode {
    if let Some(chore) = arguments.get(1).and_then(|word| chores.iter().find(|chore| word == chore.name)) {
        let rest = arguments.get(2..).unwrap_or_default();
        if rest.first().is_some_and(|word| word == "--help" || word == "-h") {
            let _ = writeln!(
                anstream::stdout(),
                "{}\n\nUsage: {} {} {}",
                chore.about,
                invocation(),
                chore.name,
                chore.usage
            );
            return ExitCode::SUCCESS;
        }
        return (chore.run)(rest);
    }
    let wants_json =
        arguments.windows(2).any(|pair| matches!(pair, [flag, value] if flag == "--format" && value == "json"))
            || arguments.iter().any(|argument| argument == "--format=json");
    let parsed = command(chores).try_get_matches_from(arguments);
    match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => ExitCode::from(output::exit_code(execute(cli, arguments))),
        Err(error) => {
            // Help and version are asked for and end with 0; the rest is wrong usage and ends with 2.
            if wants_json && error.use_stderr() {
                let observer = observer(Format::Json);
                let text = error.render().to_string();
                let text = text.trim().strip_prefix("error: ").unwrap_or(text.trim()).to_owned();
                finish("usage", |_| Err(Error::invalid(text)), |event| observer.event(event));
            } else {
                let _ = error.print();
            }
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
    }
}

/// The command line with the repository's own commands in its help.
fn command(chores: &[Chore]) -> clap::Command {
    let own = chores.iter().map(|chore| clap::Command::new(chore.name).about(chore.about).disable_version_flag(true));
    Cli::command().name("mlci").bin_name(invocation()).subcommands(own)
}

fn observer(format: Format) -> Arc<dyn Observer> {
    match format {
        Format::Human => Arc::new(human::Human::new()),
        Format::Json => Arc::new(Json),
    }
}

/// How the person called this program.
fn invocation() -> String {
    let stem = env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    match stem.as_deref() {
        Some("xtask") => "cargo xtask".to_owned(),
        Some(other) => other.to_owned(),
        None => "mlci".to_owned(),
    }
}

fn execute(cli: Cli, arguments: &[OsString]) -> u8 {
    let observer = observer(cli.format);
    match cli.command {
        Command::Completions { shell } => {
            let name = env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), name.unwrap_or_else(|| "mlci".to_owned()), &mut out);
            output::line(&mut std::io::stdout().lock(), out.trim_ascii_end());
            0
        }
        Command::Init { name, data, target } => {
            init::init(&cli.config, &InitOptions { name, data, target }, &*observer).exit_code
        }
        Command::Config { command: ConfigCommand::Schema } => {
            output::line(&mut std::io::stdout().lock(), config::json_schema().trim_end().as_bytes());
            0
        }
        command => {
            let opened = config::load(&cli.config, cli.profile.as_deref(), |name| env::var(name).ok())
                .map_err(|error| {
                    let missing = matches!(&error, config::LoadError::File(_)) && !cli.config.exists();
                    let help = match &error {
                        config::LoadError::Config(fault) => fault.help.clone(),
                        config::LoadError::File(_) => None,
                    };
                    let mut error = Error::from(error);
                    error.help = help;
                    if missing {
                        error.help(format!("write one: {} init, or name another with --config FILE", invocation()))
                    } else {
                        error
                    }
                })
                .and_then(|loaded| match features::missing(&loaded, &command).as_slice() {
                    [] => open(loaded, &command, &observer),
                    lacking => Err(features::hand_over(&loaded, lacking, arguments)),
                });
            match opened {
                Ok(pipeline) => carry_out(&pipeline, command, &observer).exit_code,
                Err(error) => finish(name(&command), |_| Err(error), |event| observer.event(event)).exit_code,
            }
        }
    }
}

fn open(loaded: Loaded, command: &Command, observer: &Arc<dyn Observer>) -> Result<Pipeline> {
    let (shown, started, name) = (Arc::clone(observer), std::time::Instant::now(), name(command));
    // Serving has its own, graceful way to end.
    if !matches!(command, Command::Serve { .. }) {
        interrupt::install(move |interrupted| {
            let error = Error::fail(format!("stopped by {}", interrupted.signal))
                .help("run it again: it continues where it was");
            let finished = Finished {
                command: name.to_owned(),
                verdict: error.outcome,
                exit_code: interrupted.exit_code,
                seconds: started.elapsed().as_secs_f64(),
                stages: interrupted.stages,
                run: interrupted.run.map(RunRef::of),
                model: None,
                image: None,
                environments: Vec::new(),
                report: None,
                result: None,
                text: None,
                error: Some((&error).into()),
            };
            shown.event(&Event::Finished(Box::new(finished)));
        })?;
    }
    Pipeline::open(loaded, Arc::clone(observer), &invocation())
}

fn selection(stages: &Stages) -> Result<Selection> {
    let mut selection = Selection::default();
    if let Some(only) = &stages.stage {
        selection = selection.only(only)?;
    }
    if let Some(from) = &stages.from {
        selection = selection.from(from)?;
    }
    Ok(if stages.force { selection.force() } else { selection })
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Init { .. } => "init",
        Command::Ci(_) => "ci",
        Command::Plan(_) => "plan",
        Command::Deploy { .. } => "deploy",
        Command::Approve { .. } => "approve",
        Command::Promote { .. } => "promote",
        Command::Rollback { .. } => "rollback",
        Command::Pause { .. } => "pause",
        Command::Resume { .. } => "resume",
        Command::Abort { .. } => "abort",
        Command::Status { .. } => "status",
        Command::Trace { .. } => "trace",
        Command::Runs { .. } => "runs",
        Command::Models { .. } => "models",
        Command::Serve { .. } => "serve",
        Command::Logs { .. } => "logs",
        Command::Restart { .. } => "restart",
        Command::Down { .. } => "down",
        Command::Doctor => "doctor",
        Command::Generate { .. } => "generate",
        Command::Clean => "clean",
        Command::Config { .. } => "config",
        Command::Completions { .. } => "completions",
    }
}

fn carry_out(pipeline: &Pipeline, command: Command, observer: &Arc<dyn Observer>) -> Finished {
    let name = name(&command);
    let refuse = |error| finish(name, |_| Err(error), |event| observer.event(event));
    match command {
        Command::Ci(stages) => match selection(&stages) {
            Ok(selection) => pipeline.ci(&CiOptions {
                selection,
                ephemeral: crate::ci::is_ci_job(),
                until: stages.until,
                without_store: stages.without_store,
            }),
            Err(error) => refuse(error),
        },
        Command::Plan(stages) => match selection(&stages) {
            Ok(selection) => pipeline.plan(selection),
            Err(error) => refuse(error),
        },
        Command::Deploy { environment, release, diff: true, .. } => {
            pipeline.look(&environment, release.as_deref(), Look::Changes)
        }
        Command::Deploy { environment, release, dry_run: true, .. } => {
            pipeline.look(&environment, release.as_deref(), Look::Manifests)
        }
        Command::Deploy { environment, release, .. } => pipeline.deploy(&environment, release.as_deref()),
        Command::Approve { environment, release, by } => {
            pipeline.approve(&environment, release.as_deref(), by.as_deref())
        }
        Command::Promote { model, to, reason } => pipeline.promote(&model, &to, &reason),
        Command::Rollback { environment, to, reason } => pipeline.rollback(&environment, to.as_deref(), &reason),
        Command::Pause { environment } => pipeline.pause(&environment),
        Command::Resume { environment } => pipeline.resume(&environment),
        Command::Abort { environment, reason } => pipeline.abort(&environment, &reason),
        Command::Status { environment } => pipeline.status(environment.as_ref()),
        Command::Trace { thing } => pipeline.trace(&thing),
        Command::Runs { command } => match command.unwrap_or(RunsCommand::List) {
            RunsCommand::List => pipeline.list_runs(),
            RunsCommand::Show { run } => pipeline.show_run(&run),
            RunsCommand::Sync => pipeline.sync_runs(),
            RunsCommand::Compare { one, other } => pipeline.compare_runs(&one, &other),
        },
        Command::Models { command } => match command.unwrap_or(ModelsCommand::List) {
            ModelsCommand::List => pipeline.list_models(),
            ModelsCommand::Diff { one, other } => pipeline.diff_models(&one, &other),
            ModelsCommand::Export { model, output } => pipeline.export_model(&model, &output),
        },
        Command::Serve { model, listen } => pipeline.serve(model.as_deref(), listen),
        Command::Logs { environment } => pipeline.logs(&environment),
        Command::Restart { environment } => pipeline.restart(&environment),
        Command::Down { environment: Some(name), .. } => pipeline.down(&Which::One(name)),
        Command::Down { environment: None, .. } => pipeline.down(&Which::All),
        Command::Doctor => pipeline.doctor(),
        Command::Generate { subject, check } => pipeline.generate(subject, check),
        Command::Clean => pipeline.clean(),
        Command::Config { .. } => pipeline.show_config(),
        Command::Init { .. } | Command::Completions { .. } => refuse(Error::invalid("this needs no configuration")),
    }
}

/// One event a line, each written at once.
struct Json;

impl Observer for Json {
    fn event(&self, event: &Event) {
        let Ok(line) = serde_json::to_vec(event) else { return };
        output::line(&mut std::io::stdout().lock(), &line);
        if let Event::Output { line, .. } = event {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }
}
