"""The forecast of a rehearsal worked out by hand, and what a rehearsal refuses."""

import json
from pathlib import Path

import pytest

from maskfold.bundle import rehearsal
from maskfold.bundle.rehearsal import forecast, rehearse
from maskfold.errors import MaskfoldError

ANSWER = '{"submission": "submission.csv", "rows": 1, "seconds": {"all": 2.5, "installing": 0.5}}'


def script(bundle: Path, lines: str) -> Path:
    """Write a bundle that is nothing but a script."""
    bundle.mkdir()
    (bundle / "run.py").write_text(f"from pathlib import Path\n{lines}\n")
    return bundle


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").touch()
    return folder


def test_two_rehearsals_tell_the_start_from_the_photos():
    # 20 photos in 50 s and 4 in 18 s: 32 s for 16 photos is 2 s each, and 10 s are left for the start.
    line = forecast((20, 50.0), (4, 18.0), photos=3595, limit=2)

    assert (line.start, line.per_photo) == (10.0, 2.0)
    assert line.hours == pytest.approx(2.0)  # 10 s + 7190 s
    assert line.fits
    assert not forecast((20, 50.0), (4, 18.0), photos=3596, limit=2).fits


@pytest.mark.parametrize("few", [(4, 60.0), (20, 50.0)])
def test_where_nothing_tells_the_start_all_time_is_the_photos(few):
    line = forecast((20, 50.0), few, photos=1440, limit=9)

    assert (line.start, line.per_photo, line.hours) == (0.0, 2.5, 1.0)


def test_a_rehearsal_returns_what_was_written_and_begins_with_an_empty_environment(tmp_path, photos, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("KAGGLE_KEY", "0123456789abcdef")
    says = "import os\nPath('submission.csv').write_text(' '.join(sorted(os.environ)))\n"
    bundle = script(tmp_path / "bundle", f"{says}import xml\nprint('{ANSWER}')")

    rehearsed = rehearse(bundle, photos)

    assert not {b"HTTPS_PROXY", b"KAGGLE_KEY", b"PYTEST_CURRENT_TEST"} & {*rehearsed.submission.split()}
    assert (rehearsed.photos, rehearsed.seconds, rehearsed.installing) == (1, 2.5, 0.5)
    assert "xml" in rehearsed.modules


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize("way", [(), None])
def test_who_reaches_for_the_network_is_named_though_it_hides_its_error(tmp_path, photos, monkeypatch, way):
    if way is not None:  # as where the system gives no network of its own
        monkeypatch.setattr(rehearsal, "_WAYS", way)
    reach = "import socket\ntry:\n    socket.create_connection(('huggingface.co', 443))\nexcept OSError:\n    pass\n"
    bundle = script(tmp_path / "bundle", f"{reach}Path('submission.csv').touch()\nprint('{ANSWER}')")

    with pytest.raises(MaskfoldError, match=r"huggingface\.co .*wanted by __main__ \(.*run\.py:4\)"):
        rehearse(bundle, photos)


@pytest.mark.hostile("full or read-only disk")
def test_a_bundle_that_writes_into_itself_is_refused(tmp_path, photos):
    writes = "place = Path(__file__).parent\nplace.chmod(0o755)\n(place / 'cache').touch()\n"
    bundle = script(tmp_path / "bundle", f"{writes}Path('submission.csv').touch()\nprint('{ANSWER}')")

    with pytest.raises(MaskfoldError, match="its rehearsal wrote into it"):
        rehearse(bundle, photos)


def test_a_script_that_fails_is_told_with_what_it_said_last(tmp_path, photos):
    bundle = script(tmp_path / "bundle", "import sys\nsys.exit('no module named my_model')")

    with pytest.raises(MaskfoldError, match="status 1:\nno module named my_model"):
        rehearse(bundle, photos)


def test_the_answer_is_of_the_form_that_the_script_prints():
    assert json.loads(ANSWER)["seconds"].keys() == {"all", "installing"}
