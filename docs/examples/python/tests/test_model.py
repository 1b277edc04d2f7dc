"""The model that was trained, before the gate sees it: mlci runs this with its path in MLCI_ONNX."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

DATA = Path(__file__).parent.parent / "data.csv"


@pytest.fixture(scope="module")
def predict():
    session = onnxruntime.InferenceSession(os.environ.get("MLCI_ONNX", "output/model.onnx"))
    name = session.get_inputs()[0].name
    return lambda rows: session.run(None, {name: rows.to_numpy(dtype=np.float64)})[0].ravel()


@pytest.fixture(scope="module")
def rows():
    return pd.read_csv(DATA).drop(columns="quality")


def test_predictions_are_marks(predict, rows):
    predictions = predict(rows)
    assert np.isfinite(predictions).all()
    assert predictions.min() >= 2 and predictions.max() <= 9


def test_a_row_alone_is_predicted_as_among_others(predict, rows):
    np.testing.assert_allclose(predict(rows[:1]), predict(rows)[:1], rtol=1e-6)
