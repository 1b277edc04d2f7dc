"""What a user would take instead, each as a process of its own: peers.py WHAT DATA [OUT]."""

import json
import pickle
import sys
import time


def evaluate(x, y, out, model=None):
    """Split, fit, evaluate, save: as any introduction does it."""
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
    from sklearn.model_selection import train_test_split

    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0)
    model = (model or LinearRegression()).fit(x_train, y_train)
    prediction = model.predict(x_test)
    with open(out, "wb") as file:
        pickle.dump(model, file)
    return {
        "rmse": root_mean_squared_error(y_test, prediction),
        "mae": mean_absolute_error(y_test, prediction),
        "r2": r2_score(y_test, prediction),
    }


def pandas(path, out):
    import pandas as pd

    table = pd.read_csv(path)
    return evaluate(table.drop(columns="y"), table["y"], out)


def encoder(sparse):
    """Texts to columns of 0 and 1 without the first level, as a user's pipeline has it."""
    from sklearn.compose import ColumnTransformer, make_column_selector
    from sklearn.preprocessing import OneHotEncoder

    texts = make_column_selector(pattern="^c")
    encode = OneHotEncoder(drop="first", sparse_output=sparse)
    # By itself it makes a sparse matrix dense, or not, by how many values are 0.
    return ColumnTransformer([("texts", encode, texts)], remainder="passthrough", sparse_threshold=float(sparse))


def onehot(path, out):
    import pandas as pd
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    table = pd.read_csv(path)
    return evaluate(table.drop(columns="y"), table["y"], out, make_pipeline(encoder(True), LinearRegression()))


def polars(path, out):
    import polars as pl

    table = pl.read_csv(path)
    return evaluate(table.drop("y").to_numpy(), table["y"].to_numpy(), out)


def duckdb(path, _):
    import duckdb

    connection = duckdb.connect()
    names = [row[0] for row in connection.execute(f"describe select * from read_csv('{path}')").fetchall()]
    pairs = [f"sum({a} * {b})" for i, a in enumerate(names) for b in names[: i + 1]]
    sums = connection.execute(f"select {', '.join(pairs)} from read_csv('{path}')").fetchone()
    return {"products": len(sums)}


def numpy(path, _):
    """Least squares of a matrix that is there already; reading it does not count."""
    import numpy as np
    import pandas as pd

    table = pd.read_csv(path).to_numpy()
    started = time.perf_counter()
    x = np.column_stack([np.ones(len(table)), table[:, :-1]])
    coefficients = np.linalg.solve(x.T @ x, x.T @ table[:, -1])
    return {"seconds": time.perf_counter() - started, "first": coefficients[1]}


def check(path, rows):
    """The coefficients of the rows that the file `rows` lists."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    table = pd.read_csv(path).iloc[np.fromfile(rows, dtype=np.uint64)]
    model = LinearRegression().fit(encoder(False).fit_transform(table.drop(columns="y")), table["y"])
    return {"coefficients": model.coef_.tolist()}


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


what, path, out = sys.argv[1:]
found = {"pandas": pandas, "onehot": onehot, "polars": polars, "duckdb": duckdb, "numpy": numpy, "check": check}[what](path, out)
print(json.dumps(found | {"mib": peak()}))
