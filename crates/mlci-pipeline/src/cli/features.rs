//! Back ends with a weight are not in a light command line. Where the configuration asks for one, the command line
//! builds itself with it and hands over.

use std::{env, ffi::OsString, io::Write as _, os::unix::process::CommandExt as _, process};

use mlci_artifact::Scheme;

use super::arguments::{Command, ModelsCommand};
use crate::{config::Loaded, error::Error, generate::Subject};

/// Set for the program that was built anew, so that it does not try again.
const AGAIN: &str = "MLCI_BUILT_WITH_FEATURES";

/// The features that a configuration and a command ask for and this program lacks.
pub(super) fn missing(loaded: &Loaded, command: &Command) -> Vec<&'static str> {
    let config = &loaded.config;
    let of = |url: &str| Scheme::of(url).filter(|scheme| !scheme.is_compiled_in()).map(Scheme::feature);
    let store = of(&config.artifact.store);
    let data = of(&config.data.path).filter(|feature| store != Some(*feature));
    let mlflow = (config.track.mlflow.is_some() && !cfg!(feature = "mlflow")).then_some("mlflow");
    let registry = (config.image.repository.is_some() && !cfg!(feature = "registry")).then_some("registry");
    let on_cluster = config.environment.values().any(|environment| environment.target.is_cluster());
    // Without a repository there is no chart: that is said before anything is built.
    let chart =
        matches!(command, Command::Generate { subject: Subject::Helm, .. }) && config.image.repository.is_some();
    let kubernetes = ((on_cluster || chart) && !cfg!(feature = "kubernetes")).then_some("kubernetes");
    let pushes = matches!(command, Command::Ci(..) | Command::Deploy { .. }) && config.monitor.pushgateway.is_some();
    let has_canary = config.environment.values().any(|environment| environment.canary.is_some());
    let watches = matches!(command, Command::Ci(..) | Command::Deploy { .. }) && has_canary;
    let monitor = ((pushes || watches) && !cfg!(feature = "monitor")).then_some("monitor");
    let exports = matches!(command, Command::Models { command: Some(ModelsCommand::Export { .. }) });
    let parquet = (config.data.is_parquet() && !cfg!(feature = "parquet")).then_some("parquet");
    let onnx = ((exports || config.train.is_command()) && !mlci_model::Onnx::is_supported()).then_some("onnx");
    store
        .into_iter()
        .chain(data)
        .chain(mlflow)
        .chain(registry)
        .chain(kubernetes)
        .chain(monitor)
        .chain(parquet)
        .chain(onnx)
        .collect()
}

/// Becomes the same command line in a program that has the features, so that signals go where the work is. What comes
/// back is why that could not be.
///
/// `cargo run` says which package this is; nothing else could build it again.
pub(super) fn hand_over(loaded: &Loaded, features: &[&str], arguments: &[OsString]) -> Error {
    let list = features.join(", ");
    let needs =
        || Error::invalid(format!("this configuration needs the feature `{list}`, which mlci was built without"));
    let (Some(cargo), Some(package)) = (env::var_os("CARGO"), env::var_os("CARGO_MANIFEST_DIR")) else {
        let option = features.join(",");
        return needs().help(format!("install it with that: cargo install mlci-pipeline --features {option}"));
    };
    if env::var_os(AGAIN).is_some() {
        return needs().help("the package that was built has no dependency `mlci-pipeline` to give the feature to");
    }
    // Not an event: what follows it is another program's. Said where cargo has not done it before.
    let note = loaded.root.join(".mlci/cache/built-with").join(features.join("+"));
    if !note.exists() {
        let _ = writeln!(std::io::stderr(), "mlci: this configuration needs {list}: building with it, once");
        let _ = mlci_core::write_atomic(&note, env!("CARGO_PKG_VERSION").as_bytes());
    }
    let wanted: Vec<String> = features.iter().map(|feature| format!("mlci-pipeline/{feature}")).collect();
    let source = process::Command::new(cargo)
        .args(["run", "--quiet", "--manifest-path"])
        .arg(std::path::Path::new(&package).join("Cargo.toml"))
        .args(["--features", &wanted.join(","), "--"])
        .args(arguments.get(1..).unwrap_or_default())
        .env(AGAIN, "1")
        .exec();
    Error::fail(format!("cannot build the command line with {list}")).because(source)
}
