"""Which packages a bundle needs, which an image has, and which wheels fit."""

import importlib.metadata
import sys

import pytest

from maskfold.bundle.packages import KAGGLE, Package, image_packages, is_wheel_of, needed, with_wheels
from maskfold.errors import MaskfoldError

NUMPY = Package("numpy", "2.4.6", in_image=True)
HYDRA = Package("hydra-core", "1.3.8", in_image=False)
SIMPLEJPEG = Package("simplejpeg", "1.9.0", in_image=False)
HERE = f"cp{sys.version_info[0]}{sys.version_info[1]}"


def test_needed_is_what_was_imported_of_what_the_package_depends_on(monkeypatch):
    of = {"yaml": ["PyYAML"], "hydra": ["hydra-core"], "pytest": ["pytest"], "cv2": ["opencv-python"]}
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: of)
    packages = {one.name: one for one in needed({"yaml", "hydra", "pytest", "cv2", "json"}, KAGGLE)}

    assert packages.keys() == {"pyyaml", "hydra-core", "opencv-python"}  # tests are not depended on
    assert packages["pyyaml"].in_image
    assert packages["hydra-core"].lacking
    assert packages["hydra-core"].version == importlib.metadata.version("hydra-core")


def test_a_freeze_of_the_image_says_what_it_has(tmp_path):
    path = tmp_path / "freeze.txt"
    path.write_text("hydra_core==1.3.2\nmine @ file:///tmp/mine\n# numpy==2\n\n")
    assert image_packages(str(path)) == {"hydra-core", "mine"}
    path.write_text("nothing\n")
    with pytest.raises(MaskfoldError, match="no line of it is package==version"):
        image_packages(str(path))
    with pytest.raises(MaskfoldError, match="no such file"):
        image_packages(str(tmp_path / "other.txt"))


def test_wheels_of_what_the_image_lacks_are_brought_along(tmp_path):
    given, folder = tmp_path / "given", tmp_path / "wheels"
    given.mkdir()
    names = ["hydra_core-1.3.8-py3-none-any.whl", "hydra_core-1.3.2-py3-none-any.whl", "numpy-2.4.6-py3-none-any.whl"]
    for name in names:
        (given / name).touch()

    placed = with_wheels([HYDRA, NUMPY, SIMPLEJPEG], str(given), folder, python=None)

    assert [one.wheel for one in placed] == [f"wheels/{names[0]}", None, None]
    assert [path.name for path in folder.iterdir()] == [names[0]]
    assert [one.lacking for one in placed] == [False, False, True]
    assert with_wheels([HYDRA], None, folder, python=None) == [HYDRA]
    with pytest.raises(MaskfoldError, match="wheels=nowhere: no such folder"):
        with_wheels([HYDRA], "nowhere", folder, python=None)


@pytest.mark.parametrize(
    ("name", "python", "fits"),
    [
        (f"simplejpeg-1.9.0-{HERE}-{HERE}-linux_x86_64.whl", None, sys.platform == "linux"),
        ("simplejpeg-1.9.0-cp39-cp39-linux_x86_64.whl", None, False),
        ("simplejpeg-1.9.0-cp39-cp39-linux_x86_64.whl", "3.9", True),
        ("simplejpeg-1.9.0-cp39-cp39-linux_x86_64.whl", "3.12", False),
        ("simplejpeg-1.9.0-py3-none-any.whl", "3.12", True),
        ("simplejpeg-1.8.0-py3-none-any.whl", None, False),
        ("simplejpeg.whl", None, False),
    ],
)
def test_a_wheel_fits_by_name_version_and_python(tmp_path, name, python, fits):
    assert is_wheel_of(tmp_path / name, SIMPLEJPEG, python) is fits
