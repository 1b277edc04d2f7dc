"""The peer of `cargo xtask bench predict`: scikit-learn makes the models, ONNX Runtime's Python API predicts.

`peer.py FOLDER make` writes the models and the rows; `check` prints predictions, `time` nanoseconds a row.
"""

import json
import pathlib
import sys
import time

import numpy as np

FOLDER, WHAT = pathlib.Path(sys.argv[1]), sys.argv[2]
MODELS = ["own", "linear", "forest", "boosting"]
FEATURES = 20
BATCH = 1000
SECONDS = 0.2


def make():
    from skl2onnx import to_onnx
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import LinearRegression

    random = np.random.default_rng(0)
    x = random.normal(size=(5000, FEATURES)).astype(np.float32)
    y = x[:, :5].sum(axis=1) + np.sin(3 * x[:, 5]) + x[:, 6] * x[:, 7] + random.normal(size=5000) / 4
    linear = LinearRegression().fit(x, y)
    models = {
        "linear": linear,
        "forest": RandomForestRegressor(100, max_depth=10, random_state=0).fit(x, y),
        "boosting": GradientBoostingRegressor(n_estimators=100, max_depth=3, random_state=0).fit(x, y),
    }
    for name, model in models.items():
        (FOLDER / f"{name}.onnx").write_bytes(to_onnx(model, x[:1]).SerializeToString())
    weights = {"coefficients": linear.coef_.astype(float).tolist(), "intercept": float(linear.intercept_)}
    (FOLDER / "own.json").write_text(json.dumps(weights))
    rows = random.normal(size=(BATCH, FEATURES)).astype(np.float32).astype(float)
    (FOLDER / "rows.json").write_text(json.dumps(rows.ravel().tolist()))


def sessions():
    import onnxruntime

    rows = np.asarray(json.loads((FOLDER / "rows.json").read_text())).reshape(BATCH, FEATURES)
    for name in MODELS:
        session = onnxruntime.InferenceSession(FOLDER / f"{name}.onnx", providers=["CPUExecutionProvider"])
        # Our own model is exported in 64 bits.
        yield name, session, rows if name == "own" else rows.astype(np.float32)


def check():
    print(json.dumps({name: session.run(None, {"X": rows})[0].ravel().tolist() for name, session, rows in sessions()}))


def nanoseconds(call, rows):
    call()
    count, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < SECONDS:
        call()
        count += 1
    return took / count / rows * 1e9


def measure():
    found = {}
    for name, session, rows in sessions():
        one, many = {"X": rows[:1].copy()}, {"X": rows}
        found[name] = [nanoseconds(lambda: session.run(None, one), 1), nanoseconds(lambda: session.run(None, many), BATCH)]
    print(json.dumps(found))


{"make": make, "check": check, "time": measure}[WHAT]()
