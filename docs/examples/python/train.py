"""Trains a model of the quality of red wine and writes it as ONNX.

By hand: `python train.py` trains on data.csv and writes to output/.
By mlci: MLCI_DATA has the rows to train on, MLCI_OUTPUT is the folder for the model; the held-out rows stay with mlci.
"""

import json
import os
from pathlib import Path

import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.sklapi import CastTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

TARGET = "quality"


def load(path: Path) -> tuple[pd.DataFrame, pd.Series]:
    data = pd.read_csv(path)
    return data.drop(columns=TARGET), data[TARGET]


def build(seed: int) -> Pipeline:
    trees = GradientBoostingRegressor(
        n_estimators=200, max_depth=4, learning_rate=0.05, subsample=0.8, random_state=seed
    )
    # scikit-learn's trees compare 32-bit floats. Said outright, ONNX does the same; else values that lie on a threshold
    # may fall to its other side there.
    return make_pipeline(StandardScaler(), CastTransformer(), trees)


def export(model: Pipeline) -> bytes:
    # One input with a column for each feature, in the order of the data.
    inputs = [("features", DoubleTensorType([None, model.n_features_in_]))]
    # Without a name the graph gets a random one, and the same model another digest every time.
    return to_onnx(model, initial_types=inputs, name="wine-quality").SerializeToString()


def main() -> None:
    data = Path(os.environ.get("MLCI_DATA", "data.csv"))
    output = Path(os.environ.get("MLCI_OUTPUT", "output"))
    seed = int(os.environ.get("MLCI_SEED", "42"))

    features, target = load(data)
    print(f"training on {len(features)} rows of {features.shape[1]} features")
    scores = cross_validate(build(seed), features, target, cv=5, scoring=["r2", "neg_root_mean_squared_error"])
    metrics = {
        "cv_r2": float(scores["test_r2"].mean()),
        "cv_rmse": float(-scores["test_neg_root_mean_squared_error"].mean()),
    }
    print(json.dumps(metrics))

    model = build(seed).fit(features, target)
    output.mkdir(exist_ok=True)
    (output / "model.onnx").write_bytes(export(model))
    (output / "metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    main()
