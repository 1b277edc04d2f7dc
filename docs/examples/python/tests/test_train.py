"""The code, before anything is trained for real: `python -m pytest tests/test_train.py`."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import train

DATA = Path(__file__).parent.parent / "data.csv"


@pytest.fixture(scope="module")
def fitted():
    features, target = train.load(DATA)
    return features, train.build(seed=1).fit(features, target)


def test_the_target_is_no_feature():
    features, target = train.load(DATA)
    assert train.TARGET not in features.columns
    assert len(features) == len(target) == 1599
    assert not features.isna().any().any()


def test_onnx_predicts_what_scikit_learn_predicts(fitted):
    features, model = fitted
    session = onnxruntime.InferenceSession(train.export(model))
    [onnx] = session.run(None, {"features": features.to_numpy(dtype=np.float64)})
    np.testing.assert_allclose(onnx.ravel(), model.predict(features), rtol=1e-6)


def test_the_same_seed_gives_the_same_bytes():
    features, target = train.load(DATA)
    features, target = features[:200], target[:200]
    first, second = (train.export(train.build(seed=3).fit(features, target)) for _ in range(2))
    assert first == second


def test_better_wine_is_predicted_to_be_better(fitted):
    features, model = fitted
    typical = features.median().to_frame().T
    strong = typical.assign(alcohol=features["alcohol"].quantile(0.95))
    sour = typical.assign(**{"volatile acidity": features["volatile acidity"].quantile(0.99)})
    assert model.predict(strong) > model.predict(typical) > model.predict(sour)
