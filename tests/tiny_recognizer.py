"""A recogniser that needs no network: it tells products apart by how red, green and blue a photo is."""

from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from maskfold.data.class_table import ClassTable
from maskfold.recognition.prototypes import Prototypes
from maskfold.recognition.settings import RecognizerSettings
from maskfold.storage import FolderStorage

LABELS = ["tomato", "cucumber", "plum", "lamp"]  # red, green, blue, grey
SIZE = 4
FACTS = {"maskfold.name": "colours", "maskfold.identity": "0123456789abcdef", "maskfold.task": "recognition"}
# A logit for each product of the mean red, green and blue, 0..1.
ROWS = np.array([[8, 0, 0], [0, 8, 0], [0, 0, 8], [2, 2, 2]], np.float32)


def model(*, facts: dict[str, str] = FACTS, rows: np.ndarray = ROWS) -> bytes:
    """The ONNX file: its embedding is a photo's mean colour, its logits are `embedding @ rows.T`."""
    constants = {"full": np.float32(255), "axes": np.array([1, 2]), "rows": np.ascontiguousarray(rows.T)}
    nodes = [
        helper.make_node("Cast", ["photos"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "full"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "rows"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("photos", TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(rows)]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 3]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(proto)
    helper.set_model_props(proto, facts)
    return proto.SerializeToString()


def table(*, retired: tuple[str, ...] = (), labels: list[str] = LABELS) -> ClassTable:
    """The products, some of which are not sold any more."""
    whole = ClassTable.empty()
    for label in labels:
        whole = whole.extended(pd.DataFrame({"label": [label], "month": ["2026-01"], "coarse": ["all"]}))
    return whole.retired_in("2026-02", retired)


def write(folder: Path, *, retired: tuple[str, ...] = (), labels: list[str] = LABELS, **settings) -> Path:
    """Write an export whose prototypes are the pure colours, seen from grey; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model())
    table(retired=retired, labels=labels).write(folder / "classes.parquet")
    colours = np.vstack([np.eye(3, dtype=np.float32), 1 - np.eye(3, dtype=np.float32)])[: len(labels)]
    known = [number for number, label in enumerate(labels) if label != "lamp"]
    centre = np.full(3, 1 / 3, np.float32)
    Prototypes.of(colours[known], np.array(known), centre=centre).write(folder / "prototypes.safetensors")
    storage = FolderStorage(folder)
    storage.write("recognizer.json", RecognizerSettings(size=SIZE, resize=SIZE, **settings).text().encode())
    return folder


def photo(red: int, green: int, blue: int) -> np.ndarray:
    """A photo of one colour, `(8, 12, 3) uint8`."""
    return np.full((8, 12, 3), (red, green, blue), np.uint8)
