"""Two thousand photos in one process: memory does not grow with them."""

import cv2
import numpy as np
import psutil
import pytest

from disks import RednessMasker, disk, photo_of
from maskfold.cutout.batch import Cutting
from maskfold.cutout.options import CutoutOptions
from maskfold.storage import FolderStorage

PHOTOS, WARM = 2000, 500


class Watching(RednessMasker):
    """Notes the memory of this process at every photo."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def answer(self, photos, *, members=False):
        """See `maskfold.prediction.masker.Masker`."""
        self.seen.append(psutil.Process().memory_info().rss)
        return super().answer(photos, members=members)


@pytest.mark.slow
@pytest.mark.hostile("memory")
def test_memory_does_not_grow_with_the_number_of_photos(tmp_path):
    photo = np.ascontiguousarray(photo_of(disk(60, 80, radius=20))[..., ::-1])
    (tmp_path / "photos").mkdir()
    for number in range(PHOTOS):
        photo[0, 0] = number % 256, number // 256, 0
        cv2.imwrite(str(tmp_path / f"photos/{number:04d}.png"), photo)
    masker = Watching()

    batch = Cutting(
        FolderStorage(tmp_path / "photos"), FolderStorage(tmp_path / "cutouts"), masker, CutoutOptions(), jobs=2
    ).run()

    assert batch.made == PHOTOS
    slope = np.polyfit(np.arange(WARM, PHOTOS), masker.seen[WARM:], 1)[0]
    print(f"{slope:.0f} bytes a photo, {masker.seen[-1] / 2**20:.0f} MiB at the end")
    assert slope < 1024
