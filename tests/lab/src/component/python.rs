use super::{Component, Kind};
use crate::install::Install;

/// The packages of the example project in Python. No server: a start hands out the interpreter that has them.
pub(super) static PYTHON: Component = Component {
    name: "python",
    about: "Python with what docs/examples/python/requirements.txt names: scikit-learn, skl2onnx, ONNX Runtime, pytest",
    kind: Kind::Real,
    installs: &[Install::Requirements {
        name: "python",
        text: include_str!("../../../../docs/examples/python/requirements.txt"),
    }],
    root: false,
    programs: &[],
    needs: &[],
    minutes: 2,
    hands_out: &["MLCI_LAB_PYTHON"],
    start: |place| {
        let python = place.program("venv/bin/python")?;
        place.set("MLCI_LAB_PYTHON", python.display().to_string());
        Ok(())
    },
};
