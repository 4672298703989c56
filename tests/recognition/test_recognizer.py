"""An exported recogniser answers without torch, and what is not whole is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest

import tiny_recognizer
from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.export.session import OnnxMasker
from maskfold.recognition.recognizer import open_recognizer
from maskfold.runs.provenance import Provenance, write_provenance
from maskfold.storage import FolderStorage
from tiny_recognizer import photo

RED, GREEN, BLACK = photo(255, 0, 0), photo(0, 255, 0), photo(0, 0, 0)


def opened(folder, **settings):
    return open_recognizer(tiny_recognizer.write(folder, **settings))


def test_the_likeliest_products_come_with_their_probabilities(tmp_path):
    first, second = opened(tmp_path).answer([RED, GREEN])

    assert [label for label, _ in first.top] == ["tomato", "lamp", "cucumber", "plum"]
    # Of logits 8, 2, 0, 0.
    weights = np.exp([8, 2, 0, 0])
    assert [share for _, share in first.top] == pytest.approx((weights / weights.sum()).tolist())
    assert second.top[0][0] == "cucumber"
    assert first.max_logit == pytest.approx(8)
    assert first.cosine == pytest.approx(1)
    assert (first.verdict, first.reason[:12]) == ("known", "no threshold")


def test_a_temperature_of_two_takes_the_root_of_the_odds(tmp_path):
    (answer,) = opened(tmp_path, temperature=2.0).answer([RED])

    assert answer.top[0][1] / answer.top[1][1] == pytest.approx(np.exp(3))


@pytest.mark.parametrize(
    ("settings", "verdicts"),
    [
        ({"max_logit": 7.0}, ["known", "unknown"]),
        ({"cosine": 0.9}, ["known", "unknown"]),
        ({"max_logit": 0.0, "cosine": -1.0, "margin": 0.5}, ["known", "ask"]),
        ({"margin": 1.0}, ["ask", "ask"]),
    ],
)
def test_what_looks_like_nothing_is_unknown_and_what_is_close_is_asked(tmp_path, settings, verdicts):
    brown = photo(140, 120, 20)  # nearly as green as red
    answers = opened(tmp_path, **settings).answer([RED, brown])

    assert [answer.verdict for answer in answers] == verdicts


def test_a_weight_decides_between_products_that_look_alike(tmp_path):
    folder, weights = tiny_recognizer.write(tmp_path), tmp_path / "products.csv"
    weights.write_text("label,grams,sd,loose\ntomato,100,5,\ncucumber,120,5,\nplum,900,1,\nlamp,900,1,\n")
    (answer,) = open_recognizer(folder, products=weights).answer([BLACK], grams=[100])

    # Equal logits: the odds are e^8, and the others weigh nothing like it.
    assert answer.top[0] == ("tomato", pytest.approx(0.99966, abs=1e-5))
    assert answer.top[1] == ("cucumber", pytest.approx(0.00034, abs=1e-5))
    (unweighed,) = open_recognizer(folder).answer([BLACK], grams=[100])
    assert unweighed.top[0][1] == pytest.approx(0.25)


def test_a_product_that_is_retired_is_never_answered(tmp_path):
    (answer,) = opened(tmp_path, retired=("tomato",)).answer([RED])

    assert [label for label, _ in answer.top] == ["lamp", "cucumber", "plum"]
    assert answer.max_logit == pytest.approx(2)
    assert answer.cosine == pytest.approx(-0.5)  # its prototype does not count either: at 120 degrees from the others
    with pytest.raises(MaskfoldError, match="all of its 4 products are retired"):
        opened(tmp_path / "empty", retired=tuple(tiny_recognizer.LABELS))


@pytest.mark.hostile("replaced files")
@pytest.mark.parametrize("name", ["classes.parquet", "prototypes.safetensors"])
def test_files_of_another_export_are_refused(tmp_path, name):
    folder, other = tiny_recognizer.write(tmp_path / "a"), tmp_path / "b"
    tiny_recognizer.write(other, labels=[*tiny_recognizer.LABELS, "fig"])
    hashes = {path.name: files.sha256(path) for path in folder.iterdir()}
    for told, message in (({name: "0" * 64}, "not the file that provenance"), ({}, "provenance.json beside it does")):
        known = {key: value for key, value in hashes.items() if key != name} | told
        write_provenance(FolderStorage(folder), Provenance(kind="model", name="colours", files=known))
        with pytest.raises(MaskfoldError, match=f"{name}: {message}"):
            open_recognizer(folder)
    (folder / "provenance.json").unlink()
    (folder / "prototypes.safetensors").write_bytes((other / "prototypes.safetensors").read_bytes())
    with pytest.raises(MaskfoldError, match="of two exports"):
        open_recognizer(folder)


def test_fewer_products_than_the_network_has_are_those_of_another(tmp_path):
    with pytest.raises(MaskfoldError, match=r"its logits are 4 numbers and classes\.parquet has 3"):
        opened(tmp_path, labels=["tomato", "cucumber", "plum"])


def test_settings_of_an_earlier_export_are_read_if_its_head_answers(tmp_path):
    tiny_recognizer.write(tmp_path)
    path = tmp_path / "recognizer.json"
    bare = json.loads(path.read_text())
    path.write_text(json.dumps(bare | {"answer": "head"}))

    assert "answer" not in bare
    assert open_recognizer(tmp_path).settings.size == bare["framing"]["size"]
    path.write_text(json.dumps(bare | {"answer": "prototypes"}))
    with pytest.raises(MaskfoldError, match=r"answer='prototypes': only the network's own head answers.*make export"):
        open_recognizer(tmp_path)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("content", [b"", b"{}", b'{"framing": {"size": 9, "resize": 4}}', b"[]", b"\xff"])
def test_damaged_settings_are_refused(tmp_path, content):
    tiny_recognizer.write(tmp_path)
    (tmp_path / "recognizer.json").write_bytes(content)

    with pytest.raises(MaskfoldError, match=r"recognizer\.json: damaged"):
        open_recognizer(tmp_path)


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"margin": float("nan")}, {"cosine": "high"}])
def test_settings_that_nothing_can_be_answered_by_are_refused(tmp_path, settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))}="):
        tiny_recognizer.write(tmp_path, **settings)


@pytest.mark.hostile("foreign files")
def test_a_model_of_the_other_task_is_refused_by_both(tmp_path):
    tiny_recognizer.write(tmp_path)
    with pytest.raises(MaskfoldError, match="its task is recognition"):
        OnnxMasker(tmp_path)
    (tmp_path / "model.onnx").write_bytes(tiny_recognizer.model(facts={"maskfold.name": "masks"}))
    with pytest.raises(MaskfoldError, match="no recogniser that maskfold has exported"):
        open_recognizer(tmp_path)


@pytest.mark.hostile("wrong input")
def test_what_is_no_photo_is_refused(tmp_path):
    with pytest.raises(MaskfoldError, match="photo 2 of 2"):
        opened(tmp_path).answer([RED, RED[..., 0]])


BLOCKED = ("torch", "lightning", "timm", "torchvision", "torchmetrics", "albumentations", "onnx", "mlflow", "wandb")
WITHOUT_TORCH = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
import numpy as np
import maskfold.stages.serve
from maskfold.recognition.recognizer import open_recognizer
from maskfold.service.counter import create_counter

print(open_recognizer(sys.argv[1]).answer([np.full((9, 9, 3), (255, 0, 0), np.uint8)])[0].top[0][0])
"""


def test_it_runs_where_torch_is_not_installed(tmp_path):
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tiny_recognizer.write(tmp_path))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.stdout == "tomato\n", run.stderr
