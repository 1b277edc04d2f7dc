use std::{path::PathBuf, process::Command, time::Duration};

use mlci_core::write_atomic;

use super::{Component, Kind};
use crate::{error::Result, install::Install, place::Place};

const PACKAGES: Install = Install::Python { name: "mlflow", packages: &["mlflow==3.17.2", "flask-wtf==1.3.0"] };

/// MLflow's tracking server with its own database and artifact folder.
pub(super) static MLFLOW: Component = Component {
    name: "mlflow",
    about: "MLflow 3.17.2, tracking server and model registry",
    kind: Kind::Real,
    installs: &[PACKAGES],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 2,
    hands_out: &["MLFLOW_TRACKING_URI", "MLCI_LAB_MLFLOW_PYTHON"],
    start: |place| {
        let (port, python, command) = server(place, &["mlflow.server.fastapi_app:app"])?;
        place.spawn("mlflow", command)?;
        // Beside builds, a new database takes its time.
        place.wait_http("mlflow", port, "/health", &[200], Duration::from_secs(180))?;
        place.set("MLFLOW_TRACKING_URI", format!("http://127.0.0.1:{port}"));
        place.set("MLCI_LAB_MLFLOW_PYTHON", python.display().to_string());
        Ok(())
    },
};

/// The same with accounts: MLflow's own application for them.
pub(super) static MLFLOW_AUTH: Component = Component {
    name: "mlflow-auth",
    about: "MLflow 3.17.2 with accounts (its basic-auth application)",
    kind: Kind::Real,
    installs: &[PACKAGES],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 2,
    hands_out: &["MLCI_LAB_MLFLOW_AUTH_URI"],
    start: |place| {
        const PASSWORD: &str = "lab-password-of-no-value";
        let settings = format!(
            "[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{}\nadmin_username = admin\n\
             authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n\
             grant_default_workspace_access = false\nauth_cache_ttl_seconds = 60\n",
            place.state.join("accounts.db").display()
        );
        let path = place.state.join("auth.ini");
        write_atomic(&path, settings.as_bytes())?;
        let (port, _, mut command) = server(place, &["--factory", "mlflow.server.auth:create_app"])?;
        command
            .env("MLFLOW_AUTH_CONFIG_PATH", path)
            .env("MLFLOW_AUTH_ADMIN_PASSWORD", PASSWORD)
            .env("MLFLOW_FLASK_SERVER_SECRET_KEY", "lab-key-of-no-value");
        place.spawn("mlflow", command)?;
        place.wait_http("mlflow", port, "/health", &[200], Duration::from_secs(180))?;
        place.set("MLCI_LAB_MLFLOW_AUTH_URI", format!("http://admin:{PASSWORD}@127.0.0.1:{port}"));
        Ok(())
    },
};

/// The server for an application, its port, and the Python that runs it.
///
/// The application itself, without the command line in front: one process, which starts in a tenth of the time.
fn server(place: &mut Place<'_>, application: &[&str]) -> Result<(u16, PathBuf, Command)> {
    let port = place.port()?;
    let artifacts = place.folder("artifacts")?;
    let database = format!("sqlite:///{}", place.state.join("mlflow.db").display());
    let python = place.program("venv/bin/python")?;
    let mut command = Command::new(&python);
    command
        .args(["-m", "uvicorn", "--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"])
        .args(application)
        .current_dir(&place.state)
        .env("_MLFLOW_SERVER_FILE_STORE", &database)
        .env("_MLFLOW_SERVER_REGISTRY_STORE", &database)
        .env("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
        .env("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
        .env("_MLFLOW_SERVER_ARTIFACT_DESTINATION", artifacts)
        .env("_MLFLOW_SGI_NAME", "uvicorn")
        .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
        .env("MLFLOW_DISABLE_TELEMETRY", "true");
    Ok((port, python, command))
}
