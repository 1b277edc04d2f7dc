"""Fits small models with Python, exports them to ONNX, and writes what ONNX Runtime predicts with them.

    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python make.py

Writes one `.onnx` file a model and `cases.json` beside this script. The Rust tests compare with the latter. With the
argument `check`, runs by ONNX Runtime what mlci has exported (`exported_*.onnx`), and compares with `exported.json`.
"""

import json
import math
import os
import pathlib
import sys
import warnings

if "PYTHONHASHSEED" not in os.environ:
    # Converters go through sets, in whose order names are given.
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

import lightgbm
import numpy as np
import onnx
import onnxmltools
import onnxruntime
import pandas as pd
import sklearn.ensemble as ensemble
import sklearn.linear_model as linear
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MlFloat
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

warnings.filterwarnings("ignore")
FOLDER = pathlib.Path(__file__).parent
FEATURES = ["a", "b", "c", "d"]
COLOURS = ["blue", "green", "red"]
OPSET = {"": 18, "ai.onnx.ml": 3}

random = np.random.default_rng(5)
X = random.normal(size=(200, 4)).astype(np.float32)
Y = (2 * X[:, 0] - X[:, 1] + np.sin(3 * X[:, 2]) + 0.5 * X[:, 3] ** 2 + 3).astype(np.float32)
CLASS = (Y > np.median(Y)).astype(np.int64)
TEXT = np.where(CLASS == 1, "yes", "no")
FRAME = pd.DataFrame(X, columns=FEATURES)
FRAME["colour"] = random.choice(COLOURS, 200)
FRAME["size"] = random.integers(0, 5, 200)
Y_FRAME = (Y + FRAME["colour"].map({"blue": 0, "green": 2, "red": -1}) + FRAME["size"]).astype(np.float32)

cases = []
make_attribute = onnx.helper.make_attribute


def make_attribute_of_integers(key, value, *rest, **named):
    """skl2onnx hands on flags that are numpy's booleans, which later protobuf refuses."""
    if isinstance(value, (list, np.ndarray)) and any(isinstance(one, (bool, np.bool_)) for one in value):
        value = [int(flag) for flag in value]
    return make_attribute(key, value, *rest, **named)


onnx.helper.make_attribute = make_attribute_of_integers


def thresholds(model):
    """Values that splits of the graph ask for, as they are: whether a row goes left or right must not depend on rounding."""
    rows = []
    for node in model.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_values" in attributes:
            values, features = attributes["nodes_values"].floats, attributes["nodes_featureids"].ints
            modes = attributes["nodes_modes"].strings
            for value, feature, mode in list(zip(values, features, modes))[:60:7]:
                if mode != b"LEAF" and feature < len(FEATURES):
                    row = X[len(rows)].copy()
                    row[feature] = value
                    rows.append(row)
    return rows


def probability(outputs, names):
    """The probability of the second class, from whatever form the outputs have."""
    value = outputs[-1]
    if isinstance(value, list):
        keys = sorted(value[0])
        return [row[keys[-1]] for row in value]
    return value[:, -1] if value.ndim == 2 else value


def kept(number):
    return None if math.isnan(number) else float(number)


def save(name, model, missing=False, classes=None, frame=False, works=None):
    if not isinstance(model, bytes):
        # No text for people, which changes with versions.
        model.doc_string = ""
        if name.startswith(("lightgbm", "xgboost")):
            # A new one each time.
            model.graph.name = name
        for node in model.graph.node:
            node.doc_string = ""
        model = model.SerializeToString()
    (FOLDER / f"{name}.onnx").write_bytes(model)
    graph = onnx.load_from_string(model)
    case = {"name": name, "bytes": len(model), "operators": sorted({node.op_type for node in graph.graph.node})}
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if frame:
        table = FRAME.head(20).copy()
        names = [entry.name for entry in inputs]
        kinds = {entry.name: entry.type for entry in inputs}
        numpy = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(string)": object}
        feeds = {key: table[[key]].to_numpy().astype(numpy[kinds[key]]) for key in names}
        case["features"] = [
            {"name": key, "levels": COLOURS if key == "colour" else [], "integer": key == "size"} for key in FRAME.columns if key in names
        ]
        case["rows"] = [
            [float(COLOURS.index(row[key])) if key == "colour" else kept(row[key]) for key in FRAME.columns if key in names]
            for _, row in table.iterrows()
        ]
    else:
        rows = [*X[:20], *thresholds(graph)]
        if missing:
            for place, row in enumerate(X[20:28]):
                row = row.copy()
                row[place % 4] = np.nan
                rows.append(row)
            rows.append(np.full(4, np.nan, dtype=np.float32))
        dtype = np.float64 if inputs[0].type == "tensor(double)" else np.float32
        feeds = {inputs[0].name: np.asarray(rows, dtype=dtype)}
        case["features"] = [{"name": key, "levels": [], "integer": False} for key in FEATURES]
        case["rows"] = [[kept(value) for value in row] for row in rows]
    outputs = session.run(None, feeds)
    if classes:
        case["classes"] = classes
        prediction = probability(outputs, classes)
    else:
        prediction = outputs[0]
    case["predictions"] = [float(value) for value in np.asarray(prediction).reshape(-1)]
    assert len(case["predictions"]) == len(case["rows"]), (name, len(case["predictions"]), len(case["rows"]))
    cases.append(case)


def sklearn_regressor(name, model, initial=None, missing=False, target=Y):
    model.fit(X, target)
    save(name, to_onnx(model, initial_types=[("X", initial or FloatTensorType([None, 4]))], target_opset=OPSET), missing)


def sklearn_classifier(name, model, target=CLASS, zipmap=False, missing=False, **options):
    model.fit(X, target)
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    onnx_model = to_onnx(
        model,
        initial_types=[("X", FloatTensorType([None, 4]))],
        target_opset=OPSET,
        options={id(last): {"zipmap": zipmap, **options}},
    )
    save(name, onnx_model, missing, classes=["no", "yes"] if target is TEXT else ["0", "1"])


def holed():
    values = X.copy()
    values[::7, 1] = np.nan
    values[3::11, 2] = np.nan
    return values


def all_models():
    sklearn_regressor("linear", linear.LinearRegression())
    sklearn_regressor("ridge_double", linear.Ridge(), DoubleTensorType([None, 4]))
    sklearn_regressor("lasso_scaled", make_pipeline(StandardScaler(), linear.Lasso(0.05)))
    sklearn_regressor("minmax_ridge", make_pipeline(MinMaxScaler(clip=True), linear.Ridge()))
    sklearn_regressor("maxabs_elastic", make_pipeline(MaxAbsScaler(), linear.ElasticNet(0.01)))
    sklearn_regressor("robust_huber", make_pipeline(RobustScaler(), linear.HuberRegressor()))
    sklearn_regressor("normalizer_ridge", make_pipeline(Normalizer(), linear.Ridge()))
    sklearn_regressor("normalizer_l1_ridge", make_pipeline(Normalizer("l1"), linear.Ridge()))
    sklearn_regressor("binarizer_linear", make_pipeline(Binarizer(threshold=0.1), linear.LinearRegression()))
    sklearn_regressor("polynomial", make_pipeline(PolynomialFeatures(2), linear.LinearRegression()))
    sklearn_regressor("imputer_ridge", make_pipeline(SimpleImputer(), StandardScaler(), linear.Ridge()), missing=True)
    sklearn_regressor("poisson", linear.PoissonRegressor(), target=Y - Y.min())
    sklearn_regressor("decision_tree", DecisionTreeRegressor(max_depth=5, random_state=0))
    sklearn_regressor("random_forest", ensemble.RandomForestRegressor(8, max_depth=4, random_state=0))
    sklearn_regressor("extra_trees", ensemble.ExtraTreesRegressor(6, max_depth=4, random_state=0))
    sklearn_regressor("gradient_boosting", ensemble.GradientBoostingRegressor(n_estimators=12, max_depth=2, random_state=0))
    sklearn_regressor("bagging", ensemble.BaggingRegressor(DecisionTreeRegressor(max_depth=3), 3, random_state=0))
    sklearn_regressor("voting", ensemble.VotingRegressor([("l", linear.Ridge()), ("t", DecisionTreeRegressor(max_depth=3))]))
    sklearn_regressor("mlp", MLPRegressor(hidden_layer_sizes=(6,), max_iter=200, random_state=0))
    sklearn_regressor("linear_svr", LinearSVR(random_state=0))
    sklearn_regressor("svr", SVR(C=0.5, epsilon=0.6))
    sklearn_regressor("knn", KNeighborsRegressor(3))

    model = ensemble.HistGradientBoostingRegressor(max_iter=6, max_leaf_nodes=6, random_state=0, min_samples_leaf=5)
    model.fit(holed(), Y)
    save("hist_gradient_boosting", to_onnx(model, initial_types=[("X", FloatTensorType([None, 4]))], target_opset=OPSET), True)

    sklearn_classifier("logistic", linear.LogisticRegression())
    sklearn_classifier("logistic_zipmap", linear.LogisticRegression(), zipmap=True)
    sklearn_classifier("logistic_text", make_pipeline(StandardScaler(), linear.LogisticRegression()), TEXT)
    sklearn_classifier("logistic_text_zipmap", make_pipeline(StandardScaler(), linear.LogisticRegression()), TEXT, True)
    sklearn_classifier("decision_tree_classifier", DecisionTreeClassifier(max_depth=4, random_state=0), TEXT)
    sklearn_classifier("random_forest_classifier", ensemble.RandomForestClassifier(8, max_depth=4, random_state=0), TEXT)
    sklearn_classifier("gradient_boosting_classifier", ensemble.GradientBoostingClassifier(n_estimators=8, max_depth=2, random_state=0))
    sklearn_classifier("sgd_classifier", linear.SGDClassifier(loss="log_loss", random_state=0))
    sklearn_classifier("svc", SVC(C=0.3, probability=True, random_state=0))

    model = ensemble.HistGradientBoostingClassifier(max_iter=6, max_leaf_nodes=6, random_state=0, min_samples_leaf=5)
    model.fit(holed(), CLASS)
    save("hist_gradient_boosting_classifier", to_onnx(model, initial_types=[("X", FloatTensorType([None, 4]))], target_opset=OPSET, options={"zipmap": False}), True, ["0", "1"])

    # onnxmltools
    model = lightgbm.LGBMRegressor(n_estimators=8, num_leaves=6, min_child_samples=5, verbose=-1, random_state=0).fit(holed(), Y)
    save("lightgbm", onnxmltools.convert_lightgbm(model, initial_types=[("X", MlFloat([None, 4]))], target_opset=15), True)
    model = lightgbm.LGBMClassifier(n_estimators=8, num_leaves=6, min_child_samples=5, verbose=-1, random_state=0).fit(holed(), CLASS)
    save("lightgbm_classifier", onnxmltools.convert_lightgbm(model, initial_types=[("X", MlFloat([None, 4]))], target_opset=15, zipmap=False), True, ["0", "1"])
    save("lightgbm_classifier_zipmap", onnxmltools.convert_lightgbm(model, initial_types=[("X", MlFloat([None, 4]))], target_opset=15), True, ["0", "1"])
    model = xgboost.XGBRegressor(n_estimators=8, max_depth=3, random_state=0).fit(holed(), Y)
    save("xgboost", onnxmltools.convert_xgboost(model, initial_types=[("X", MlFloat([None, 4]))], target_opset=15), True)
    model = xgboost.XGBClassifier(n_estimators=8, max_depth=3, random_state=0).fit(holed(), CLASS)
    save("xgboost_classifier", onnxmltools.convert_xgboost(model, initial_types=[("X", MlFloat([None, 4]))], target_opset=15), True, ["0", "1"])

    # A column each: what a data frame is exported as.
    text = ["colour"]
    numbers = ["a", "b", "c", "d"]
    prepare = ColumnTransformer([("text", OneHotEncoder(handle_unknown="ignore"), text), ("numbers", StandardScaler(), numbers)])
    columns = [*numbers, *text]
    model = make_pipeline(prepare, linear.Ridge()).fit(FRAME[columns], Y_FRAME)
    save("columns_ridge", to_onnx(model, FRAME[columns].head(1), target_opset=OPSET), frame=True)
    prepare = ColumnTransformer([
        ("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), text),
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
    ], remainder="passthrough")
    model = make_pipeline(prepare, ensemble.RandomForestRegressor(5, max_depth=3, random_state=0)).fit(FRAME, Y_FRAME)
    save("columns_forest", to_onnx(model, FRAME.head(1), target_opset=OPSET), frame=True)
    prepare = ColumnTransformer([("text", OrdinalEncoder(), text), ("numbers", "passthrough", numbers)])
    model = make_pipeline(prepare, ensemble.GradientBoostingRegressor(n_estimators=6, max_depth=2, random_state=0)).fit(FRAME[columns], Y_FRAME)
    save("columns_ordinal", to_onnx(model, FRAME[columns].head(1), target_opset=OPSET), frame=True)
    prepare = ColumnTransformer([("whole", OneHotEncoder(handle_unknown="ignore"), ["size"]), ("numbers", "passthrough", numbers)])
    columns = [*numbers, "size"]
    model = make_pipeline(prepare, linear.LogisticRegression()).fit(FRAME[columns], CLASS)
    save("columns_logistic", to_onnx(model, FRAME[columns].head(1), target_opset=OPSET, options={"zipmap": False}), frame=True, classes=["0", "1"])


def write():
    all_models()
    text = json.dumps(cases, separators=(",", ":")).replace('{"name":"', '\n{"name":"')
    (FOLDER / "cases.json").write_text(text + "\n")
    print(f"{len(cases)} models, {sum(case['bytes'] for case in cases)} bytes")


def check():
    """Runs what mlci exports, and compares with what mlci predicts."""
    worst = 0.0
    for case in json.loads((FOLDER / "exported.json").read_text()):
        session = onnxruntime.InferenceSession(FOLDER / f"exported_{case['name']}.onnx", providers=["CPUExecutionProvider"])
        rows = np.asarray(case["rows"]).reshape(-1, len(case["features"]))
        inputs = [entry.name for entry in session.get_inputs()]
        if inputs == ["X"]:
            feeds = {"X": rows}
        else:
            feeds = {
                name: np.asarray([[levels[int(value)]] for value in column], dtype=object) if levels else column.reshape(-1, 1)
                for name, levels, column in zip(case["features"], case["levels"], rows.T)
            }
        outputs = dict(zip([entry.name for entry in session.get_outputs()], session.run(None, feeds)))
        if case["classes"]:
            found = outputs["probabilities"][:, sorted(case["classes"]).index(case["classes"][1])]
            likelier = [case["classes"][int(p > 0.5)] for p in case["predictions"]]
            assert list(outputs["label"]) == likelier, (case["name"], outputs["label"], likelier)
        else:
            found = outputs["variable"][:, 0]
        for ours, theirs in zip(case["predictions"], found, strict=True):
            off = abs(ours - theirs) / max(abs(ours), 1)
            assert off < 1e-12, (case["name"], ours, theirs)
            worst = max(worst, off)
        print(f"{case['name']}: {len(found)} predictions by ONNX Runtime are ours")
    print(f"to {worst:.1e} at worst")


check() if sys.argv[1:] == ["check"] else write()
