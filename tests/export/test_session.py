"""An exported file answers without torch; what is no such file, or not the right one, is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.export import session
from maskfold.export.session import OnnxMasker
from maskfold.maskers import open_masker
from maskfold.prediction import onnx_file
from maskfold.publishing.publisher import publish_model
from maskfold.runs.provenance import Provenance, write_provenance
from maskfold.storage import FolderStorage

FACTS = {"maskfold.name": "red", "maskfold.identity": "0123456789abcdef", "maskfold.members": '["red", "green"]'}


def model(*, photos: str = "photos", facts: dict[str, str] = FACTS) -> bytes:
    """A file in the form of an export, whose maps are the photo's red channel; its members' are red and green."""
    axes = ["n", "h", "w"]
    last = helper.make_tensor("last", TensorProto.INT64, [1], [-1])
    channels = [helper.make_tensor(f"channel{k}", TensorProto.INT64, [], [k]) for k in (0, 1)]
    first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
    nodes = [
        helper.make_node("Gather", [photos, "channel0"], ["maps"], axis=3),
        helper.make_node("Gather", [photos, "channel1"], ["green"], axis=3),
        helper.make_node("Unsqueeze", ["maps", "first"], ["a"]),
        helper.make_node("Unsqueeze", ["green", "first"], ["b"]),
        helper.make_node("Concat", ["a", "b"], ["members"], axis=0),
    ]
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info(photos, TensorProto.UINT8, [*axes, 3])],
        [
            helper.make_tensor_value_info("maps", TensorProto.UINT8, axes),
            helper.make_tensor_value_info("members", TensorProto.UINT8, [2, *axes]),
        ],
        [last, first, *channels],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(proto)
    helper.set_model_props(proto, facts)
    return proto.SerializeToString()


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(model())
    return path


def photos() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in [(5, 7), (6, 4), (5, 7), (1, 1), (5, 7)]]


def test_photos_of_one_size_share_a_run_and_answers_keep_their_order(file, monkeypatch):
    masker = OnnxMasker(file)
    runs, real = [], masker._run
    monkeypatch.setattr(
        masker, "_run", lambda outputs, batch: runs.append((outputs, batch.shape)) or real(outputs, batch)
    )

    answers = masker.answer(photos())

    for answer, photo in zip(answers, photos(), strict=True):
        np.testing.assert_array_equal(answer.mean, photo[..., 0])
        assert answer.members is None
        assert answer.mean.base is None
    assert runs == [(["maps"], (3, 5, 7, 3)), (["maps"], (1, 6, 4, 3)), (["maps"], (1, 1, 1, 3))]
    assert (masker.name, masker.identity, masker.members) == ("red", "0123456789abcdef", ("red", "green"))
    monkeypatch.setattr(session, "_MOST_PIXELS", 70)  # two of 5x7
    masker.answer(photos())
    assert [shape[0] for _, shape in runs[3:]] == [2, 1, 1, 1]


def test_a_published_model_is_opened_by_its_address_and_refused_where_half_of_it_lies(file, tmp_path):
    hashes = {"model.onnx": files.sha256(file)}
    write_provenance(FolderStorage(tmp_path), Provenance(kind="model", name="red", files=hashes))
    publish_model(str(file), str(tmp_path / "models"), version="1")
    masker = OnnxMasker(str(tmp_path / "models" / "red"))
    np.testing.assert_array_equal(masker.answer(photos()[:1])[0].mean, photos()[0][..., 0])
    (tmp_path / "models/red/1/manifest.json").unlink()
    for name in ("red", "red/1", "red/1/model.onnx"):
        with pytest.raises(MaskfoldError, match="not published to its end"):
            OnnxMasker(str(tmp_path / "models" / name))


def test_members_are_answered_where_they_are_asked_for(file):
    for answer, photo in zip(OnnxMasker(file).answer(photos(), members=True), photos(), strict=True):
        np.testing.assert_array_equal(answer.members, photo[..., :2].transpose(2, 0, 1))


def test_a_file_that_does_not_say_so_may_answer_a_mirror_image_alike(file):
    said = []
    for more in ({}, {"maskfold.symmetric": "true"}, {"maskfold.symmetric": "false"}):
        file.write_bytes(model(facts=FACTS | more))
        said.append(OnnxMasker(file).symmetric)

    assert said == [True, True, False]


def test_a_folder_stands_for_the_file_in_it(file):
    assert open_masker(exported=str(file.parent), recipe=None).identity == OnnxMasker(str(file)).identity


@pytest.mark.hostile("foreign files")
def test_a_file_of_something_else_is_refused(file):
    for content in (model(photos="images"), model(facts={})):
        file.write_bytes(content)
        with pytest.raises(
            MaskfoldError, match=r"model\.onnx: not exported by maskfold: it takes (images|photos) tensor"
        ):
            OnnxMasker(file)


@pytest.mark.hostile("damaged files")
def test_a_damaged_file_is_refused(file):
    content = file.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"\x00" * 200):
        file.write_bytes(damaged)
        with pytest.raises(MaskfoldError, match=r"model\.onnx: (no ONNX file|not exported)"):
            OnnxMasker(file)
    with pytest.raises(MaskfoldError, match=r"absent\.onnx: no such file"):
        OnnxMasker(file.with_name("absent.onnx"))


@pytest.mark.hostile("replaced files")
def test_a_file_that_its_card_does_not_tell_of_is_refused(file):
    storage = FolderStorage(file.parent)
    write_provenance(storage, Provenance(kind="model", name="red", files={"model.onnx": OnnxMasker(file).sha256}))
    OnnxMasker(file)
    file.write_bytes(model(facts=FACTS | {"maskfold.name": "blue"}))
    with pytest.raises(MaskfoldError, match=r"model\.onnx: not the file that provenance\.json beside it tells of"):
        OnnxMasker(file)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    "photo", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), None]
)
def test_what_is_no_photo_is_refused(file, photo):
    with pytest.raises(MaskfoldError, match=r"photo 2 of 2: .*a photo is \(H, W, 3\) uint8"):
        OnnxMasker(file).answer([photos()[0], photo])


def test_a_run_that_fails_names_the_size(file):
    masker = OnnxMasker(file)
    masker._file._session = None
    with pytest.raises(MaskfoldError, match=r"red: no map of a photo of 7x5 \(width x height\)"):
        masker.answer(photos()[:1])


def test_what_is_missing_is_said_with_the_way_out(file, monkeypatch):
    with pytest.raises(MaskfoldError, match=r"accelerator=tpu: exported files run on cpu or gpu"):
        OnnxMasker(file, accelerator="tpu")
    with pytest.raises(MaskfoldError, match="accelerator=gpu: this onnxruntime has no CUDA"):
        onnx_file.providers("gpu", ["CPUExecutionProvider"])
    assert onnx_file.providers("auto", ["CUDAExecutionProvider", "CPUExecutionProvider"])[0] == "CUDAExecutionProvider"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MaskfoldError, match=r"onnxruntime is not installed.*maskfold\[export\]"):
        OnnxMasker(file)


def test_the_environment_says_how_many_threads_there_are(monkeypatch):
    import onnxruntime

    for text, threads in (("3", 3), ("1", 1)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert onnx_file.options(onnxruntime).intra_op_num_threads == threads


# What a service without torch has not got; whoever imports one of these ends the process.
BLOCKED = ("torch", "lightning", "timm", "segmentation_models_pytorch", "albumentations", "imgaug", "mlflow", "wandb")
WITHOUT_TORCH = f"""
import sys
import numpy as np

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {(*BLOCKED, "pandas", "cv2", "hydra", "yaml", "scipy", "onnx")!r}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
from maskfold.export.session import OnnxMasker

photo = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
answer = OnnxMasker(sys.argv[1]).answer([photo], members=True)[0]
print(answer.mean.tolist() == photo[..., 0].tolist(), answer.members.shape)
"""


def test_it_runs_where_torch_is_not_installed(file):
    run = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(file)], capture_output=True, text=True, check=False)
    assert run.stdout == "True (2, 4, 5)\n", run.stderr


@pytest.mark.slow
def test_a_fresh_environment_needs_numpy_and_onnxruntime_alone(file, tmp_path):
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "numpy", "onnxruntime"], check=True)
    source = Path(session.__file__).parents[2]
    run = subprocess.run(
        [str(python), "-c", WITHOUT_TORCH, str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(source)},
    )
    assert run.stdout == "True (2, 4, 5)\n", run.stderr
    listed = subprocess.run([*pip[:3], "list", "--format=json"], capture_output=True, text=True, check=True)
    assert "torch" not in {package["name"] for package in json.loads(listed.stdout)}
