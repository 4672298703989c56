"""Run a notebook from the first cell to the last, without a browser."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.parallel import progress

_TAG = "parameters"  # as papermill calls the cell


def execute(notebook: Path, target: Path, *, parameters: dict[str, list[str]], folder: Path) -> None:
    """Write an executed copy of a notebook.

    Args:
        notebook: The notebook, which has one cell with the tag `parameters`.
        target: The copy.
        parameters: What that cell is replaced by: names and values.
        folder: Where it runs.

    Raises:
        MaskfoldError: If a cell fails; what a stage has to say to its user is said as it is.
    """
    document = nbformat.read(notebook, as_version=4)
    (cell,) = (cell for cell in document.cells if _TAG in cell.metadata.get("tags", []))
    cell.source = "\n".join(f"{name} = {json.dumps(value)}" for name, value in parameters.items())
    client = NotebookClient(document, timeout=None, record_timing=False, resources={"metadata": {"path": str(folder)}})
    with TemporaryDirectory() as own:
        # Over sockets of this user's own, not over ports that anyone on the machine can listen to.
        connection = str(Path(own) / "kernel.json")
        client.km = AsyncKernelManager(kernel_name="python3", transport="ipc", connection_file=connection)
        _run(client, notebook)
    document.metadata["language_info"] = {"name": "python"}  # not the patch release of whoever ran it last
    files.write_text(target, nbformat.writes(document) + "\n")


def _run(client: NotebookClient, notebook: Path) -> None:
    with client.setup_kernel():
        for number, cell in enumerate(progress(client.nb.cells, "notebook", unit="cells")):
            try:
                client.execute_cell(cell, number)
            except CellExecutionError as error:
                reason = error.evalue if error.ename == MaskfoldError.__name__ else f"{error.ename}: {error.evalue}"
                raise MaskfoldError(f"{notebook}, cell {number + 1}: {reason}") from error
