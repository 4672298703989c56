"""Look-alikes of TGS Salt, Severstal and Contrails: joined as they are in truth, and gone through in five commands."""

import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from lookalikes import CONTRAILS, LOOKALIKES, STEEL
from maskfold.config import build, compose
from maskfold.data.loading import read_mask
from maskfold.errors import MaskfoldError
from maskfold.masks.planes import planes
from maskfold.masks.rules import Rules
from maskfold.stages.join import join

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PHOTOS = 40


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw a look-alike into the current folder; return its root."""
    monkeypatch.chdir(tmp_path)

    def draw(one):
        one.draw(Path(one.name), PHOTOS, 0)
        return Path(one.name)

    return draw


@pytest.mark.parametrize("one", LOOKALIKES.values(), ids=LOOKALIKES)
def test_join_understands_a_look_alike_and_its_masks_are_those_of_its_table(one, drawn):
    root = drawn(one)
    written = yaml.safe_load(join(compose("join", one.join(root))).read_text())
    source = build(compose("folds", [f"data={one.name}"]).data)
    table = source.load(jobs=1)

    assert Rules(**written["submission"]) == source.rules == one.rules
    assert source.metric == one.metric
    assert source.classes == one.classes
    assert table["split"].value_counts().to_dict() == {"train": PHOTOS, "test": PHOTOS // 4}
    assert source.channels == (8 if one is CONTRAILS else None)
    train = table[table["split"] == "train"].set_index("image_id")
    assert {planes(read_mask(path)).shape[0] for path in train["mask"]} == {len(one.classes) or 1}
    if one.classes:
        assert written["masks"] == {"kind": "runs", "file": "train.csv", **asdict(one.rules)}
        header, first, *_ = (root / "train.csv").read_text().splitlines()
        cells = one.rules.read(first.split(","), one.classes)
        mask = planes(read_mask(train.loc[Path(cells.photo).stem, "mask"]))[one.classes.index(cells.label)]
        assert one.rules.text(mask) == cells.runs
        assert header == "ImageId,EncodedPixels,ClassId"


@pytest.mark.parametrize(("one", "asked"), [(STEEL, ["empty="]), (CONTRAILS, ["order=", "start="])])
def test_what_no_file_tells_is_asked_and_nothing_is_written(one, asked, drawn):
    command = [key for key in one.join(drawn(one)) if key not in one.flags]

    with pytest.raises(MaskfoldError) as error:
        join(compose("join", command))
    assert [flag for flag in ("order=", "start=", "empty=") if f"add {flag}" in f"{error.value}"] == asked
    assert not Path("conf").exists()


@pytest.mark.slow
@pytest.mark.parametrize("one", LOOKALIKES.values(), ids=LOOKALIKES)
def test_a_look_alike_is_gone_through_in_five_commands(one, monkeypatch):
    """It trains: two folds of a small network, a minute or two each on a CPU."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from study_lookalikes import study

    rows = study(one)
    assert len(rows) <= 5
    assert {row["doctor_right_order"] for row in rows} == {"passes"}
    assert {row["doctor_other_order"] for row in rows} == {"refuses"}
