"""How often `make join` understands a competition: a hundred drawn by chance, with and without masks.

Writes docs/measured/join.csv: for the shape of the table, the order of the runs, the number of the first pixel and the
empty token, of how many competitions each is right, asked for, or wrong. Under a minute.

    python tests/benchmarks/study_join.py
"""

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from measure import publish

sys.path.insert(0, str(Path(__file__).parents[1]))
from competitions import generate, outcomes

COMPETITIONS = 100
OUTCOMES = ("right", "asked", "wrong")


def kind(has_masks: bool, has_table: bool) -> str:
    """Return in words what is there of a competition's masks."""
    if has_masks and has_table:
        return "run lengths and pictures"
    return "pictures" if has_masks else "run lengths"


def main() -> None:
    """Draw the competitions and count."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for seed in range(COMPETITIONS):
        with TemporaryDirectory() as folder:
            competition = generate(Path(folder) / "competition", seed)
            of = outcomes(competition)
        for what, outcome in of.items():
            counts.setdefault((what, kind(competition.has_masks, competition.has_table)), Counter())[outcome] += 1
    rows = [
        {"what": what, "masks_as": masks, **{outcome: counted[outcome] for outcome in OUTCOMES}}
        for (what, masks), counted in sorted(counts.items())
    ]
    publish("join", pd.DataFrame(rows), competitions=COMPETITIONS)


if __name__ == "__main__":
    main()
