"""What the package brings along is found from any folder."""

import os
import subprocess
import sys
from pathlib import Path

from maskfold.data.folds import fold_numbers
from maskfold.places import CONF, NOTEBOOK, brought_along


def test_the_configuration_and_the_notebook_are_there():
    assert Path(CONF, "train.yaml").is_file()
    assert NOTEBOOK.is_file()


def test_carvanas_splits_are_found_from_any_folder_and_a_file_here_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fold_numbers(brought_along("conf/folds/carvana_7.csv")) == [*range(7)]
    assert brought_along("conf/folds/mine.csv") == Path("conf/folds/mine.csv")
    assert brought_along("folds.csv") == Path("folds.csv")
    own = tmp_path / "conf/folds/carvana_7.csv"
    own.parent.mkdir(parents=True)
    own.touch()
    assert brought_along("conf/folds/carvana_7.csv").resolve() == own


def test_opencv_works_on_one_thread_whoever_imports_it_first():
    for imports in ("maskfold, cv2", "cv2, maskfold"):
        code = f"import {imports}, os, numpy; cv2.resize(numpy.zeros((2000, 2000), 'f'), (3000, 3000))"
        code += "; print(cv2.getNumThreads())"
        environment = {key: value for key, value in os.environ.items() if key != "OPENCV_FOR_THREADS_NUM"}
        assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip() == "1"
    code = "import sys, maskfold; print('cv2' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
