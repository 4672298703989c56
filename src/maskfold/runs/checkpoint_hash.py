"""The hash of a checkpoint, taken once: hundreds of megabytes are not read again at every start."""

from contextlib import suppress
from pathlib import Path

from maskfold import files
from maskfold.errors import MaskfoldError


def checkpoint_hash(path: Path) -> str:
    """Return the SHA-256 of a checkpoint as 64 hexadecimal digits.

    It is remembered beside the checkpoint, in `<name>.sha256.json`, with the file's size, time of modification and time
    of change, and taken anew when one of them is another.

    Raises:
        OSError: If the file cannot be read.
    """
    stat = path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    remembered = path.with_suffix(".sha256.json")
    with suppress(MaskfoldError):
        before = files.read_json(remembered)
        if before.get("stamp") == stamp and isinstance(before.get("sha256"), str):
            return before["sha256"]
    content = files.sha256(path)
    with suppress(MaskfoldError):  # a folder that cannot be written to: taken again the next time
        files.write_json(remembered, {"sha256": content, "stamp": stamp})
    return content
