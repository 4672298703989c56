"""The card beside a model and a batch of cut-outs: what stands in it, and that it is read back whole."""

import json
import subprocess
import sys

import pytest
import yaml

from maskfold.errors import MaskfoldError
from maskfold.runs.licences import NONE, SEGFORMER, SMP, TIMM, TORCHVISION, UNKNOWN, architecture_of, licence_of
from maskfold.runs.origins import approver_of, data_used, weights_used
from maskfold.runs.provenance import (
    PAGE,
    PROVENANCE,
    DataUsed,
    Provenance,
    WeightsUsed,
    read_provenance,
    write_provenance,
)
from maskfold.runs.run_folder import RunFolder
from maskfold.storage import FolderStorage

LINKNET = {"_target_": "maskfold.models.linknet.LinkNet", "encoder": "resnet34", "weights": "imagenet"}
SMP_UNET = {"_target_": "maskfold.models.smp.SMP", "architecture": "unet", "encoder": "resnet18", "weights": "imagenet"}


def test_both_files_are_written_and_the_one_for_programs_is_read_back(tmp_path):
    storage = FolderStorage(tmp_path / "exports" / "cars")
    provenance = Provenance(
        kind="model",
        name="cars",
        data=(DataUsed("carvana", "0123456789ab", 5088),),
        weights=(WeightsUsed("linknet34", 3, "f" * 64, "LinkNet (resnet34)", "imagenet", TORCHVISION),),
        corrections={"corrected": 12, "auto": 40},
        files={"model.onnx": "a" * 64},
    )

    write_provenance(storage, provenance)

    assert read_provenance(storage) == provenance
    content = json.loads(storage.read(PROVENANCE))
    assert [*content] == [
        *("kind", "name", "data", "weights", "corrections", "approver", "files", "made", "maskfold", "commit"),
    ]
    page = storage.read(PAGE).decode()
    assert "| carvana | 0123456789ab | 5088 |" in page
    assert "| linknet34 | 3 | " in page
    assert "- corrected: 12" in page
    assert "Nobody: it has not been promoted." in page


@pytest.mark.hostile("names and paths")
def test_a_file_that_is_not_named_in_utf_8_is_on_the_page_and_read_back(tmp_path):
    storage = FolderStorage(tmp_path)
    made = Provenance(kind="cutouts", name="out", files={"caf\udce9.png": "a" * 64})

    write_provenance(storage, made)

    assert b"- caf\\udce9.png: aaa" in storage.read(PAGE)
    assert read_provenance(storage) == made


def test_cut_outs_say_which_model_made_them_and_how(tmp_path):
    storage = FolderStorage(tmp_path)
    made = Provenance(
        kind="cutouts", name="out", model={"identity": "0" * 16, "sha256": "b" * 64}, options={"alpha": "soft"}
    )
    write_provenance(storage, made)

    assert read_provenance(storage).model == made.model
    assert "- alpha: soft" in storage.read(PAGE).decode()


def test_names_do_not_break_the_page(tmp_path):
    storage = FolderStorage(tmp_path)
    write_provenance(storage, Provenance(kind="model", name="x", data=(DataUsed("a|b\n<script>"),)))
    assert "| a\\|b &lt;script> | not known | not known |" in storage.read(PAGE).decode()


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"kind": "model"', b'{"kind": "song", "name": "x", "data": [], "weights": [], "files": {}}'],
)
def test_a_damaged_card_is_refused_by_name(tmp_path, content):
    (tmp_path / PROVENANCE).write_bytes(content)
    with pytest.raises(MaskfoldError, match=r"provenance\.json: damaged"):
        read_provenance(FolderStorage(tmp_path))


@pytest.mark.parametrize(
    ("model", "start_from", "licence"),
    [
        (LINKNET, None, TORCHVISION),
        (LINKNET | {"weights": None}, None, NONE),
        (LINKNET | {"weights": "/models/mine.pth"}, None, UNKNOWN),
        (LINKNET | {"weights": None}, "experiments/other", UNKNOWN),
        (SMP_UNET, None, SMP),
        (SMP_UNET | {"encoder": "tu-convnext_tiny"}, None, TIMM),
        (SMP_UNET | {"encoder": "tu-convnext_tiny", "weights": "fb_in22k"}, None, TIMM),
        (SMP_UNET | {"encoder": "tu-convnext_tiny", "weights": "/w/mine.safetensors"}, None, UNKNOWN),
        (SMP_UNET | {"encoder": "tu-convnext_tiny"}, "experiments/a", UNKNOWN),
        (SMP_UNET | {"encoder": "mit_b2"}, None, SEGFORMER),
        (SMP_UNET | {"weights": "swsl"}, None, UNKNOWN),
    ],
)
def test_the_terms_are_those_of_what_the_training_began_with(model, start_from, licence):
    assert licence_of(model, start_from) == licence


def test_a_network_is_named_in_a_few_words():
    assert architecture_of(SMP_UNET) == "SMP (unet, resnet18)"
    assert architecture_of({"_target_": "maskfold.models.unet.UNetScratch", "widths": [1]}) == "UNetScratch"


@pytest.fixture
def run(tmp_path) -> RunFolder:
    """A finished run's files, as far as its origins are read from them."""
    folder = RunFolder(tmp_path / "experiments" / "linknet34" / "fold2")
    folder.checkpoints.mkdir(parents=True)
    folder.best.write_bytes(b"weights")
    config = {"task": {"_target_": "x"}, "data": {"name": "cars"}, "model": LINKNET, "start_from": None}
    folder.config.write_text(yaml.safe_dump(config))
    folder.run.write_text(json.dumps({"identity": {"data": "0123456789ab"}}))
    seen = {"data": "cars", "round": 0, "seen": ["image a"], "held_out": ["image b"], "photos": {"a": "1", "b": "2"}}
    folder.lineage.write_text(json.dumps(seen))
    return folder


def test_origins_are_read_from_run_folders(run):
    assert data_used([run, run]) == [DataUsed("cars", "0123456789ab", 2)]
    (weights,) = weights_used([(run, "linknet34")])
    assert weights.checkpoint == "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"  # of b"weights"
    assert (weights.member, weights.fold, weights.architecture) == ("linknet34", 2, "LinkNet (resnet34)")
    run.lineage.unlink()
    assert data_used([run]) == [DataUsed("cars", "0123456789ab")]


def test_who_approved_is_who_promoted_this_one_network(run):
    assert approver_of([run]) is None
    record = {"model": "maskfold", "version": "4", "judge_set": "judge", "passed": True, "promoted": True}
    run.promotion.write_text(json.dumps(record))
    assert approver_of([run])["version"] == "4"
    assert approver_of([run, run]) is None
    run.promotion.write_text(json.dumps(record | {"promoted": False}))
    assert approver_of([run]) is None


def test_a_card_is_written_where_hardly_anything_is_installed(tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'pandas', 'yaml', 'numpy', 'hydra', 'omegaconf'): sys.modules[name] = None\n"
        "from maskfold.runs.provenance import Provenance, write_provenance\n"
        "from maskfold.storage import open_storage\n"
        f"write_provenance(open_storage({str(tmp_path)!r}), Provenance(kind='cutouts', name='x'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert read_provenance(FolderStorage(tmp_path)).name == "x"
