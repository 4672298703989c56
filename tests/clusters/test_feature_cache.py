"""Features are taken once of the same content, whatever kills the run between."""

import cv2
import numpy as np
import pytest

from maskfold.clusters import cache, features
from maskfold.clusters.cache import FeatureCache
from maskfold.clusters.objects import PHOTO, Whereabouts


@pytest.fixture
def places(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 255, (20, 30, 3), dtype=np.uint8))
    return [Whereabouts(f"{number}", str(tmp_path / f"{number}.png"), None, PHOTO) for number in range(3)]


@pytest.fixture
def looks(monkeypatch):
    """The ids of the photos that were looked at."""
    taken, look = [], features.look_at
    monkeypatch.setattr(features, "look_at", lambda place: taken.append(place.image_id) or look(place))
    return taken


def test_a_photo_is_looked_at_again_when_its_content_is_another(places, looks, tmp_path):
    before = features.appearances(places, ["x", "y", "z"], folder=tmp_path / "kept", jobs=1)
    after = features.appearances(places, ["x", "new", "z"], folder=tmp_path / "kept", jobs=1)

    assert looks == ["0", "1", "2", "1"]
    assert np.array_equal(before, after, equal_nan=True)
    assert len(FeatureCache(tmp_path / "kept" / "appearance.parquet").vectors) == 3  # the old one is forgotten


@pytest.mark.hostile("killed")
def test_what_was_seen_before_a_kill_is_kept(places, looks, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "PIECE_S", 0)
    look = features.look_at

    def killed(place):
        if place.image_id == "2":
            raise KeyboardInterrupt
        return look(place)

    monkeypatch.setattr(features, "look_at", killed)
    with pytest.raises(KeyboardInterrupt):
        features.appearances(places, ["x", "y", "z"], folder=tmp_path / "kept", jobs=1)
    monkeypatch.setattr(features, "look_at", look)
    features.appearances(places, ["x", "y", "z"], folder=tmp_path / "kept", jobs=1)

    assert looks == ["0", "1", "2"]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["appearance.parquet"]


@pytest.mark.hostile("damaged files")
def test_a_damaged_cache_is_made_anew(places, looks, tmp_path, caplog):
    path = tmp_path / "kept" / "appearance.parquet"
    path.parent.mkdir()
    path.write_bytes(b"PAR1 and no more")

    features.appearances(places, ["x", "y", "z"], folder=path.parent, jobs=1)

    assert "damaged" in caplog.text
    assert len(FeatureCache(path).vectors) == 3
