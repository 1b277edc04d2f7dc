"""Writes winequality-red.parquet: the rows of winequality-red.csv, in four row groups and with lists beside them, of which
some are missing. The file there is from pandas 3.1.1 with pyarrow 26.0.1."""

from pathlib import Path

import pandas as pd

here = Path(__file__).parent
data = pd.read_csv(here / "winequality-red.csv", sep=None, engine="python")
data["tags"] = [None if row % 3 == 0 else ["tasted"] * (row % 3) for row in range(len(data))]
data.to_parquet(here / "winequality-red.parquet", row_group_size=400)
