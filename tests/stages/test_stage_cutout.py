"""The whole of it: a folder of photos, a model, a folder of cut-outs with all that lies beside them."""

import csv
import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from disks import RednessMasker, as_map, disk, photo_of
from maskfold.config import compose
from maskfold.corrections import used
from maskfold.errors import MaskfoldError
from maskfold.files import locked
from maskfold.judged_cutouts import image_id_of
from maskfold.quality.routes import mean_map, read_routes
from maskfold.review.record import ACCEPTED, CORRECTED, REJECTED, Review, ReviewFolder, hash_of
from maskfold.runs.provenance import read_provenance
from maskfold.stages import cutout as stage
from maskfold.stages.cutout import cutout, refuse_inside
from maskfold.storage import open_storage

KEYS = ["source=photos", "target=cutouts", "exported=model.onnx", "colour=keep", "jobs=1"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with two photos, and a model that stands for an exported file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "open_masker", lambda **_: RednessMasker())
    for name, radius in (("a/1.png", 12), ("2.png", 8)):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), photo_of(disk(40, 48, radius=radius))[..., ::-1])
    return tmp_path


def run(*keys: str):
    return cutout(compose("cutout", [*KEYS, *keys]))


def test_networks_cut_out_a_folder(trained, monkeypatch):
    monkeypatch.setattr(used, "corrections_used", lambda runs: {"corrected": len(runs)})
    (trained / "new").mkdir()
    for photo in sorted((trained / "photos/test").glob("*.jpg"))[:2]:
        photo.rename(trained / "new" / photo.name)
    members = "members: [{experiment: tiny}]"
    step = "{_target_: maskfold.ensembling.postprocess.FillHoles}"
    by_members = f"{{_target_: maskfold.ensembling.recipe.ByMembers, {members}, step: {step}}}"  # of submissions alone
    ensemble = ["ensemble=linknet34", "ensemble.name=tiny", "ensemble.members=[{experiment: tiny}]"]
    ensemble.append(f"ensemble.postprocess=[{by_members}]")

    batch = cutout(
        compose("cutout", ["source=new", "target=out", "colour=fast", "empty=write", "accelerator=cpu", *ensemble])
    )

    assert batch.made == 2
    card = read_provenance(open_storage("out"))
    assert card.kind == "cutouts"
    assert [weights.member for weights in card.weights] == ["tiny", "tiny"]
    assert card.corrections == {"corrected": 2}
    assert card.options["colour"] == "fast"
    assert {*card.files} == {entry.cutout for entry in batch.entries}


def test_what_lies_beside_the_cut_outs(folder):
    run()

    names = {str(path.relative_to("cutouts")) for path in Path("cutouts").rglob("*") if path.is_file()}
    assert names == {
        ".lock",
        "2.png.png",
        "a/1.png.png",
        "PROVENANCE.md",
        "cutouts.html",
        "failures.csv",
        "provenance.json",
        "record/00001.jsonl",
    }
    assert Path("cutouts/failures.csv").read_text() == "photo,reason\n"


def test_failures_are_listed_and_the_status_is_one(folder):
    Path("photos/broken.jpg").write_bytes(b"\xff\xd8\xff broken")

    with pytest.raises(MaskfoldError, match=r"(?s)1 photo could not be cut out; all others are.*'broken\.jpg': cannot"):
        run()

    rows = [*csv.reader(Path("cutouts/failures.csv").read_text().splitlines())]
    assert [row[0] for row in rows] == ["photo", "broken.jpg"]
    assert len([*Path("cutouts").rglob("*.png")]) == 2
    assert "broken.jpg" in Path("cutouts/cutouts.html").read_text()


def test_with_a_quality_model_each_mask_is_scored_and_its_map_is_kept(folder, quality_file):
    run(f"quality={quality_file}")
    run(f"quality={quality_file}")  # nothing is done again, and the routes stay whole

    table = read_routes(Path("cutouts/routes.parquet"))
    assert [Path(photo).relative_to(folder / "photos").as_posix() for photo in table["photo"]] == ["2.png", "a/1.png"]
    assert [*table["route"]] == ["ship", "ship"]
    assert table["measure.components"].tolist() == [1, 1]
    row = next(table.itertuples())
    expected = as_map(disk(40, 48, radius=8)).astype(int)
    assert np.abs(mean_map(row, Path("cutouts")).astype(int) - expected).max() <= 2
    record = [json.loads(line) for line in Path("cutouts/record/00001.jsonl").read_text().splitlines()]
    assert record[0]["quality"]["image_id"] == row.image_id


def test_an_empty_mask_is_routed_though_there_is_no_cut_out(folder, quality_file):
    cv2.imwrite("photos/green.png", np.full((40, 48, 3), (40, 160, 20), np.uint8))

    with pytest.raises(MaskfoldError, match="no object"):
        run(f"quality={quality_file}")

    table = read_routes(Path("cutouts/routes.parquet")).set_index("photo")
    assert table.loc[str(folder / "photos/green.png"), "route"] == "reject"


@pytest.mark.hostile("damaged files")
def test_where_no_photo_can_be_measured_failures_are_listed_and_the_routes_are_empty(folder, quality_file):
    for name in ("a/1.png", "2.png"):
        Path("photos", name).write_bytes(b"broken")

    with pytest.raises(MaskfoldError, match="2 photos could not be cut out"):
        run(f"quality={quality_file}")

    assert [line.split(",")[0] for line in Path("cutouts/failures.csv").read_text().splitlines()[1:]] == [
        "2.png",
        "a/1.png",
    ]
    assert len(read_routes(Path("cutouts/routes.parquet"))) == 0


@pytest.mark.hostile("names and paths")
def test_a_name_that_is_not_utf_8_is_a_failure_and_the_routes_have_the_others(folder, quality_file):
    os.rename(folder / "photos/2.png", os.fsencode(folder / "photos") + b"/caf\xe9.png")

    with pytest.raises(MaskfoldError, match=r"(?s)1 photo could.*caf\\udce9\.png': .* not UTF-8\. Rename it"):
        run(f"quality={quality_file}")

    assert [Path(photo).name for photo in read_routes(Path("cutouts/routes.parquet"))["photo"]] == ["1.png"]
    assert [*read_provenance(open_storage("cutouts")).files] == ["a/1.png.png"]


@pytest.mark.hostile("names and paths")
def test_below_a_folder_that_is_not_named_in_utf_8_nothing_is_judged_for_nothing(folder, quality_file, monkeypatch):
    odd = os.fsencode(folder) + b"/caf\xe9"
    os.mkdir(odd)
    os.rename("photos", odd + b"/photos")
    monkeypatch.chdir(os.fsdecode(odd))

    with pytest.raises(MaskfoldError, match=r"caf\\udce9/photos': no name in UTF-8"):
        run(f"quality={quality_file}")
    assert not Path("cutouts").exists()


@pytest.mark.hostile("memory")
def test_a_photo_that_is_too_large_to_measure_is_a_failure_and_the_others_are_done(folder, quality_file, monkeypatch):
    cv2.imwrite("photos/large.png", photo_of(disk(60, 80, radius=12))[..., ::-1])
    monkeypatch.setattr("maskfold.quality.measures.is_large", lambda height, width: width > 48)

    with pytest.raises(MaskfoldError, match=r"1 photo could not be cut out; .*\n.*'large\.png': a map of 4,800 pixels"):
        run(f"quality={quality_file}")

    assert len(read_routes(Path("cutouts/routes.parquet"))) == 2


@pytest.mark.hostile("full or read-only disk")
def test_where_a_map_cannot_be_written_the_run_ends(folder, quality_file, monkeypatch):
    def full(self, name, answer):
        raise MaskfoldError("maps: cannot be written: No space left on device.")

    monkeypatch.setattr("maskfold.judged_cutouts.FolderJudge.keep", full)

    with pytest.raises(MaskfoldError, match=r"^maps: cannot be written"):
        run(f"quality={quality_file}")


@pytest.fixture
def quality_file(tmp_path) -> Path:
    """What `make quality` leaves behind, where every mask that is sure of itself ships."""
    from maskfold.quality.model import QualityModel
    from maskfold.quality.predictor import RankScore, Term

    predictor = RankScore("certainty", (Term("certainty", 1.0, (0.0, 1.0), (0.0, 1.0)),), 0.0)
    path = tmp_path / "quality.json"
    QualityModel("tiny", predictor, ((0.0, 1.0), (0.0, 1.0)), threshold=0.9).write(path)
    return path


@pytest.fixture
def asked(folder, monkeypatch, caplog) -> RednessMasker:
    """The model of all runs, that counts the photos it is asked about."""
    caplog.set_level("INFO")
    masker = RednessMasker()
    monkeypatch.setattr(stage, "open_masker", lambda **_: masker)
    return masker


def hold_all(quality_file: Path) -> list[str]:
    """Return the keys by which no mask of the folder ships."""
    content = json.loads(quality_file.read_text())
    quality_file.write_text(json.dumps(content | {"threshold": 2.0}))
    return [f"quality={quality_file}", "hold=true"]


def review(photo: str, decision: str = CORRECTED, mask: np.ndarray | None = None) -> Path:
    """Decide about a photo as it lies there now, as `make review` would; return where the mask lies."""
    facts = {"seconds": 1.0, "pixels_changed": 1, "reviewer": "ann", "began_from": "mean", "made": "", "actions": 1}
    photo_hash = hash_of(Path("photos", photo).read_bytes())
    one = Review(image_id=image_id_of(photo), decision=decision, photo_hash=photo_hash, mask_hash=None, **facts)
    reviews = ReviewFolder(Path("cutouts/reviews"))
    reviews.write(one, mask)
    return reviews.mask_path(one.image_id)


def alpha_of(photo: str) -> np.ndarray:
    return cv2.imread(f"cutouts/{photo}.png", cv2.IMREAD_UNCHANGED)[..., 3]


def square(at: int) -> np.ndarray:
    mask = np.zeros((40, 48), np.uint8)
    mask[at : at + 10, at : at + 10] = 1
    mask[0, 40:42] = 1  # a piece that would be a crumb, had no person left it
    return mask


def test_the_mask_of_a_person_is_cut_and_each_review_redoes_its_own_picture_alone(asked, quality_file):
    keys = f"quality={quality_file}"
    run(keys)
    before, other = alpha_of("2.png"), Path("cutouts/a/1.png.png").stat().st_mtime_ns
    counts = asked.asked

    review("2.png", mask=square(3))
    assert (run(keys).made, run(keys).made) == (1, 0)

    np.testing.assert_array_equal(alpha_of("2.png") >= 128, square(3) > 0)
    assert 0 < alpha_of("2.png")[8, 2] < 128  # no stairs
    assert before[8, 8] == 0

    review("2.png", ACCEPTED, mask=square(20))
    assert (run(keys).made, run(keys).made) == (1, 0)
    np.testing.assert_array_equal(alpha_of("2.png") >= 128, square(20) > 0)
    assert asked.asked == counts  # the network has nothing to say to it
    assert Path("cutouts/a/1.png.png").stat().st_mtime_ns == other
    assert len(read_routes(Path("cutouts/routes.parquet"))) == 2


def test_what_does_not_ship_is_held_until_a_person_has_looked_at_it(asked, quality_file, caplog):
    held = hold_all(quality_file)
    shipped = run(held[0])
    assert shipped.made == 2

    batch = run(*held)

    assert (batch.made, batch.kept, batch.failures, [*batch.held]) == (0, 0, {}, ["2.png", "a/1.png"])
    assert "0 cut-outs made, 0 kept, 2 held for review, 0 failed" in caplog.text
    assert not [*Path("cutouts").rglob("*.png")]  # those of the first run neither
    assert "2 photos held" in Path("cutouts/cutouts.html").read_text()
    assert read_provenance(open_storage("cutouts")).files == {}
    counts = asked.asked

    review("2.png", ACCEPTED, mask=square(3))
    batch = run(*held)
    assert (batch.made, [*batch.held]) == (1, ["a/1.png"])
    Path("cutouts/a/1.png.png").write_bytes(b"somebody has put a picture back")
    assert (run(*held).made, asked.asked) == (0, counts)
    assert not Path("cutouts/a/1.png.png").exists()

    assert (run(held[0]).made, run(held[0]).kept) == (1, 2)  # hold=false again
    assert alpha_of("2.png")[8, 8] == 255


def test_a_picture_at_an_address_is_named_once_its_photo_is_held(asked, quality_file, caplog, request):
    held, target = hold_all(quality_file), f"target=memory://{request.node.name}/out"
    run(held[0], target)

    for _ in range(2):
        caplog.clear()
        assert [*run(*held, target).held] == ["2.png", "a/1.png"]
        assert re.search(r"held now, and here from an earlier run. Take them away:\n +2\.png\.png", caplog.text)


def test_a_rejected_photo_has_no_picture_and_is_no_failure(asked, caplog):
    run()
    review("2.png", REJECTED)

    for _ in range(2):
        batch = run()
        assert (batch.made, batch.kept, batch.failures) == (0, 1, {})
        assert batch.held == {"2.png": "rejected in its review"}
        assert not Path("cutouts/2.png.png").exists()
    assert "1 rejected in review, 0 failed" in caplog.text
    assert asked.asked == 2


@pytest.mark.hostile("replaced files")
def test_another_photo_under_the_name_is_not_cut_by_the_old_review(asked, caplog):
    review("2.png", mask=square(3))
    run()
    cv2.imwrite("photos/2.png", photo_of(disk(40, 48, radius=10))[..., ::-1])

    assert (run().made, run().made) == (1, 0)

    assert alpha_of("2.png")[4, 4] == 0
    assert alpha_of("2.png")[20, 24] == 255
    assert f"{image_id_of('2.png')}.json is left out: it is of an earlier photo of the name '2.png'" in caplog.text


@pytest.mark.hostile("damaged files")
def test_a_review_that_is_not_whole_is_left_out_and_named(asked, caplog):
    review("2.png", mask=square(3)).write_bytes(b"another mask")
    review("a/1.png", mask=square(3)).with_suffix(".json").write_text("{")

    assert run().made == 2

    assert alpha_of("2.png")[20, 24] == alpha_of("a/1.png")[20, 24] == 255
    assert f"{image_id_of('2.png')}.json is left out: its mask is not the one" in caplog.text
    assert f"{image_id_of('a/1.png')}.json is left out: " in caplog.text


def test_there_is_nothing_to_hold_without_a_quality_model(folder):
    with pytest.raises(MaskfoldError, match=r"hold=true .*: give quality="):
        run("hold=true")


@pytest.mark.parametrize(
    ("source", "target"),
    [("photos", "photos"), ("photos", "photos/out"), ("photos/", "./photos/../photos/x"), ("s3://a/b", "s3://a/b/c")],
)
def test_cut_outs_among_the_photos_are_refused(source, target):
    with pytest.raises(MaskfoldError, match="give a folder outside of it"):
        refuse_inside(source, target)


def test_a_folder_beside_the_photos_is_fine():
    refuse_inside("photos", "photos_out")
    refuse_inside("s3://a/b", "s3://a/bc")
    refuse_inside("photos/new", "photos")


def test_one_run_at_a_time_writes(folder):
    with locked(Path("cutouts")), pytest.raises(MaskfoldError, match="cutouts: another run is writing here"):
        run()


def test_a_colour_is_typed_as_it_is(folder):
    run("backdrop=f4f4f4", "format=webp")

    assert cv2.imread("cutouts/2.png.webp")[0, 0].tolist() == pytest.approx([244] * 3, abs=1)
