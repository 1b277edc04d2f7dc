//! Our side of `cargo xtask bench predict`: `mlci-bench-predict FOLDER export|check|time`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use mlci_core::Digest;
use mlci_model::{Column, Estimator, Kind, Linear, Model, Onnx, Parts, Profile, Range, Schema};

const MODELS: [&str; 4] = ["own", "linear", "forest", "boosting"];
const FEATURES: usize = 20;
const TIME: Duration = Duration::from_millis(200);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("no folder")?);
    match arguments.next().as_deref() {
        Some("export") => Ok(fs::write(folder.join("own.onnx"), model(&folder, "own")?.to_onnx()?)?),
        Some("check") => {
            let rows = rows(&folder)?;
            let predict = |name: &&'static str| Ok((*name, model(&folder, name)?.predict(&rows)?));
            let found: BTreeMap<&str, Vec<f64>> = MODELS.iter().map(predict).collect::<Outcome<_>>()?;
            println!("{}", serde_json::to_string(&found)?);
            Ok(())
        }
        Some("time") => {
            let rows = rows(&folder)?;
            let mut found = BTreeMap::new();
            for name in MODELS {
                let model = model(&folder, name)?;
                let (one, _) = rows.split_at(FEATURES);
                let mut predictions = vec![0.0; rows.len() / FEATURES];
                let single = nanoseconds(1, || model.predict_row(black_box(one)).map(|_| ()))?;
                let count = predictions.len();
                let batch = nanoseconds(count, || model.predict_into(black_box(&rows), &mut predictions))?;
                found.insert(name, [single, batch]);
            }
            println!("{}", serde_json::to_string(&found)?);
            Ok(())
        }
        _ => Err("say export, check or time".into()),
    }
}

fn rows(folder: &Path) -> Outcome<Vec<f64>> {
    Ok(serde_json::from_slice(&fs::read(folder.join("rows.json"))?)?)
}

fn model(folder: &Path, name: &str) -> Outcome<Model> {
    let column = |name: String| Column::new(&name, Kind::Float, None, Range { min: -5.0, max: 5.0 });
    let schema = Schema {
        features: (0..FEATURES).map(|place| column(format!("x{place}"))).collect(),
        target: column("y".to_owned()),
    };
    let estimator = if name == "own" {
        #[derive(serde::Deserialize)]
        struct Weights {
            coefficients: Vec<f64>,
            intercept: f64,
        }
        let Weights { coefficients, intercept } = serde_json::from_slice(&fs::read(folder.join("own.json"))?)?;
        Estimator::Linear(Linear { coefficients, intercept })
    } else {
        let bytes = fs::read(folder.join(format!("{name}.onnx")))?;
        Estimator::Onnx(Onnx::new(bytes, &schema.features, &schema.target)?)
    };
    let profile = Profile::of(&[0.0, 1.0]).ok_or("no profile")?;
    Ok(Model::new(Parts {
        name: "bench".parse()?,
        profiles: vec![profile.clone(); FEATURES],
        schema,
        estimator,
        prediction_profile: profile,
        data: Digest::of(b""),
        config: Digest::of(b""),
        golden: Vec::new(),
    })?)
}

/// The time of a call, by the rows in it.
fn nanoseconds<E>(rows: usize, mut call: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    call()?;
    let (started, mut count) = (Instant::now(), 0_u32);
    loop {
        // The clock takes longer than a prediction of our own.
        for _ in 0..16 {
            call()?;
        }
        count += 16;
        let took = started.elapsed();
        if took >= TIME {
            return Ok(took.as_secs_f64() * 1e9 / f64::from(count) / rows as f64);
        }
    }
}
