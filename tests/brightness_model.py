"""An exported model that needs no network: what is bright is object."""

import json
from pathlib import Path


def write(path: Path) -> Path:
    """Write a file as `maskfold export` does, whose one member's map is the mean of red, green and blue."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["photos"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real", "axes"], ["mean"], keepdims=0),
        helper.make_node("Cast", ["mean"], ["maps"], to=TensorProto.UINT8),
        helper.make_node("Unsqueeze", ["maps", "first"], ["members"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [3]),
        helper.make_tensor("first", TensorProto.INT64, [1], [0]),
    ]
    photos = helper.make_tensor_value_info("photos", TensorProto.UINT8, ["n", "h", "w", 3])
    maps = helper.make_tensor_value_info("maps", TensorProto.UINT8, ["n", "h", "w"])
    members = helper.make_tensor_value_info("members", TensorProto.UINT8, [1, "n", "h", "w"])
    graph = helper.make_graph(nodes, "brightness", [photos], [maps, members], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    facts = {
        "name": "brightness",
        "identity": "0123456789abcdef",
        "members": json.dumps(["brightness"]),
        "version": "1",
    }
    helper.set_model_props(model, {f"maskfold.{name}": value for name, value in facts.items()})
    onnx.save(model, path)
    return path
