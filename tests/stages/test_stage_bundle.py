"""A bundle of trained networks: its submission is that of `fuse` and `ensemble`, and what it is refused for."""

import csv
import gzip
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from maskfold.bundle import contents
from maskfold.bundle.packages import Package
from maskfold.bundle.rehearsal import Rehearsed
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages import bundle as stage
from maskfold.stages.bundle import bundle
from maskfold.stages.ensemble import ensemble
from maskfold.stages.fuse import fuse

TINY = ["ensemble=linknet34", "ensemble.name=tiny", "ensemble.members=[{experiment: tiny}]"]
CPU = "trainer.accelerator=cpu"
FOLDER = Path("bundles/tiny")


def make(*overrides: str) -> Path:
    return bundle(compose("bundle", [*TINY, CPU, *overrides]))


def run_here(folder: Path, *arguments: str) -> None:
    """Run a bundle's own script, its two stages in this process."""
    spec = importlib.util.spec_from_file_location("bundled_run", folder / "run.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def run_stage(name: str, overrides: list[str], work: Path, environment: dict[str, str]) -> None:
        assert environment["PYTHONPATH"].startswith(str(folder.resolve() / "code"))
        with chdir(work):
            {"fuse": fuse, "ensemble": ensemble}[name](
                compose(name, [*overrides, *(["jobs=1"] * (name == "ensemble"))])
            )

    script.run_stage = run_stage
    script.main([*arguments])


@dataclass
class Rehearsals:
    """How many photos each had, and what the first wrote."""

    counts: list[int]
    submission: bytes = b"img,rle_mask\n"


@pytest.fixture
def quick(monkeypatch) -> Rehearsals:
    """Rehearse nothing, and only say so: seven seconds, and half a second a photo."""
    done = Rehearsals([])

    def rehearse(folder: Path, photos: Path, arguments: Sequence[str] = ()) -> Rehearsed:
        done.counts.append(sum(1 for _ in photos.iterdir()))
        seconds = 7 + 0.5 * done.counts[-1]
        modules = frozenset({"torch", "hydra", "yaml"})
        return Rehearsed(done.submission, done.counts[-1], seconds, 0, modules, "by nothing")

    monkeypatch.setattr(stage, "rehearse", rehearse)
    monkeypatch.setattr(stage, "needed", lambda *_: [Package("hydra-core", "1.3.8", in_image=False)])
    monkeypatch.setattr(stage, "cached_wheels", list)  # which asks pip, for a second
    monkeypatch.setattr(contents, "copy_code", lambda folder, own: (folder / "maskfold").mkdir(parents=True))
    return done


@pytest.fixture
def here(quick, monkeypatch) -> Rehearsals:
    """Rehearse the first time in this process."""
    rest = stage.rehearse

    def rehearse(folder: Path, photos: Path, arguments: Sequence[str] = ()) -> Rehearsed:
        if not quick.counts:
            out = photos.parent / "submission.csv"
            run_here(folder, f"photos={photos}", f"out={out}", *arguments)
            quick.submission = out.read_bytes()
        return rest(folder, photos, arguments)

    monkeypatch.setattr(stage, "rehearse", rehearse)
    return quick


def rows_of(path: Path) -> list[list[str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="") as file:
        return [*csv.reader(file)]


def submission_here() -> list[list[str]]:
    """Return what `make fuse` and `make ensemble` submit, with masks that are not empty."""
    fuse(compose("fuse", [*TINY, CPU]))
    ensemble(compose("ensemble", [*TINY, "fused=true", "jobs=1"]))
    return rows_of(Path("submissions/tiny/submission.csv.gz"))


@pytest.fixture
def bright(trained) -> Path:
    """The trained member with networks that see an object in what is bright."""
    for fold, bias in ((0, -0.4), (1, -0.6)):
        path = Path(f"experiments/tiny/fold{fold}/checkpoints/best.ckpt")
        checkpoint = torch.load(path, weights_only=True)
        weight, offset = (
            next(key for key in checkpoint["state_dict"] if key.endswith(end)) for end in ("weight", "bias")
        )
        checkpoint["state_dict"][weight].fill_(0.1 / 3)
        checkpoint["state_dict"][offset].fill_(bias)
        checkpoint["optimizer_states"] = [torch.zeros(1000)]
        torch.save(checkpoint, path)
    return trained


def test_a_bundle_submits_what_fuse_and_ensemble_do_and_says_what_it_is(bright, here):
    expected = submission_here()
    assert len({runs for _, runs in expected}) == 9  # a header and eight masks, or the test would see nothing

    folder = make("hidden=7200", "hours=1.01")

    assert folder == FOLDER
    assert here.counts == [8, 1]
    assert [line.split(",") for line in here.submission.decode().splitlines()] == expected
    rehearsal = json.loads((folder / "rehearsal.json").read_text())
    assert rehearsal["equal"] == [8, 8]
    # 11 s for eight photos and 7.5 s for one are 7 s and half a second a photo: 3607 s for 7200.
    assert rehearsal["forecast"]["hours"] == pytest.approx(3607 / 3600, abs=1e-4)
    facts = json.loads((folder / "bundle.json").read_text())
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert facts["files"].keys() == files - {"bundle.json"}
    assert [one["fold"] for one in facts["members"]] == [0, 1]
    assert [one["licence"] for one in facts["members"]] == ["none: random weights"] * 2
    assert not [name for name in files if "seen.json" in name or "predictions" in name]
    checkpoint = torch.load(folder / "experiments/tiny/fold0/checkpoints/best.ckpt", weights_only=True)
    assert "optimizer_states" not in checkpoint
    page = (folder / "README.md").read_text()
    assert "it fits into 1.01 h" in page
    assert "**nowhere: bring its wheel**" in page  # of hydra-core


def test_a_bundle_that_takes_too_long_ends_with_an_error_and_is_there(trained, quick):
    with pytest.raises(MaskfoldError, match=r"bundles/tiny is whole, but .* 60\.1 min for 7200 photos.* 0\.5 h"):
        make("hidden=7200", "hours=0.5", "photos=5")

    assert quick.counts == [5, 1]
    assert json.loads((FOLDER / "rehearsal.json").read_text())["forecast"]["fits"] is False


def test_half_the_bytes_are_taken_where_every_mask_stays_and_refused_where_one_does_not(bright, quick, monkeypatch):
    make("half=true")
    path = FOLDER / "experiments/tiny/fold0/checkpoints/best.ckpt"
    weights = torch.load(path, weights_only=True)["state_dict"].values()
    assert {one.dtype for one in weights} == {torch.float16}
    assert quick.counts == [8, 8, 1]
    same = stage.rehearse

    def otherwise(*given: Path) -> Rehearsed:
        return replace(same(*given), submission=b"x" * len(quick.counts))

    monkeypatch.setattr(stage, "rehearse", otherwise)
    with pytest.raises(MaskfoldError, match=r"some masks are others\. Leave half out"):
        make("half=true", "to=bundles/half")
    assert not [*Path("bundles").glob("*half*")]


def test_what_reached_for_the_network_leaves_no_bundle(trained, quick, monkeypatch):
    def rehearse(*_: object) -> Rehearsed:
        raise MaskfoldError("The bundle reached for the network")

    monkeypatch.setattr(stage, "rehearse", rehearse)
    with pytest.raises(MaskfoldError, match="reached for the network"):
        make()
    assert not [*Path("bundles").iterdir()]


def test_steps_by_cluster_are_refused_since_hidden_photos_have_none(trained):
    step = "{_target_: maskfold.ensembling.postprocess.LargestComponent}"
    by = f"{{_target_: maskfold.ensembling.recipe.ByCluster, clusters: [white], step: {step}}}"
    with pytest.raises(MaskfoldError, match="nobody knows those of hidden photos"):
        make(f"ensemble.postprocess=[{by}]")


@pytest.mark.slow
def test_the_whole_rehearsal_without_a_network(bright):
    expected = submission_here()

    folder = make("hidden=100")

    rehearsal = json.loads((folder / "rehearsal.json").read_text())
    assert rehearsal["equal"] == [8, 8]
    assert "Python's sockets watched" in rehearsal["cut"]
    facts = json.loads((folder / "bundle.json").read_text())
    assert {"torch", "hydra-core", "lightning", "pandas"} <= {one["name"] for one in facts["packages"]}
    command = [sys.executable, str(folder / "run.py"), "photos=photos/test", "out=again.csv"]
    subprocess.run(command, check=True, env={"PATH": os.environ["PATH"]})
    assert rows_of(Path("again.csv")) == expected
