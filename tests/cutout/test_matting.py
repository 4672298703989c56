"""What is loaded of pymatting, and what is done where it cannot be."""

import importlib.util
import logging
import sys

import pytest

from maskfold.cutout import matting


@pytest.fixture
def anew():
    """Let the parts be loaded again, and forget how that went."""
    yield matting.foreground_estimate.cache_clear()
    matting.foreground_estimate.cache_clear()


def test_only_one_module_is_loaded_and_nothing_of_it_is_left_behind(anew):
    assert matting.foreground_estimate() is not None
    assert not [name for name in sys.modules if name.partition(".")[0] == "pymatting"]


def test_a_missing_package_is_said_with_the_way_to_get_it(anew, monkeypatch, caplog):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert matting.foreground_estimate() is None
    assert "pip install 'maskfold[cutout]'" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.hostile("full or read-only disk")
def test_what_cannot_be_compiled_is_said_and_done_without(anew, monkeypatch, caplog):
    def no_place(name):
        raise RuntimeError("cannot cache function '_resize': no locator available")

    monkeypatch.setattr(importlib, "import_module", no_place)

    assert matting.foreground_estimate() is None
    assert "no locator available" in caplog.text
    assert "colour=fast" in caplog.text
    assert not [name for name in sys.modules if name.partition(".")[0] == "pymatting"]


def test_the_cache_is_the_users_unless_the_environment_names_one(monkeypatch, tmp_path):
    from numba import config

    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.delenv(matting.CACHE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", f"{tmp_path}")
    matting._set_cache()
    assert f"{tmp_path}/maskfold/numba" == config.CACHE_DIR

    monkeypatch.setenv(matting.CACHE, f"{tmp_path}/own")
    matting._set_cache()
    assert f"{tmp_path}/own" == config.CACHE_DIR
