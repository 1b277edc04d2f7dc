//! Logs a run without MLflow, brings it there, and registers its model:
//!
//! ```console
//! $ MLFLOW_TRACKING_URI=http://127.0.0.1:5000 cargo run -p mlci-track --features mlflow --example mlflow
//! ```

// An example shows what it did.
#![allow(clippy::print_stdout)]

use std::{env, error::Error};

use mlci_track::{
    Digest, RunLog, Status,
    mlflow::{Client, Registration, SyncOptions},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = RunLog::open(&env::temp_dir().join("mlci-track-example"))?;
    let model = b"the model's bytes".to_vec();
    let digest = Digest::of(&model);

    let run = log.start("example")?;
    run.param("algorithm", "ols")?;
    for step in 0..100_u32 {
        run.metric("rmse", 0.6 + 0.4 / f64::from(step + 1), u64::from(step))?;
    }
    run.artifact("model/example.mlci", &digest, model.len() as u64)?;
    run.finish(Status::Finished, None)?;

    let client = Client::from_env()?;
    println!("MLflow {} at {}", client.server_version().await?, client.tracking_uri());
    let options = SyncOptions::default().experiment("mlci-example").artifact("model/example.mlci", model);
    for _ in 0..2 {
        let report = client.sync(&log, run.id(), &options).await?;
        println!("{}: {} points sent, {} there", report.page, report.points.sent, report.points.present);
    }

    let report = client.sync(&log, run.id(), &options).await?;
    let version = client
        .register(&Registration {
            name: "mlci-example",
            run_id: &report.run_id,
            folder: "model",
            digest: &digest,
            tags: &[],
        })
        .await?;
    client.set_alias("mlci-example", "champion", version.number).await?;
    println!("{}: champion is version {:?}", version.page, client.alias("mlci-example", "champion").await?);
    Ok(())
}
