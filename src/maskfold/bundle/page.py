"""The page of a bundle: what it is, how it is used, how its rehearsal went, and the terms of its weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from maskfold.bundle.packages import Package
from maskfold.bundle.rehearsal import Forecast

_USE = """\
## How to use it

1. Upload this folder as a private data set: `kaggle datasets init -p <this folder>`, fill in `dataset-metadata.json`,
   then `kaggle datasets create -p <this folder> --dir-mode zip`.
2. Make a notebook of the competition from `submission.ipynb`, add the data set and the competition as its inputs, turn
   the internet off, and submit it.
3. Where the photos lie elsewhere than {photos}, name them in the notebook's first cell:
   `ARGUMENTS = ["photos=/kaggle/input/...", "sample=/kaggle/input/.../sample_submission.csv"]`.

`python run.py photos=<folder>` does the same without a notebook. Every file is checked against `bundle.json` first.
"""


def page(
    facts: Mapping[str, Any],
    *,
    packages: Sequence[Package],
    sizes: Mapping[str, int],
    rehearsal: Mapping[str, Any],
    forecast: Forecast,
) -> str:
    """Return `README.md`.

    Args:
        facts: As `bundle.json` has them.
        packages: What it needs.
        sizes: As `maskfold.bundle.making.sizes_of` returns them.
        rehearsal: As `rehearsal.json` has it.
        forecast: How long it will take.
    """
    place = f"`/kaggle/input/{facts['competition']}/{facts['test']}`" if facts["competition"] else "the cell says"
    return "\n".join(
        [
            f"# {facts['ensemble']}\n",
            f"An ensemble of {len(facts['members'])} networks that predicts photos without internet and writes a "
            "submission.\n",
            _USE.format(photos=place),
            "## Rehearsal\n",
            _rehearsed(rehearsal, forecast),
            "## Packages\n",
            _packages(packages, facts),
            "## Networks and the terms of what they began with\n",
            _table(
                ("member", "fold", "network", "began with", "terms"),
                [
                    (one["member"], one["fold"], one["architecture"], one["encoder_weights"], one["licence"])
                    for one in facts["members"]
                ],
            ),
            "## Sizes\n",
            _table(("part", "MB"), [(name, f"{size / 1e6:.2f}") for name, size in sizes.items()]),
        ]
    )


def _rehearsed(rehearsal: Mapping[str, Any], forecast: Forecast) -> str:
    """Return what was tried, and what that promises."""
    verdict = "fits" if forecast.fits else "DOES NOT FIT"
    lines = [
        f"- {rehearsal['photos']} photos in {rehearsal['seconds']:.1f} s, {rehearsal['few_photos']} in "
        f"{rehearsal['few_seconds']:.1f} s, on {rehearsal['device']}, without a network: {rehearsal['cut']}.",
        f"- On a straight line: {forecast.start:.1f} s to start and {forecast.per_photo:.3f} s a photo, so "
        f"{forecast.hours:.2f} h for {forecast.photos} photos: it {verdict} into {forecast.limit:g} h, on a device as "
        "fast as this one.",
    ]
    if rehearsal["equal"] is not None:
        equal, rows = rehearsal["equal"]
        lines.append(f"- {equal} of {rows} rows are those of the submission that was made from this ensemble before.")
    if rehearsal["half"] is not None:
        lines.append("- Weights are stored in 16 bits; the submission was the same as with all of theirs.")
    return "\n".join(lines) + "\n"


def _packages(packages: Sequence[Package], facts: Mapping[str, Any]) -> str:
    """Return the versions of the rehearsal, and where each package comes from."""
    rows = []
    for one in packages:
        where = "the image" if one.in_image else one.wheel or "**nowhere: bring its wheel**"
        rows.append((one.name, one.version, where))
    return f"Rehearsed with Python {facts['python']}.\n\n" + _table(("package", "version", "comes from"), rows)


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n"
