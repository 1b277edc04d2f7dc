"""Writes pyarrow.parquet, which a test reads. The file there is from pandas 3.1.1 with pyarrow 25.0.1."""

import datetime as dt
import pathlib

import pandas as pd

frame = pd.DataFrame(
    {
        "a": [0.5, None, 2.5],
        "n": [1, 2, 3],
        "flag": [True, False, True],
        "colour": ["red", "blue", "red"],
        "grade": pd.Categorical(["A", "B", "A"]),
        "day": [dt.date(2024, 2, 29), dt.date(1970, 1, 1), dt.date(1969, 12, 31)],
        "at": pd.to_datetime(["2024-02-29T12:00", "1970-01-01T00:00", "1969-12-31T12:00"]),
        "tags": [["x"], [], ["y", "z"]],
        "y": [1.0, 2.0, 3.0],
    }
)
frame.to_parquet(pathlib.Path(__file__).with_name("pyarrow.parquet"), engine="pyarrow", index=False)
