"""Notebooks run without a browser: their one parameter, and what is said when a cell fails."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from maskfold.analysis.notebook import execute
from maskfold.errors import MaskfoldError

RAISE = "from maskfold.errors import MaskfoldError\nraise MaskfoldError(f'{WHO}: nothing here. Make it first.')"


def write(path, code: str) -> None:
    parameters = new_code_cell('WHO = ["nobody"]', metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Title"), parameters, new_code_cell(code)]), path)


def test_the_copy_has_the_parameter_and_the_outputs(tmp_path):
    (tmp_path / "here").mkdir()
    write(tmp_path / "a.ipynb", "from pathlib import Path\nprint(WHO, Path.cwd().name)")

    execute(tmp_path / "a.ipynb", tmp_path / "b.ipynb", parameters={"WHO": ["me", "you"]}, folder=tmp_path / "here")

    original, copy = (nbformat.read(tmp_path / name, as_version=4) for name in ("a.ipynb", "b.ipynb"))
    assert copy.cells[1].source == 'WHO = ["me", "you"]'
    assert copy.cells[2].outputs[0].text == "['me', 'you'] here\n"
    assert "execution" not in copy.cells[2].metadata  # no times: the same run gives the same file
    assert original.cells[1].source == 'WHO = ["nobody"]'


def test_a_failing_cell_says_what_the_stage_says_and_leaves_no_copy(tmp_path):
    write(tmp_path / "a.ipynb", RAISE)

    with pytest.raises(MaskfoldError, match=r"a\.ipynb, cell 3: \['x'\]: nothing here\. Make it first\.$"):
        execute(tmp_path / "a.ipynb", tmp_path / "b.ipynb", parameters={"WHO": ["x"]}, folder=tmp_path)

    assert not (tmp_path / "b.ipynb").exists()
