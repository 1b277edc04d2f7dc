"""Makes the models that tests let a training command leave: with docs/examples/python/requirements.txt installed,
`python tests/data/onnx/make.py`."""

from pathlib import Path

import onnx
import pandas as pd
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LinearRegression

FOLDER = Path(__file__).parent


def save(name: str, model: onnx.ModelProto) -> None:
    (FOLDER / name).write_bytes(model.SerializeToString())


data = pd.read_csv(FOLDER.parent / "winequality-red.csv")
target = data.pop("quality")


def linear(features: pd.DataFrame) -> onnx.ModelProto:
    inputs = [("features", FloatTensorType([None, features.shape[1]]))]
    return to_onnx(LinearRegression().fit(features, target), initial_types=inputs, name="wine")


save("wine.onnx", linear(data))
save("three_features.onnx", linear(data.iloc[:, :3]))

# Divides by a difference that is 0 for one in twenty wines: 0/0.
nodes = [
    helper.make_node("Gather", ["features", "alcohol"], ["value"], axis=1),
    helper.make_node("Sub", ["value", "middle"], ["difference"]),
    helper.make_node("Div", ["difference", "difference"], ["prediction"]),
]
constants = [
    helper.make_tensor("alcohol", TensorProto.INT64, [1], [10]),
    helper.make_tensor("middle", TensorProto.FLOAT, [1], [9.5]),
]
graph = helper.make_graph(
    nodes,
    "not-a-number",
    [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 11])],
    [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None, 1])],
    constants,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=7)
onnx.checker.check_model(model)
save("not_a_number.onnx", model)
