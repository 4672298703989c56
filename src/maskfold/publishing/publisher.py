"""A folder of an exported model becomes a version at an address: all of it, or nothing that anybody would read.

First a claim is written, with the sum of what is to lie there: of two who publish different files as one version, one
gets it. Then the files, those that are there already left out; last the manifest, which whoever reads trusts alone.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.runs.provenance import PROVENANCE, read_provenance
from maskfold.storage import FolderStorage, Storage, file_here, is_address, open_storage
from maskfold.storage.published import CLAIM, LATEST, MANIFEST, ListedFile, VersionManifest, read_manifest

_VERSION = re.compile(r"[A-Za-z0-9][\w.+-]*")


@dataclass(frozen=True)
class Publication:
    """What publishing has done.

    Attributes:
        address: The version's.
        manifest: What lies there.
        sent: The names of the files that were written now; the others were there.
    """

    address: str
    manifest: VersionManifest
    sent: tuple[str, ...]


def publish_model(model: str, to: str, *, name: str | None = None, version: str | None = None) -> Publication:
    """Publish an exported model.

    Args:
        model: The folder that `make export` has written, or a file in it.
        to: A folder or an address, below which `<name>/<version>/` is made.
        name: The model's; None for the one on its card.
        version: None for the time when it was made, and the first digits of what is in it.

    Raises:
        MaskfoldError: If the folder is no whole export, the version is there with other files, or something cannot be
            written.
    """
    source, manifest = described(model, name=name, version=version)
    address = f"{to.rstrip('/')}/{manifest.name}/{manifest.version}"
    target = open_storage(address)
    if target.exists(MANIFEST):
        _refuse_others(read_manifest(target), manifest, address)
        return Publication(address, manifest, ())
    with files.locked(target.folder) if isinstance(target, FolderStorage) else nullcontext():
        _claim(target, manifest)
        sent = tuple(one for one in manifest.files if _send(source, target, one, manifest.files[one]))
        target.write(MANIFEST, manifest.content())
    return Publication(address, manifest, sent)


def described(model: str, *, name: str | None, version: str | None) -> tuple[FolderStorage, VersionManifest]:
    """Return a model's folder, and the manifest that it is published with.

    Raises:
        MaskfoldError: If it is no whole export, or no model or version can be called so.
    """
    source = FolderStorage(_folder(model))
    if not source.exists(PROVENANCE):
        raise MaskfoldError(
            f"exported={model}: no exported model: there is no {PROVENANCE} in {source.text}. Write one with make "
            "export, and give its folder."
        )
    card = read_provenance(source)
    listed = {item.name: ListedFile(files.sha256(source.local(item.name)), item.size) for item in source.items()}
    if MANIFEST in listed:
        raise MaskfoldError(f"{source.text}/{MANIFEST}: a published version has one of its own. Remove it, or move it.")
    for file, digest in card.files.items():
        if file not in listed or listed[file].sha256 != digest:
            raise MaskfoldError(
                f"{source.text}/{file}: not the file that {PROVENANCE} beside it tells of: half of another export, "
                "or damaged. Run make export once more, then publish."
            )
    called = files.check_inside(name or card.name, what="name")
    version = version or f"{re.sub('[^0-9T]', '', card.made.partition('+')[0])}-{sum_of(listed)[:8]}"
    if not _VERSION.fullmatch(version) or version == LATEST:
        raise MaskfoldError(
            f"version={version}: give letters, digits, dots, dashes and underscores, as in 2026-03, and not {LATEST}."
        )
    return source, VersionManifest(called, version, card.made, dict(sorted(listed.items())))


def _folder(model: str) -> Path:
    if is_address(model):
        file_here(f"{model.rstrip('/')}/{PROVENANCE}", key="exported")  # which refuses it, and says what to do
    path = Path(model)
    return path if path.is_dir() or not path.exists() else path.parent


def sum_of(listed: Mapping[str, ListedFile]) -> str:
    """Return 64 hexadecimal digits that stand for files by name."""
    lines = "".join(f"{one.sha256}  {name}\n" for name, one in sorted(listed.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _refuse_others(there: VersionManifest, own: VersionManifest, address: str) -> None:
    if there.files != own.files:
        names = sorted(name for name in {*there.files, *own.files} if there.files.get(name) != own.files.get(name))
        raise MaskfoldError(
            f"{address}: this version is published with other files ({', '.join(names[:5])}), and a version never "
            "changes. Give another version=."
        )


def _claim(target: Storage, manifest: VersionManifest) -> None:
    """Take a version for these files, or go on with it where it was taken for them.

    Raises:
        MaskfoldError: If it was taken for others.
    """
    wanted = sum_of(manifest.files)
    target.create(CLAIM, json.dumps({"files": wanted}).encode())
    try:
        claimed = json.loads(target.read(CLAIM))["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise MaskfoldError(f"{target.text}/{CLAIM}: damaged. Give another version=.") from error
    if claimed != wanted:
        raise MaskfoldError(
            f"{target.text}: somebody else has begun to publish other files as this version. Give another version=; "
            "if nobody will finish that one, remove what lies there and run this again."
        )


def _send(source: FolderStorage, target: Storage, name: str, listed: ListedFile) -> bool:
    """Write a file unless it is there; return whether it was written."""
    content = source.read(name)
    if hashlib.sha256(content).hexdigest() != listed.sha256:
        raise MaskfoldError(f"{source.text}/{name}: has changed while it was published. Run the same command again.")
    if target.holds(name, content):
        return False
    target.write(name, content)
    return True
