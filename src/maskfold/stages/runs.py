"""List runs, compare two, remove some: `maskfold runs`, `maskfold runs compare a b`, `maskfold runs remove a`."""

import logging
from functools import partial
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from maskfold import files
from maskfold.analysis.evidence import Case
from maskfold.config import EXPERIMENTS, build
from maskfold.data.loading import read_image, read_mask
from maskfold.data.task import RECOGNITION
from maskfold.ensembling.evaluation import HALF
from maskfold.ensembling.manifest import content_of
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.masks.pictures import as_rgb
from maskfold.masks.scoring import Judged
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.layout import MemberFolder, fold_of, is_full
from maskfold.runs.listing import HEADINGS, find_runs, listed, refuse_busy, remove, runs_by_name, size_of
from maskfold.runs.run_folder import RunFolder, binding
from maskfold.terminal import RESULT, asked, counted, readable, show_table

log = logging.getLogger(__name__)


def runs(config: DictConfig) -> None:
    """Print a table of all runs, or do what `compare` or `remove` asks for."""
    there = runs_by_name(EXPERIMENTS)
    if config.remove:
        _remove({key: run for name in config.remove for key, run in find_runs(name, there).items()}, ask=config.ask)
    elif config.compare:
        if len(config.compare) != 2:
            raise MaskfoldError(
                f"compare={[*config.compare]}: name two runs or members, as `maskfold runs` lists them."
            )
        _compare(
            {name: _folds_of(name, find_runs(name, there)) for name in config.compare},
            config.page,
            images=config.images,
        )
    elif there:
        show_table(HEADINGS, (listed(name, run).cells() for name, run in there.items()))
    else:
        log.info("%s: no run here. `maskfold train` makes one.", EXPERIMENTS)


def _folds_of(name: str, runs: dict[str, RunFolder]) -> dict[str, RunFolder]:
    """Return runs without one on all photos, which has no score to compare."""
    folds = {key: run for key, run in runs.items() if not is_full(run)}
    if not folds:
        raise MaskfoldError(f"compare: {name} was trained on all photos, so its score is unknown. Compare folds.")
    return folds


def _remove(chosen: dict[str, RunFolder], *, ask: bool) -> None:
    refuse_busy(chosen)
    question = f"Remove {', '.join(chosen)}, {readable(size_of([*chosen.values()]))}?"
    if ask and not asked(question):
        raise MaskfoldError(f"{question} Nothing was removed: say y, or --yes where nobody can be asked.")
    for name, run in chosen.items():
        remove(run)
        log.info("%s: removed", name)


def _compare(chosen: dict[str, dict[str, RunFolder]], page: str | None, *, images: int) -> None:
    # Imports matplotlib.
    from maskfold.analysis.comparison import Comparison, Side, compose, label_panels, mask_panels

    if len(chosen) != 2:
        raise MaskfoldError("compare: a run cannot be compared with itself; name two.")
    one, other = (Side(name, *_evidence(name, [*runs.values()])) for name, runs in chosen.items())
    first, second = ([*runs.values()] for runs in chosen.values())
    source = build(second[0].part("data"))
    comparison = Comparison(one, other, Judged(source.metric))
    photos = source.load().set_index("image_id")
    path = Path(page or second[0].path.parent / f"against_{one.name.replace('/', '_')}.html")
    masks = source.task != RECOGNITION
    if masks:
        panels = partial(mask_panels, comparison, partial(_cases, first, second, photos, source.channels))
    else:
        panels = partial(label_panels, comparison, lambda image_id: read_image(photos.loc[image_id, "image"]))
    files.write_text(path, compose(comparison, panels, images=images, masks=masks))
    log.info("%s: %s otherwise", path, counted(len(comparison.differing()), "setting"))
    log.info("%s", comparison.verdict(), extra=RESULT)


def _evidence(name: str, runs: list[RunFolder]) -> tuple:
    """Return what a `Side` is made of, behind its name.

    Raises:
        MaskfoldError: If a run has no scores out of fold, they are damaged, or they are of other maps.
    """
    member = MemberFolder(runs[0].path.parent)
    again = f"`make evaluate EXP={member.name}` scores it."
    if not member.scores.exists():
        raise MaskfoldError(f"{member.scores}: missing, so {name} has no scores of its photos. {again}")
    scores = files.read_table(member.scores, again=again)
    scored = dict(zip(sorted(set(scores["fold"])), scores.attrs.get("maps", []), strict=False))  # nothing of older ones
    for run in runs:
        store = run.store("oof")
        if fold_of(run) not in set(scores["fold"]):
            raise MaskfoldError(f"{member.scores}: {run.path.name} is not in it. {again}")
        if scored.get(fold_of(run)) != content_of(store):
            raise MaskfoldError(f"{store}: other maps than the scores of {name} are of, or gone. {again}")
    record = files.read_json(runs[0].run)
    origin = {key: record.get(key) for key in ("commit", "device")} | record["identity"] | record["versions"]
    settings = binding(runs[0].read_config()) | {f"run: {key}": value for key, value in origin.items()}
    del settings["name"]
    epochs = {run.path.name: pd.DataFrame(run.epochs()) for run in runs}
    return settings, scores[scores["fold"].isin([fold_of(run) for run in runs])], epochs, runs[0].monitor()


def _cases(
    first: list[RunFolder], second: list[RunFolder], photos: pd.DataFrame, channels: int | None, image_id: str
) -> tuple[Case, ...]:
    """Read a photo, its mask and the map of either side, cut at one half as in scoring."""
    row = photos.loc[image_id]
    photo = as_rgb(read_image(row["image"], channels=channels))
    truth = read_mask(row["mask"], size=photo.shape[:2])
    maps = (_map(runs, image_id) for runs in (first, second))
    return tuple(Case(photo, one, (one >= HALF).astype("uint8"), truth) for one in maps)


def _map(runs: list[RunFolder], image_id: str) -> object:
    stores = (ProbabilityStore(run.store("oof")) for run in runs)
    return next(store.read(image_id) for store in stores if not store.missing([image_id]))


main = entry_point(runs)

if __name__ == "__main__":
    main()
