use std::{process::Command, time::Duration};

use super::{Component, Kind};
use crate::install::Install;

/// MLflow's tracking server with its own database and artifact folder.
pub(super) static MLFLOW: Component = Component {
    name: "mlflow",
    about: "MLflow 3.17.2, tracking server and model registry",
    kind: Kind::Real,
    installs: &[Install::Python { name: "mlflow", packages: &["mlflow==3.17.2"] }],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 2,
    hands_out: &["MLFLOW_TRACKING_URI", "MLCI_LAB_MLFLOW_PYTHON"],
    start: |place| {
        let port = place.port()?;
        let artifacts = place.folder("artifacts")?;
        let database = format!("sqlite:///{}", place.state.join("mlflow.db").display());
        let python = place.program("venv/bin/python")?;
        let mut command = Command::new(&python);
        // The application itself, without the command line in front: one process, which starts in a tenth of the time.
        command
            .args(["-m", "uvicorn", "--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"])
            .arg("mlflow.server.fastapi_app:app")
            .current_dir(&place.state)
            .env("_MLFLOW_SERVER_FILE_STORE", &database)
            .env("_MLFLOW_SERVER_REGISTRY_STORE", &database)
            .env("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
            .env("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
            .env("_MLFLOW_SERVER_ARTIFACT_DESTINATION", artifacts)
            .env("_MLFLOW_SGI_NAME", "uvicorn")
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .env("MLFLOW_DISABLE_TELEMETRY", "true");
        place.spawn("mlflow", command)?;
        // Beside builds, a new database takes its time.
        place.wait_http("mlflow", port, "/health", &[200], Duration::from_secs(180))?;
        place.set("MLFLOW_TRACKING_URI", format!("http://127.0.0.1:{port}"));
        place.set("MLCI_LAB_MLFLOW_PYTHON", python.display().to_string());
        Ok(())
    },
};
