"""A folder of photos: mirrored, gone on with, made again when something changed, failures listed."""

import csv
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from disks import RednessMasker, disk, photo_of
from maskfold.cutout import batch as batch_module
from maskfold.cutout.batch import Cutting
from maskfold.cutout.options import CutoutOptions
from maskfold.cutout.sheet import sheet
from maskfold.errors import MaskfoldError
from maskfold.storage import FolderStorage, open_storage

FAST = CutoutOptions(colour="keep")


def save(path: Path, radius: float = 12) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), photo_of(disk(40, 48, radius=radius))[..., ::-1])


@pytest.fixture
def photos(tmp_path):
    """A folder with photos of one name in two folders and of two kinds."""
    for number, name in enumerate(("a/1.jpg", "a/1.png", "b/1.png", "2.webp")):
        save(tmp_path / "photos" / name, 10 + number)
    (tmp_path / "cutouts").mkdir()
    return tmp_path / "photos"


def cutting(photos: Path, options: CutoutOptions = FAST, **more) -> Cutting:
    target = FolderStorage(photos.with_name("cutouts"))
    return Cutting(FolderStorage(photos), target, more.pop("masker", RednessMasker()), options, jobs=1, **more)


def cutouts(photos: Path) -> dict[str, bytes]:
    folder = photos.with_name("cutouts")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def test_the_folders_are_mirrored_and_no_two_photos_share_a_cut_out(photos):
    batch = cutting(photos).run()

    assert (batch.made, batch.kept, batch.failures) == (4, 0, {})
    assert [*cutouts(photos)] == ["2.webp.png", "a/1.jpg.png", "a/1.png.png", "b/1.png.png"]
    areas = [cv2.imread(str(photos.with_name("cutouts") / name), -1)[..., 3].sum() for name in cutouts(photos)]
    assert np.diff(areas).min() != 0  # each is of its own photo
    assert [entry.photo for entry in batch.entries] == ["2.webp", "a/1.jpg", "a/1.png", "b/1.png"]


def test_a_second_run_asks_for_nothing_and_a_touched_photo_only_for_its_hash(photos):
    cutting(photos).run()
    before, masker = cutouts(photos), RednessMasker()
    os.utime(photos / "2.webp", (1, 1))

    again = cutting(photos, masker=masker)
    batch = again.run()

    assert (batch.made, batch.kept, masker.asked) == (0, 4, 0)
    assert cutouts(photos) == before
    assert [*again._before] == ["2.webp"]  # what is done is not in memory twice


def test_what_has_changed_is_made_again(photos):
    cutting(photos).run()
    before = cutouts(photos)

    save(photos / "b/1.png", radius=5)
    assert cutting(photos).run().made == 1
    changed = cutouts(photos)
    assert [name for name in before if before[name] != changed[name]] == ["b/1.png.png"]

    assert cutting(photos, CutoutOptions(colour="keep", crop=True)).run().made == 4
    assert cutting(photos).run().made == 4  # and back again
    assert cutouts(photos) == changed

    other = RednessMasker()
    other.identity = "f" * 16
    assert cutting(photos, masker=other).run().made == 4

    (photos.with_name("cutouts") / "a/1.jpg.png").unlink()
    assert cutting(photos, masker=other).run().made == 1


@pytest.mark.hostile("killed")
def test_a_killed_batch_goes_on_and_ends_with_the_same_bytes(photos, monkeypatch):
    whole = cutting(photos).run()
    expected = cutouts(photos)
    shutil.rmtree(photos.with_name("cutouts"))
    photos.with_name("cutouts").mkdir()
    monkeypatch.setattr("maskfold.cutout.record._EVERY", 1)  # photos to a file of the record

    class Killed(BaseException):
        pass

    def answer_twice_then_die(self, work, done=[]):  # noqa: B006
        done.append(work)
        if len(done) > 3:
            raise Killed
        return answer(self, work)

    answer = Cutting._answer
    with monkeypatch.context() as patch:
        patch.setattr(Cutting, "_answer", answer_twice_then_die)
        patch.setattr(batch_module.BatchRecord, "write", lambda self: None)  # as if it never came to it
        with pytest.raises(Killed):
            cutting(photos).run()
    left = photos.with_name("cutouts") / "b/.1.png.png.part"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")

    again = cutting(photos).run()

    assert again.made + again.kept == whole.made
    assert cutouts(photos) == expected


@pytest.mark.hostile("damaged files")
def test_a_photo_that_fails_is_listed_and_the_others_are_done(photos):
    (photos / "broken.jpg").write_bytes((photos / "a/1.jpg").read_bytes()[:300])
    (photos / "text.png").write_text("no picture")
    cv2.imwrite(str(photos / "green.png"), np.full((40, 48, 3), (40, 160, 20), np.uint8))

    batch = cutting(photos).run()

    assert batch.made == 4
    assert [*batch.failures] == ["broken.jpg", "green.png", "text.png"]
    assert batch.failures["green.png"] == "no object"
    assert batch.failures["text.png"].startswith("cannot be read: not an image of a known kind")
    assert not any("green" in name for name in cutouts(photos))
    masker = RednessMasker()
    assert [*cutting(photos, masker=masker).run().failures] == ["broken.jpg", "green.png", "text.png"]
    assert masker.asked == 0  # that there is nothing in the green one is remembered

    batch = cutting(photos, CutoutOptions(colour="keep", empty="write")).run()
    assert [*batch.failures] == ["broken.jpg", "text.png"]


@pytest.mark.hostile("replaced files")
def test_the_old_cut_out_of_a_photo_that_fails_now_is_not_passed_off_as_its_own(photos):
    cutting(photos).run()
    (photos / "b/1.png").write_bytes(b"")

    batch = cutting(photos).run()

    assert batch.failures["b/1.png"].endswith("(b/1.png.png is of an earlier run)")
    assert "b/1.png" not in [entry.photo for entry in batch.entries]


@pytest.mark.hostile("wrong input")
def test_an_error_that_nobody_foresaw_stops_one_photo_and_not_the_batch(photos):
    class Fussy(RednessMasker):
        def answer(self, photos, *, members=False):
            if self.asked == 1:
                self.asked += 1
                raise ZeroDivisionError("by nothing")
            return super().answer(photos)

    batch = cutting(photos, masker=Fussy()).run()

    assert batch.made == 3
    assert [*batch.failures.values()] == ["ZeroDivisionError: by nothing"]


@pytest.mark.hostile("names and paths")
def test_hostile_names_are_cut_out_or_listed_and_never_stop_the_others(photos):
    names = ["<b>&amp;.png", "ä ö.jpg", "=1+1.png", "long" * 61 + ".png"]
    for name in names:
        save(photos / "x.png")
        (photos / "x.png").rename(photos / name)
    os.rename(os.fsencode(photos / "2.webp"), os.fsencode(photos) + b"/not\xffutf8.webp")
    save(photos / "line\nbreak.png")

    batch = cutting(photos).run()

    assert batch.made == 6
    assert len(batch.failures) == 3
    assert "<b>&amp;.png.png" in cutouts(photos)
    page = sheet(batch, FolderStorage(photos), FolderStorage(photos.with_name("cutouts")))
    assert "<b>&amp;" not in page
    assert "&lt;b&gt;&amp;amp;" in page
    page.encode()


@pytest.mark.hostile("full or read-only disk")
def test_a_cut_out_that_cannot_be_written_ends_the_batch(photos, monkeypatch):
    def full(self, name, content):
        raise MaskfoldError(f"{name}: cannot be written: No space left on device.")

    monkeypatch.setattr(FolderStorage, "write", full)

    with pytest.raises(MaskfoldError, match="No space left"):
        cutting(photos).run()


def test_no_photos_are_no_batch(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "cutouts").mkdir()

    with pytest.raises(MaskfoldError, match=r"photos: no photos \(\.jpg"):
        cutting(tmp_path / "photos").run()


def test_the_page_shows_a_few_however_many_there_are(photos):
    for number in range(60):
        save(photos / f"many/{number:02d}.png")
    batch = cutting(photos).run()

    page = sheet(batch, FolderStorage(photos), FolderStorage(photos.with_name("cutouts")))

    assert page.count("<figure>") == 40
    assert "2.webp" in page  # the first
    assert "many/59.png" in page  # and the last
    assert len(page) < 2**20


def test_failures_are_afailures_table(photos, tmp_path):
    """The stage's table is read as it was written, whatever stands in a name."""
    from maskfold.stages.cutout import failures_table

    text = failures_table({'a,"b".jpg': "no object", "not\udcffutf8.png": "x"}).decode()

    assert [*csv.reader(text.splitlines())] == [
        ["photo", "reason"],
        ['a,"b".jpg', "no object"],
        ["not\\udcffutf8.png", "x"],
    ]


def test_photos_and_cut_outs_may_lie_at_addresses(photos, request):
    source, target = open_storage(f"memory://{request.node.name}/in"), open_storage(f"memory://{request.node.name}/out")
    for path in photos.rglob("*.png"):
        source.write(str(path.relative_to(photos)), path.read_bytes())

    made = [Cutting(source, target, RednessMasker(), FAST, jobs=2).run().made for _ in range(2)]

    assert made == [2, 0]
    assert {file.name for file in target.items((".png",))} == {"a/1.png.png", "b/1.png.png"}
