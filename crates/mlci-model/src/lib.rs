//! What a trained model is: schema, coefficients, reference profile, file format and prediction.
//!
//! A [`Model`] holds all that is needed to predict, to check that it still predicts what it did when it was made (its
//! golden predictions), and to notice later that the world has moved (its profiles). It holds no time, commit or run:
//! the same data and configuration give the same bytes. Those stand in the manifest of the version in the store.
//!
//! ```
//! use mlci_core::Digest;
//! use mlci_model::{Column, Estimator, Golden, Kind, Linear, Model, Parts, Profile, Schema};
//!
//! // y = 2·a - b + 1, as a trainer would hand it over.
//! let a = [0.0, 1.0, 2.0];
//! let b = [1.0, 0.0, 2.0];
//! let y = [0.0, 3.0, 3.0];
//! let column = |name: &str, values: &[f64]| Column::observed(name, Kind::Float, None, values).unwrap();
//! let model = Model::new(Parts {
//!     name: "demo".parse()?,
//!     schema: Schema { features: vec![column("a", &a), column("b", &b)], target: column("y", &y) },
//!     estimator: Estimator::Linear(Linear { coefficients: vec![2.0, -1.0], intercept: 1.0 }),
//!     profiles: vec![Profile::of(&a).unwrap(), Profile::of(&b).unwrap()],
//!     prediction_profile: Profile::of(&y).unwrap(),
//!     data: Digest::of(b"a,b,y ..."),
//!     config: Digest::of(b"[train] ..."),
//!     golden: vec![Golden { row: vec![1.0, 0.0], prediction: 3.0 }],
//! })?;
//!
//! // Decoding checks the digest and the golden predictions.
//! let bytes = model.encode()?;
//! let loaded = Model::decode(&bytes)?;
//! assert_eq!(loaded.predict_row(&[2.0, 2.0])?, 3.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Models that other tools have fitted come as ONNX files and are models like any other ([`Onnx::new`]); ours go there
//! ([`Model::to_onnx`]). Both need the feature `onnx`, without which such models can be read and not run.
#![cfg_attr(
    feature = "onnx",
    doc = r#"
```
use mlci_core::Digest;
use mlci_model::{Column, Estimator, Kind, Linear, Model, Onnx, Parts, Profile, Range, Schema};

let number = |name: &str| Column::new(name, Kind::Float, None, Range { min: 0.0, max: 2.0 });
let profile = Profile::of(&[0.0, 1.0, 2.0]).unwrap();
let ours = Model::new(Parts {
    name: "demo".parse()?,
    schema: Schema { features: vec![number("a"), number("b")], target: number("y") },
    estimator: Estimator::Linear(Linear { coefficients: vec![2.0, -1.0], intercept: 1.0 }),
    profiles: vec![profile.clone(), profile.clone()],
    prediction_profile: profile,
    data: Digest::of(b"a,b,y ..."),
    config: Digest::of(b"[train] ..."),
    golden: vec![],
})?;

// As a file from any other tool is taken.
let file = ours.to_onnx()?;
let mut parts = ours.parts().clone();
parts.estimator = Estimator::Onnx(Onnx::new(file, &parts.schema.features, &parts.schema.target)?);
let taken = Model::new(parts)?;
assert_eq!(taken.predict_row(&[2.0, 2.0])?, 3.0);
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
)]

mod date;
mod design;
mod estimator;
mod file;
mod model;
mod onnx;
mod profile;
mod schema;
mod value;

pub use mlci_core::{Digest, ModelName};

pub use crate::{
    date::{date_text, parse_date},
    design::Design,
    estimator::{Estimator, Generalized, Linear, Link},
    file::{FORMAT_VERSION, ModelFileError},
    model::{Golden, InvalidModel, Model, Parts, PredictError},
    onnx::{Onnx, OnnxColumn, OnnxElement, OnnxError, OnnxInput, OnnxOutput},
    profile::Profile,
    schema::{Column, Kind, Range, Schema, Unseen},
    value::{MAX_EXACT_INTEGER, NoValue, Value, is_missing},
};
