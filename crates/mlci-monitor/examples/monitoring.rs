//! Writes what watches a model into a folder: `cargo run -p mlci-monitor --example monitoring -- FOLDER`.
#![allow(clippy::print_stdout, reason = "a program that says what it has written")]

use std::{error::Error, fs, path::PathBuf};

use mlci_monitor::{Environment, Place, Settings};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder to write to")?);
    let mut settings = Settings::new("wine-quality".parse()?);
    settings.environments = vec![
        Environment { name: "staging".parse()?, place: Place::Address("127.0.0.1:8081".to_owned()) },
        Environment { name: "production".parse()?, place: Place::Namespace("wine-quality-production".to_owned()) },
    ];
    settings.thresholds.latency_seconds = 0.1;
    settings.runbook = Some("https://example.com/runbook".to_owned());
    settings.pushgateway = Some("http://127.0.0.1:9091".to_owned());
    for file in [settings.rules()?, settings.dashboards()?, settings.elk()?].concat() {
        let path = folder.join(&file.path);
        fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        fs::write(&path, &file.text)?;
        println!("{}", path.display());
    }
    Ok(())
}
