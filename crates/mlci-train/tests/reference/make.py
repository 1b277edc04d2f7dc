"""Writes fits.json and metrics.json: what scikit-learn and statsmodels make of small data sets.

Not run by the tests, which read the files. With numpy, scikit-learn and statsmodels installed:

    python make.py
"""

import json
import math
import pathlib

import numpy as np
import sklearn
import statsmodels
import statsmodels.api as sm
from sklearn import metrics as skm
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge, TweedieRegressor
from sklearn.preprocessing import StandardScaler

FOLDER = pathlib.Path(__file__).parent


def features(rows):
    """Columns of other units and offsets, two of them correlated. By formula, so that no generator matters."""
    i = np.arange(rows)
    a = np.sin(i * 1.7) * 3 + 10
    b = np.cos(i * 0.9) * 200 + 0.5 * a
    c = ((i * 7919) % 101) / 101
    d = 0.8 * (a - 10) / 3 + 0.4 * np.sin(i * 5.3)
    return np.column_stack([a, b, c, d])


def noise(rows, step):
    i = np.arange(rows)
    return np.modf(np.sin(i * step + 0.1) * 43758.5453)[0]


ROWS = 120
X = features(ROWS)
NOISE = noise(ROWS, 12.9898)
LINEAR = 2 * X[:, 0] - 0.01 * X[:, 1] + 0.5 * X[:, 3] + NOISE
ETA = 0.5 + 0.1 * (X[:, 0] - 10) + 0.8 * X[:, 2] - 0.3 * X[:, 3]
COUNTS = np.floor(np.exp(ETA) * (1 + NOISE)).clip(0)
AMOUNTS = np.exp(ETA) * (1.05 + NOISE)
SUMS = np.where(np.arange(ROWS) % 3 == 0, 0.0, AMOUNTS)
CLASSES = (ETA - ETA.mean() + 2 * noise(ROWS, 78.233) > 0.4).astype(float)


def unscaled(scaler, weights, intercept):
    coefficients = weights / scaler.scale_
    return [*coefficients.tolist(), float(intercept - coefficients @ scaler.mean_)]


def behind_scaler(model, target):
    scaler = StandardScaler().fit(X)
    fitted = model.fit(scaler.transform(X), target)
    return unscaled(scaler, np.ravel(fitted.coef_), np.ravel(fitted.intercept_)[0])


def glm(family, target):
    fitted = sm.GLM(target, sm.add_constant(X), family=family).fit(tol=1e-14, maxiter=200)
    return [*fitted.params[1:].tolist(), float(fitted.params[0])]


def fits():
    cases = []

    def add(algorithm, target, expected, made_by, **chosen):
        cases.append({"algorithm": algorithm, "chosen": chosen, "target": target, "expected": expected, "by": made_by})

    for penalty in [0.1, 10.0, 1000.0]:
        add("ridge", "linear", behind_scaler(Ridge(alpha=penalty, solver="cholesky"), LINEAR), "sklearn Ridge",
            penalty=penalty)
    tight = {"tol": 1e-14, "max_iter": 1_000_000}
    for penalty in [0.001, 0.1, 1.0, 100.0]:
        add("lasso", "linear", behind_scaler(Lasso(alpha=penalty, **tight), LINEAR), "sklearn Lasso", penalty=penalty)
    for penalty, share in [(0.01, 0.5), (0.5, 0.1), (0.5, 0.9)]:
        model = ElasticNet(alpha=penalty, l1_ratio=share, **tight)
        add("elastic_net", "linear", behind_scaler(model, LINEAR), "sklearn ElasticNet", penalty=penalty, l1_share=share)

    log = sm.families.links.Log()
    add("poisson", "counts", glm(sm.families.Poisson(link=log), COUNTS), "statsmodels GLM")
    add("gamma", "amounts", glm(sm.families.Gamma(link=log), AMOUNTS), "statsmodels GLM")
    for power in [1.2, 1.5, 1.9]:
        family = sm.families.Tweedie(link=log, var_power=power)
        add("tweedie", "sums", glm(family, SUMS), "statsmodels GLM", power=power)
    add("logistic", "classes", glm(sm.families.Binomial(), CLASSES), "statsmodels GLM")

    newton = {"solver": "newton-cholesky", "tol": 1e-13, "max_iter": 1000}
    for name, power, target in [("poisson", 1, COUNTS), ("gamma", 2, AMOUNTS), ("tweedie", 1.5, SUMS)]:
        chosen = {"power": power} if name == "tweedie" else {}
        model = TweedieRegressor(power=power, alpha=0.1, link="log", **newton)
        add(name, {"poisson": "counts", "gamma": "amounts", "tweedie": "sums"}[name], behind_scaler(model, target),
            "sklearn TweedieRegressor", penalty=0.1, **chosen)
    for penalty in [0.01, 1.0]:
        model = LogisticRegression(C=1 / (ROWS * penalty), **newton)
        add("logistic", "classes", behind_scaler(model, CLASSES), "sklearn LogisticRegression", penalty=penalty)
    return {
        "versions": versions(),
        "x": X.tolist(),
        "targets": {"linear": LINEAR.tolist(), "counts": COUNTS.tolist(), "amounts": AMOUNTS.tolist(),
                    "sums": SUMS.tolist(), "classes": CLASSES.tolist()},
        "cases": cases,
    }


def versions():
    return {"numpy": np.__version__, "scikit-learn": sklearn.__version__, "statsmodels": statsmodels.__version__}


def metrics():
    def classification(name, truth, prediction, threshold):
        truth, prediction = np.asarray(truth, float), np.asarray(prediction, float)
        said = prediction >= threshold
        return {
            "name": name, "truth": truth.tolist(), "prediction": prediction.tolist(), "threshold": threshold,
            "expected": {
                # Both columns, since 1 - (1 - 1e-15) is not 1e-15.
                "log_loss": float(skm.log_loss(truth, np.clip(np.column_stack([1 - prediction, prediction]), 1e-15, 1))),
                "roc_auc": float(skm.roc_auc_score(truth, prediction)),
                "pr_auc": float(skm.average_precision_score(truth, prediction)),
                "brier": float(skm.brier_score_loss(truth, prediction)),
                "accuracy": float(skm.accuracy_score(truth, said)),
                "precision": float(skm.precision_score(truth, said, zero_division=np.nan)),
                "recall": float(skm.recall_score(truth, said)),
                "f1": float(skm.f1_score(truth, said)),
            },
        }

    i = np.arange(200)
    wavy = np.modf(np.abs(np.sin(i * 12.9898) * 43758.5453))[0]
    rare = (np.modf(np.abs(np.sin(i * 78.233) * 12543.1))[0] < 0.05 + 0.3 * (wavy > 0.9)).astype(float)
    half = (np.modf(np.abs(np.sin(i * 3.33) * 9999.1))[0] < wavy).astype(float)
    truth = 3 + np.sin(i) * 2
    prediction = truth + np.cos(i * 2.1)
    regression = {
        "truth": truth.tolist(), "prediction": prediction.tolist(),
        "expected": {
            "rmse": math.sqrt(skm.mean_squared_error(truth, prediction)),
            "mae": float(skm.mean_absolute_error(truth, prediction)),
            "median_ae": float(skm.median_absolute_error(truth, prediction)),
            "r2": float(skm.r2_score(truth, prediction)),
            "mape": float(skm.mean_absolute_percentage_error(truth, prediction)),
        },
    }
    return {
        "versions": versions(),
        "regression": [regression],
        "classification": [
            classification("balanced", half, wavy, 0.5),
            classification("ties", half, np.round(wavy, 1), 0.3),
            classification("all tied", half, np.full(200, 0.4), 0.3),
            classification("imbalance", rare, wavy / 2, 0.4),
            classification("imbalance and ties", rare, np.round(wavy, 1), 0.7),
            classification("certain and wrong", [0, 1, 1, 0, 1], [0.0, 1.0, 0.0, 1.0, 1.0], 0.5),
            classification("small", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.38),
        ],
    }


def write(name, content):
    text = json.dumps(content, indent=1, allow_nan=False)
    (FOLDER / name).write_text(text + "\n")


write("fits.json", fits())
write("metrics.json", metrics())
