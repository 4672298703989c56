"""A Python of its own, which takes seconds to import what changes photos: one for all tests that need one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import json, random, sys
sys.path[:0] = sys.argv[1:]
import numpy as np
np.random.seed(5)
random.seed(5)
from maskfold.data.imgaug_compat import Imgaug, iaa
Imgaug(augmenters=[iaa.Fliplr(0.5)])
drawn = [np.random.random(), random.random()]
from test_augmentation import fingerprints
print(json.dumps({"drawn": drawn, "fingerprints": fingerprints()}))
"""


@pytest.fixture(scope="session")
def elsewhere_drawn(made_once) -> dict[str, list]:
    """What another process draws: of the global random states behind imgaug's import, and as augmentations."""

    def make(folder: Path) -> None:
        paths = [str(Path(__file__).parents[2] / "src"), str(Path(__file__).parent)]
        run = subprocess.run([sys.executable, "-c", CODE, *paths], capture_output=True, text=True, check=True)
        (folder / "drawn.json").write_text(run.stdout)

    return json.loads((made_once("drawn", make) / "drawn.json").read_text())
