"""Every photo of a folder or address becomes a cut-out in another, in the same folders: killed, it goes on.

The masker answers one photo after the other in this thread; photos are read, and pictures are made and written, in
others. No more than a few photos for each are in memory, however many there are; of all there is what the record has.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from maskfold.cutout.cutting import NoObjectError, cut_out, cut_out_drawn
from maskfold.cutout.deciding import MaskJudge, MaskReviews, Outcome, decide
from maskfold.cutout.files import SourcePhoto, encode, read_photo
from maskfold.cutout.frames import NewBackdrop, open_backdrop
from maskfold.cutout.names import cutout_names, refuse_long
from maskfold.cutout.options import CutoutOptions
from maskfold.cutout.record import FIRST, SUFFIX, BatchRecord, Entry
from maskfold.data.loading import SUFFIXES
from maskfold.errors import MaskfoldError, listing
from maskfold.parallel import map_ahead, progress
from maskfold.prediction.masker import Answer, Masker, mirrored
from maskfold.storage import FolderStorage, Storage, StoredFile

log = logging.getLogger(__name__)

_READERS = 2  # threads: the network is what one waits for


@dataclass
class Batch:
    """What came of a batch.

    Attributes:
        made: How many cut-outs this run has written.
        kept: How many were there already.
        failures: The reason by the name of the photo.
        held: Why there is no picture until a person has looked, or for good, by the name of the photo.
        entries: What the record has of these photos, in the order of their names.
    """

    made: int
    kept: int
    failures: dict[str, str]
    held: dict[str, str]
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
    before: Entry | None = None  # what the record has of this very photo
    is_same: bool = False  # nothing is to be done, only its file's time has changed


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
        reviews: Persons who have looked at some: what they have decided goes before the network and the judge.
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
        reviews: MaskReviews | None = None,
        jobs: int = -1,
    ) -> None:
        self.source, self.target, self.masker, self.options = source, target, masker, options
        self.judge, self.reviews = judge, reviews
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
        self._before = self._last(record.entries())
        new = [file for file in photos if not self._is_done(file)]
        # Entries are large: those of what is done are read again at the end.
        self._before = {file.name: self._before[file.name] for file in new if file.name in self._before}
        made, failures = 0, {}
        try:
            for work, entry in progress(self._results(new), "cutting out", total=len(new)):
                made += entry is not None and not work.is_same and bool(entry.cutout)
                if entry is None:
                    failures[work.file.name] = self._with_older(work.file.name, work.reason)
                else:
                    record.add(entry)
        finally:
            record.write()
        return self._batch(record, made, failures)

    def _batch(self, record: BatchRecord, made: int, failures: dict[str, str]) -> Batch:
        """Return what there is, as the record has it: nothing was kept in memory meanwhile."""
        last = self._last(record.entries())
        self._there |= {entry.cutout: entry.size for entry in last.values()}
        entries = [last[name] for name in self._names if name in last and name not in failures]
        entries = [entry for entry in entries if self._is_current(entry)]
        failures = failures | {one.photo: self._with_older(one.photo, one.reason) for one in entries if one.reason}
        held = {entry.photo: entry.held for entry in entries if entry.held}
        left = [self._names[name] for name in held if self._names[name] in self._there]
        if left:
            log.warning(
                "%s: held now, and here from an earlier run. Take them away:\n%s", self.target.text, listing(left)
            )
        kept = sum(bool(entry.cutout) for entry in entries) - made
        return Batch(made, kept, dict(sorted(failures.items())), held, entries)

    def _last(self, entries: Iterable[Entry]) -> dict[str, Entry]:
        """Return the last entry of each photo, if it came of the model and options of this run."""
        last = {entry.photo: entry for entry in entries if entry.photo in self._names}
        judged = self.judge is not None
        return {
            name: entry
            for name, entry in last.items()
            if entry.key == self.key and (entry.quality is not None) == judged
        }

    def _is_current(self, entry: Entry) -> bool:
        """Tell whether there is what this run would make: the cut-out, or the same reason why there is none."""
        outcome = self._outcome(entry.photo, entry.photo_hash, entry.quality)
        if outcome != Outcome(entry.mask, entry.held):
            return False
        size = self._there.get(self._names[entry.photo])
        if entry.held:  # where nothing can be removed, _batch says what to take away
            return size is None or not isinstance(self.target, FolderStorage)
        return bool(entry.reason) or size == entry.size

    def _outcome(self, name: str, photo_hash: str, quality: dict[str, Any] | None) -> Outcome:
        return decide(name, photo_hash, quality, self.judge, self.reviews)

    def _is_done(self, file: StoredFile) -> bool:
        entry = self._before.get(file.name)
        return entry is not None and entry.version == file.version and self._is_current(entry)

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
            refuse_long(self._names[file.name])
            data = self.source.read(file.name)
            photo_hash = hashlib.sha256(data).hexdigest()[:32]
            before = self._before.get(file.name)
            if before is not None and before.photo_hash == photo_hash:
                work = replace(work, before=before, is_same=self._is_current(before))
            if work.is_same:
                return work
            photo = read_photo(data, file.name, max_pixels=self.max_pixels)
            return replace(work, photo_hash=photo_hash, photo=photo)
        except Exception as error:  # one photo that nobody foresaw must not stand in the way of 100,000
            return replace(work, reason=_reason(error, file.name))

    def _answer(self, work: _Work) -> _Work:
        if work.photo is None:
            return work
        judge = None if work.before else self.judge  # which has said its word about these maps
        if judge is None and self._needs_no_map(work):
            return work
        pixels = [work.photo.pixels]
        try:
            answer = self.masker.answer(pixels, members=judge is not None and judge.wants_members)[0]
            turned = mirrored(self.masker, pixels)[0] if judge is not None and judge.wants_mirrored else None
            return replace(work, answer=answer, turned=turned)
        except Exception as error:
            return replace(work, photo=None, reason=_reason(error, work.file.name))

    def _needs_no_map(self, work: _Work) -> bool:
        quality = work.before.quality if work.before else None
        return self._outcome(work.file.name, work.photo_hash, quality) != Outcome()

    def _finish(self, work: _Work) -> tuple[_Work, Entry | None]:
        if work.is_same and work.before:
            return work, replace(work.before, version=work.file.version)
        if work.photo is None:
            return work, None
        done = replace(work, photo=None, answer=None, turned=None)  # a result may wait for the one before it
        name, answer, quality = work.file.name, work.answer, work.before.quality if work.before else None
        judge = self.judge if work.before is None and answer is not None else None
        try:
            if judge is not None:
                quality = judge.assess(name, work.photo_hash, answer, work.turned)
            outcome = self._outcome(name, work.photo_hash, quality)
            content, reason = (b"", "") if outcome.held else self._picture(work, with_review=bool(outcome.mask))
        except Exception as error:
            return replace(done, reason=_reason(error, name)), None
        entry = Entry(name, work.file.version, work.photo_hash, self.key, quality=quality, **asdict(outcome))
        if judge is not None:
            judge.keep(name, answer)
        if reason:
            return done, replace(entry, reason=reason)
        return done, self._held(entry) if entry.held else self._written(entry, content)

    def _held(self, entry: Entry) -> Entry:
        """Take away the picture that a photo had before it was held."""
        if isinstance(self.target, FolderStorage):
            cutout = self._names[entry.photo]
            self.target.remove(cutout)
            self._there.pop(cutout, None)
        return entry

    def _written(self, entry: Entry, content: bytes) -> Entry:
        cutout = self._names[entry.photo]
        self.target.write(cutout, content)
        return replace(entry, cutout=cutout, size=len(content), sha256=hashlib.sha256(content).hexdigest())

    def _picture(self, work: _Work, *, with_review: bool) -> tuple[bytes, str]:
        """Return the bytes of a cut-out, of a person's mask or else of the network's map; or why there is none."""
        photo, answer = work.photo, work.answer
        try:
            if with_review:
                mask = self.reviews.mask(work.file.name)
                picture = cut_out_drawn(photo.pixels, mask, self.options, self.backdrop)
            else:
                picture = cut_out(photo.pixels, answer.mean, self.options, self.backdrop)
        except NoObjectError as error:
            return b"", f"{error}"
        return encode(picture, kind=self.options.format, profile=photo.profile, lossy=self.options.lossy), ""


def _reason(error: Exception, name: str) -> str:
    """Return what is wrong with a photo, in one line."""
    text = " ".join(f"{error}".split()).removeprefix(f"{name}: ")
    return text if isinstance(error, MaskfoldError) else f"{type(error).__name__}: {text}"
