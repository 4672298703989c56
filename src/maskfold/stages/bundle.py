"""One folder for a code competition without internet, rehearsed: `maskfold bundle ensemble=linknet34`."""

import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from maskfold import files
from maskfold.bundle import contents, making
from maskfold.bundle.packages import Package, cached_wheels, image_packages, is_wheel_of, needed, with_wheels
from maskfold.bundle.page import page
from maskfold.bundle.rehearsal import Forecast, Rehearsed, forecast, rehearse
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, resolved
from maskfold.data.source import Source
from maskfold.ensembling.fusion import fusible_means, networks
from maskfold.ensembling.manifest import data_of
from maskfold.ensembling.recipe import Recipe
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError, listing
from maskfold.prediction.members import refuse_other_classes
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.terminal import RESULT, duration

log = logging.getLogger(__name__)

BUNDLES = Path("bundles")


def bundle(config: DictConfig) -> Path:
    """Make a bundle of an ensemble, rehearse it without a network, and return its folder."""
    recipe: Recipe = build(config.ensemble)
    target = Path(config.to) if config.to else BUNDLES / recipe.name
    making.refuse_foreign(target)
    bundled, table = _bundled(config, recipe)
    image = image_packages(config.image)
    photos = making.photos_to_rehearse(table, config.photos)
    hidden = config.hidden or max(int((table["split"] == "test").sum()), 1)
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        facts = making.lay_out(part, bundled)
        making.write_facts(part, facts)
        with tempfile.TemporaryDirectory(prefix="maskfold-photos-") as name:
            many, few = (Path(name, kind) for kind in ("many", "few"))
            names = {"test": facts["test"], "sample": facts["sample"]}
            many = making.lay_photos(many, photos, bundled.source, **names)
            few = making.lay_photos(few, photos.iloc[: max(len(photos) // 5, 1)], bundled.source, **names)
            whole = _rehearsed(part, many, "all of its photos")
            half = _halved(part, many, bundled, facts, whole) if config.half else None
            packages = with_wheels(
                needed(whole.modules, image), config.wheels, part / contents.WHEELS, python=config.python
            )
            facts |= {"wheels_python": config.python or facts["wheels_python"]}
            making.write_facts(part, facts, packages)
            short = _rehearsed(part, few, "few of them")
            for way in _all_wheels(packages, config.python):  # not timed: what pip has just written starts slowly
                _rehearsed(part, few, "few of them, with its wheels", way)
        expected = _forecast(whole, short, hidden=hidden, hours=config.hours)
        rehearsal = _rehearsal(whole, short, facts, equal=_equal(whole, recipe, config, bundled.source), half=half)
        _describe(part, facts, packages, rehearsal, expected, gigabytes=config.gigabytes)
        making.take_place(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _finished(target, packages, expected, zipped=config.zip)


def _bundled(config: DictConfig, recipe: Recipe) -> tuple[making.Bundled, Any]:
    """Return what the bundle is made of, and the image table of its photos here."""
    members, *others = fusible_means(recipe, split="test", experiments=EXPERIMENTS)
    own = {store for leaf in members for store in leaf.stores}
    members += [leaf for mean in others for leaf in mean if not own.issuperset(leaf.stores)]  # of the repair alone
    if recipe.clusters:
        raise MaskfoldError(
            "ensemble.postprocess has a step that goes by clusters, and nobody knows those of hidden photos. Leave it "
            "out of what is bundled: ensemble.postprocess=[...]."
        )
    data = data_of(members) if config.data is None else resolved(config.data)
    source: Source = build(data)
    refuse_other_classes([run for run, _ in networks(members)], source.classes)
    bundled = making.Bundled(
        name=recipe.name,
        ensemble=resolved(config.ensemble),
        trainer=resolved(config.trainer),
        members=members,
        source=source,
        data=data,
        code=[*config.code],
    )
    return bundled, source.load()


def _rehearsed(part: Path, photos: Path, which: str, *arguments: str) -> Rehearsed:
    log.info("%s: rehearsed on %s (%d), without a network", part, which, sum(1 for _ in photos.iterdir()))
    return rehearse(part, photos, arguments)


def _halved(part: Path, photos: Path, bundled: making.Bundled, facts: dict[str, Any], whole: Rehearsed) -> bool:
    """Store the weights in 16 bits; refuse where a mask is another for it."""
    contents.copy_runs(bundled.runs, part / contents.EXPERIMENTS, half=True)
    making.write_facts(part, facts)
    if _rehearsed(part, photos, "all of its photos, weights in 16 bits").submission != whole.submission:
        raise MaskfoldError("half=true: with weights in 16 bits some masks are others. Leave half out.")
    return True


def _all_wheels(packages: Sequence[Package], python: str | None) -> list[str]:
    """Return what has the script try all wheels, where they are for the Python that is here."""
    return ["wheels=all"] if python is None and any(one.wheel for one in packages) else []


def _forecast(whole: Rehearsed, short: Rehearsed, *, hidden: int, hours: float) -> Forecast:
    few = (short.photos, short.seconds - short.installing)
    return forecast((whole.photos, whole.seconds), few, photos=hidden, limit=hours)


def _equal(whole: Rehearsed, recipe: Recipe, config: DictConfig, source: Source) -> tuple[int, int] | None:
    """Return how many rows are those of the submission here, and of how many; None where that has another recipe."""
    before = EnsembleFolder(SUBMISSIONS / recipe.name).test
    if recipe.repair.worst or not before.submission.exists() or not before.manifest.exists():
        return None  # which photos are repaired depends on all of them
    if files.read_json(before.manifest).get("ensemble") != resolved(config.ensemble):
        return None
    with tempfile.TemporaryDirectory(prefix="maskfold-") as name:
        written = Path(name, "rehearsed.csv")
        written.write_bytes(whole.submission)
        return making.equal_rows(written, before.submission, source)


def _rehearsal(
    whole: Rehearsed, short: Rehearsed, facts: dict[str, Any], *, equal: tuple[int, int] | None, half: bool | None
) -> dict[str, Any]:
    """Return what `rehearsal.json` says of the two rehearsals."""
    return {
        "photos": whole.photos,
        "seconds": round(whole.seconds, 3),
        "few_photos": short.photos,
        "few_seconds": round(short.seconds - short.installing, 3),
        "installing_seconds": round(short.installing, 3),
        "cut": whole.cut,
        "device": facts["device"],
        "equal": equal,
        "half": half,
    }


def _describe(
    part: Path,
    facts: dict[str, Any],
    packages: Sequence[Package],
    rehearsal: dict[str, Any],
    expected: Forecast,
    *,
    gigabytes: float,
) -> None:
    """Write the pages and the manifest; refuse what is too large to be uploaded."""
    sizes = making.sizes_of(part)
    making.refuse_too_large(sizes, gigabytes)
    files.write_json(part / contents.REHEARSAL, rehearsal | {"forecast": expected.facts(), "bytes": sizes})
    text = page(facts, packages=packages, sizes=sizes, rehearsal=rehearsal, forecast=expected)
    files.write_text(part / contents.PAGE, text)
    making.write_facts(part, facts, packages)


def _finished(target: Path, packages: Sequence[Package], expected: Forecast, *, zipped: bool) -> Path:
    """Say what is there, what is still lacking, and whether it fits into its time."""
    if zipped:
        log.info("%s", making.write_zip(target))
    if lacking := [one for one in packages if one.lacking]:
        built = cached_wheels()
        lines = [
            f"{one.name}=={one.version}" + (f": {wheel}" if wheel else "")
            for one in lacking
            for wheel in [next((path for path in built if is_wheel_of(path, one, None)), None)]
        ]
        log.warning(
            "%s lacks wheels of packages that the image has not; with wheels=download they are fetched, or bring them "
            "in a folder, wheels=<folder>. Where pip has built one here, it is named:\n%s",
            target,
            listing(lines),
        )
    time = f"{duration(expected.hours * 3600)} for {expected.photos} photos"
    if not expected.fits:
        raise MaskfoldError(
            f"{target} is whole, but would take {time} on a device like this one, and there are {expected.limit:g} h "
            "(hours=). Take members or views away, or rehearse it where it is to run; hidden= is how many photos there "
            "are."
        )
    log.info("%s: %s, of %g h", target, time, expected.limit, extra=RESULT)
    return target


main = entry_point(bundle)

if __name__ == "__main__":
    main()
