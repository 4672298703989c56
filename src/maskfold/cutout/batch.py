"""Every photo of a folder or address becomes a cut-out in another, in the same folders: killed, it goes on.

The masker answers one photo after the other in this thread; photos are read, and pictures are made and written, in
others. No more than a few photos for each are in memory, however many there are.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from maskfold.cutout.cutting import NoObjectError, cut_out
from maskfold.cutout.files import SourcePhoto, encode, read_photo
from maskfold.cutout.frames import NewBackdrop, open_backdrop
from maskfold.cutout.names import cutout_names
from maskfold.cutout.options import CutoutOptions
from maskfold.cutout.record import FIRST, SUFFIX, BatchRecord, Entry
from maskfold.data.loading import SUFFIXES
from maskfold.errors import MaskfoldError
from maskfold.parallel import map_ahead, progress
from maskfold.prediction.masker import Answer, Masker, mirrored
from maskfold.storage import Storage, StoredFile

log = logging.getLogger(__name__)

_LONGEST_NAME = 249  # bytes: six less than disks allow, for the name while it is written
_READERS = 2  # threads: the network is what one waits for


class MaskJudge(Protocol):
    """Who says how good a mask is.

    Attributes:
        identity: Changes with what it goes by.
        wants_members: Whether it looks at each member's map.
        wants_mirrored: Whether it looks at the map of the photo's mirror image.
    """

    identity: str
    wants_members: bool
    wants_mirrored: bool

    def assess(self, name: str, photo_hash: str, answer: Answer, turned: np.ndarray | None) -> dict[str, Any]:
        """Return what is to be said of a photo's maps: text and numbers. Whatever it raises is that photo's failure.

        Args:
            name: The photo's, in its storage.
            photo_hash: As `Entry` has it.
            answer: Its maps.
            turned: The map of its mirror image, turned back; None where that is not wanted.
        """
        ...

    def keep(self, name: str, answer: Answer) -> None:
        """Write a photo's maps; where they cannot be written, the run ends."""
        ...


@dataclass
class Batch:
    """What came of a batch.

    Attributes:
        made: How many cut-outs this run has written.
        kept: How many were there already.
        failures: The reason by the name of the photo.
        entries: What the record has of these photos, in the order of their names.
    """

    made: int
    kept: int
    failures: dict[str, str]
    entries: list[Entry]


@dataclass(frozen=True)
class _Work:
    """A photo on its way: with what is known of it so far, or why it goes no further."""

    file: StoredFile
    photo_hash: str = ""
    photo: SourcePhoto | None = None
    answer: Answer | None = None
    turned: np.ndarray | None = None
    reason: str = ""
    same: Entry | None = None  # it was cut out before, and only its file's time has changed


class Cutting:
    """Cuts out all photos of a storage.

    Args:
        source: The photos.
        target: Where the cut-outs go.
        masker: What answers photos with maps.
        options: How cut-outs are to look.
        replace_suffix: Call the cut-out of `1.jpg` `1.png`, and not `1.jpg.png`.
        max_pixels: The most that a photo may have.
        judge: Who says how good each mask is.
        jobs: Threads beside the masker's; -1 is one per core.

    Raises:
        MaskfoldError: If the backdrop cannot be read.
    """

    def __init__(
        self,
        source: Storage,
        target: Storage,
        masker: Masker,
        options: CutoutOptions,
        *,
        replace_suffix: bool = False,
        max_pixels: int = 64_000_000,
        judge: MaskJudge | None = None,
        jobs: int = -1,
    ) -> None:
        self.source, self.target, self.masker, self.options, self.judge = source, target, masker, options, judge
        self.max_pixels, self.jobs, self.replace_suffix = max_pixels, jobs, replace_suffix
        self.backdrop: NewBackdrop | None = None if options.backdrop is None else open_backdrop(options.backdrop)
        behind = "" if self.backdrop is None else self.backdrop.identity
        self.key = options.key(masker.identity, behind, "" if judge is None else judge.identity)

    def run(self) -> Batch:
        """Cut out whatever is not there yet, and return what there is then.

        A photo that fails is listed and the others go on; what cannot be written ends the run.

        Raises:
            MaskfoldError: If there are no photos, two would get the same name, or a cut-out cannot be written.
        """
        photos = [*self.source.items(SUFFIXES)]
        if not photos:
            raise MaskfoldError(f"{self.source.text}: no photos ({', '.join(SUFFIXES)}).")
        self._names = cutout_names([file.name for file in photos], self.options.suffix, self.replace_suffix)
        self._there: dict[str, int] = {}
        if self.target.exists(FIRST):  # else nothing is there, and an address of nothing cannot be listed
            self._there = {file.name: file.size for file in self.target.items((self.options.suffix, SUFFIX))}
        record = BatchRecord(self.target, [name for name in self._there if name.endswith(SUFFIX)])
        self._before = self._sound(record.entries())
        new = [file for file in photos if not self._is_done(file)]
        made, failures = 0, {}
        try:
            for work, entry in progress(self._results(new), "cutting out", total=len(new)):
                made += entry is not None and work.same is None and not entry.reason
                if entry is None:
                    failures[work.file.name] = self._with_older(work.file.name, work.reason)
                else:
                    record.add(entry)
        finally:
            record.write()
        return self._batch(record, made, failures)

    def _batch(self, record: BatchRecord, made: int, failures: dict[str, str]) -> Batch:
        """Return what there is, as the record has it: nothing was kept in memory meanwhile."""
        self._there |= {entry.cutout: entry.size for entry in record.entries()}
        last = self._sound(record.entries())
        entries = [last[name] for name in self._names if name in last and name not in failures]
        failures = failures | {one.photo: self._with_older(one.photo, one.reason) for one in entries if one.reason}
        kept = sum(not entry.reason for entry in entries) - made
        return Batch(made, kept, dict(sorted(failures.items())), entries)

    def _sound(self, entries: Iterable[Entry]) -> dict[str, Entry]:
        """Return those whose cut-out is there, made as this run would make it; the last of each photo."""
        last = {entry.photo: entry for entry in entries if entry.photo in self._names}
        return {
            name: entry
            for name, entry in last.items()
            if entry.key == self.key and (entry.reason or self._there.get(self._names[name]) == entry.size)
        }

    def _is_done(self, file: StoredFile) -> bool:
        entry = self._before.get(file.name)
        return entry is not None and entry.version == file.version

    def _with_older(self, photo: str, reason: str) -> str:
        """Return why a photo failed; where a cut-out lies there all the same, it is of an earlier photo or options."""
        older = self._names[photo]
        return f"{reason} ({older} is of an earlier run)" if older in self._there else reason

    def _results(self, files: Iterable[StoredFile]) -> Iterator[tuple[_Work, Entry | None]]:
        read = map_ahead(self._read, files, threads=_READERS)
        return map_ahead(self._finish, map(self._answer, read), threads=self.jobs)

    def _read(self, file: StoredFile) -> _Work:
        work = _Work(file)
        try:
            _refuse_long(self._names[file.name])
            data = self.source.read(file.name)
            photo_hash = hashlib.sha256(data).hexdigest()[:32]
            before = self._before.get(file.name)
            if before is not None and before.photo_hash == photo_hash:
                return replace(work, same=before)
            photo = read_photo(data, file.name, max_pixels=self.max_pixels)
            return replace(work, photo_hash=photo_hash, photo=photo)
        except Exception as error:  # one photo that nobody foresaw must not stand in the way of 100,000
            return replace(work, reason=_reason(error, file.name))

    def _answer(self, work: _Work) -> _Work:
        if work.photo is None:
            return work
        judge, pixels = self.judge, [work.photo.pixels]
        try:
            answer = self.masker.answer(pixels, members=judge is not None and judge.wants_members)[0]
            turned = mirrored(self.masker, pixels)[0] if judge is not None and judge.wants_mirrored else None
            return replace(work, answer=answer, turned=turned)
        except Exception as error:
            return replace(work, photo=None, reason=_reason(error, work.file.name))

    def _finish(self, work: _Work) -> tuple[_Work, Entry | None]:
        if work.same is not None:
            return work, replace(work.same, version=work.file.version)
        photo, answer = work.photo, work.answer
        if photo is None or answer is None:
            return work, None
        done = replace(work, photo=None, answer=None, turned=None)  # a result may wait for the one before it
        entry = Entry(work.file.name, work.file.version, work.photo_hash, self.key)
        content, reason = b"", ""
        try:
            if self.judge is not None:
                quality = self.judge.assess(work.file.name, work.photo_hash, answer, work.turned)
                entry = replace(entry, quality=quality)
            picture = cut_out(photo.pixels, answer.mean, self.options, self.backdrop)
            content = encode(picture, kind=self.options.format, profile=photo.profile, lossy=self.options.lossy)
        except NoObjectError as error:
            reason = f"{error}"
        except Exception as error:
            return replace(done, reason=_reason(error, work.file.name)), None
        if self.judge is not None:
            self.judge.keep(work.file.name, answer)
        if reason:
            return done, replace(entry, reason=reason)
        name = self._names[work.file.name]
        self.target.write(name, content)
        return done, replace(entry, cutout=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _refuse_long(name: str) -> None:
    """Refuse a cut-out that no folder could hold, before a photo is worked on for nothing."""
    if len(name.rpartition("/")[2].encode(errors="surrogateescape")) > _LONGEST_NAME:
        raise MaskfoldError(f"its name is too long for a cut-out to be called after it ({_LONGEST_NAME} bytes).")


def _reason(error: Exception, name: str) -> str:
    """Return what is wrong with a photo, in one line."""
    text = " ".join(f"{error}".split()).removeprefix(f"{name}: ")
    return text if isinstance(error, MaskfoldError) else f"{type(error).__name__}: {text}"
