"""May a network that knows more products take the champion's place? Both on the same frozen test photos.

It is refused where something is worse by more than its limit and chance does not explain that: an old product, the
macro recall of all old ones, the new ones against the median of the old, the rejection of products that neither knows.
An equally good network is refused by chance in at most 3 of 100 cases: 1 % for the single products together, and half
a per cent for each of the four one-sided rules.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from maskfold.errors import MaskfoldError
from maskfold.recognition.paired import (
    false_accepts_p,
    holm,
    least_p,
    macro_fall,
    macro_fall_interval,
    macro_fall_p,
    mcnemar,
    provable,
)
from maskfold.recognition.pairs import confused_pairs, partners
from maskfold.recognition.unknown import fpr_at
from maskfold.terminal import counted

_STEADY = 5  # test photos from which a product's recall counts for the median
_COLUMNS = ("label", "new", "champion", "challenger")
_SCORES = ["champion_score", "challenger_score"]


@dataclass(frozen=True)
class GateLimits:
    """What a challenger may lose, and how sure a loss has to be.

    Attributes:
        product_loss: Of an old product's recall.
        product_photos: Test photos of a product from which it is looked at alone.
        macro_loss: Of the macro recall of the old products.
        new_share: Of the old products' median recall, which the new ones have to reach.
        accepted: The share of known photos that pass the threshold by which unknown ones are rejected.
        rejection_loss: Of the share of unknown photos that are rejected there.
        significance: How often chance may refuse by the single products; each one-sided rule has half of it.

    Raises:
        MaskfoldError: If one is out of its range.
    """

    product_loss: float = 0.1
    product_photos: int = 20
    macro_loss: float = 0.003
    new_share: float = 0.8
    accepted: float = 0.95
    rejection_loss: float = 0.02
    significance: float = 0.01

    def __post_init__(self) -> None:
        shares = {key: value for key, value in asdict(self).items() if key not in ("product_photos", "significance")}
        if wrong := [f"{key}={value}" for key, value in shares.items() if not 0 <= value <= 1]:
            raise MaskfoldError(f"gate: {', '.join(wrong)}: a share, 0 to 1, so 0.1 for 10 points.")
        if not 0 < self.significance <= 0.5 or self.product_photos < 1:
            raise MaskfoldError(
                f"gate: significance={self.significance} has to be above 0 and up to 0.5, and product_photos="
                f"{self.product_photos} 1 or more."
            )


@dataclass(frozen=True)
class GateVerdict:
    """What has been decided, and why.

    Attributes:
        reasons: All that speaks against the challenger; empty if it may become the champion.
        notes: What the test photos cannot show.
        figures: The numbers that were compared.
        products: A row a product of the test: `label`, `new`, `photos`, the recalls `champion` (NaN of a new one) and
            `challenger`, `lost` and `won` photos, and `p` after Holm (NaN where it was not looked at alone, or where so
            few photos differ that no answer could prove a loss beside the other products).
        pairs: As `confused_pairs` returns them.
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    figures: dict[str, Any]
    products: pd.DataFrame
    pairs: pd.DataFrame

    @property
    def passed(self) -> bool:
        """Whether the challenger may become the champion."""
        return not self.reasons


def judge(
    photos: pd.DataFrame,
    unknown: pd.DataFrame | None = None,
    limits: GateLimits | None = None,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> GateVerdict:
    """Judge a challenger against the champion.

    Args:
        photos: A row a test photo: its `label`, whether that is `new` to the champion, and the labels that `champion`
            and `challenger` say it has; with `unknown` also their scores, `champion_score` and `challenger_score`,
            larger where they are surer to know the product.
        unknown: The two scores of photos of products that neither knows; None where there are none.
        limits: What may be lost.
        draws: Of the bootstrap and of the tests by chance.
        seed: Of these.

    Raises:
        MaskfoldError: If a column is missing, or no photo is of an old product.
    """
    limits = limits or GateLimits()
    _refuse_incomplete(photos, unknown, limits, draws)
    products = _products(photos, limits)
    pairs = confused_pairs(photos)
    rules = [
        _macro(products, limits, draws, seed),
        _new(products, limits),
        _rejection(photos, unknown, limits, draws, seed),
    ]
    figures, reasons = {"photos": len(photos)}, [*_single(products, pairs, limits)]
    for measured, objection in rules:
        figures |= measured
        reasons += objection
    notes = (*_notes(products, figures, limits),)
    return GateVerdict(tuple(reasons), notes, figures, products, pairs)


def _refuse_incomplete(photos: pd.DataFrame, unknown: pd.DataFrame | None, limits: GateLimits, draws: int) -> None:
    wanted = [*_COLUMNS, *(_SCORES if unknown is not None else [])]
    if missing := [column for column in wanted if column not in photos]:
        raise MaskfoldError(f"gate: the judged photos have no column {', '.join(missing)}; judge both networks anew.")
    if photos["new"].all():
        raise MaskfoldError(
            "gate: no test photo is of a product that the champion knows, so nobody can say what would be lost. Keep "
            "test photos of every month (data.test)."
        )
    if draws < 2 / limits.significance:
        raise MaskfoldError(f"gate: {draws} draws cannot show a level of {limits.significance / 2:g}. Ask for more.")


def _products(photos: pd.DataFrame, limits: GateLimits) -> pd.DataFrame:
    """Return a row a product."""
    right = {side: photos[side] == photos["label"] for side in ("champion", "challenger")}
    counts = pd.DataFrame(
        {
            "label": photos["label"],
            "new": photos["new"].astype(bool),
            "photos": 1,
            "champion": right["champion"],
            "challenger": right["challenger"],
            "lost": right["champion"] & ~right["challenger"],
            "won": right["challenger"] & ~right["champion"],
        }
    )
    table = counts.groupby(["label", "new"], sort=True, observed=True).sum().reset_index()
    table = table.assign(**{side: table[side] / table["photos"] for side in right}, p=np.nan)
    table.loc[table["new"], "champion"] = np.nan
    alone = table[_alone(table, limits)]
    tried = alone[provable(least_p(alone["lost"] + alone["won"]), limits.significance)[0]]
    table.loc[tried.index, "p"] = holm(mcnemar(tried["lost"], tried["won"]))
    return table


def _alone(products: pd.DataFrame, limits: GateLimits) -> pd.Series:
    """Tell which products are looked at alone."""
    return ~products["new"] & (products["photos"] >= limits.product_photos)


def _hidden(products: pd.DataFrame, limits: GateLimits) -> int:
    """Return how many products that are looked at alone could not be refused even if every photo were lost."""
    alone = products[_alone(products, limits)]
    count = provable(least_p(alone["lost"] + alone["won"]), limits.significance)[1]
    right = (alone["champion"] * alone["photos"]).round()
    # Were one of them lost, it would be one more to share the level with.
    unproven = least_p(right) >= limits.significance / (count + 1)
    return int((unproven | (alone["champion"] <= limits.product_loss)).sum())


def _single(products: pd.DataFrame, pairs: pd.DataFrame, limits: GateLimits) -> Iterator[str]:
    """Yield the old products that lose."""
    tried = products["p"].notna().sum()
    lose = (products["champion"] - products["challenger"] > limits.product_loss) & (products["p"] < limits.significance)
    for row in products[lose].sort_values("p", kind="stable").itertuples():
        yield (
            f"{row.label}: recall {_percent(row.champion)} -> {_percent(row.challenger)} of "
            f"{counted(row.photos, 'test photo')}, {row.lost} lost and {row.won} won; McNemar p = {row.p:.2g} after "
            f"Holm over {counted(tried, 'old product')} that could show it; {_points(limits.product_loss)} may be lost"
            f"{partners(pairs, row.label)}"
        )


def _macro(products: pd.DataFrame, limits: GateLimits, draws: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Return what becomes of the macro recall of the old products, and what speaks against it."""
    old = products[~products["new"]]
    counts = [old[column].to_numpy() for column in ("photos", "lost", "won")]
    level, chance = limits.significance / 2, {"draws": draws, "seed": seed}
    fall, (low, high) = macro_fall(*counts), macro_fall_interval(*counts, level=level, **chance)
    high = max(high, 1 - level ** (1 / counts[0].sum()))  # where not one is lost, as many might be by chance
    beyond = fall > limits.macro_loss and low > 0
    p = macro_fall_p(*counts, **chance) if beyond else None
    means = {f"old_macro_recall_{side}": float(old[side].mean()) for side in ("champion", "challenger")}
    figures = means | {"old_products": len(old), "macro_fall": fall, "macro_fall_low": low, "macro_fall_high": high}
    if p is None or p > level:
        return figures, []
    worst = old.assign(fall=old["champion"] - old["challenger"]).query("fall > 0").nlargest(3, "fall")
    named = ", ".join(
        f"{row.label} ({_percent(row.champion)} -> {_percent(row.challenger)})" for row in worst.itertuples()
    )
    return figures, [
        f"macro recall of {counted(len(old), 'old product')}: {_percent(means['old_macro_recall_champion'])} -> "
        f"{_percent(means['old_macro_recall_challenger'])}, {_points(fall)} less (at least {_points(low)}, p = "
        f"{p:.2g}); {_points(limits.macro_loss)} may be lost. Most: {named}"
    ]


def _new(products: pd.DataFrame, limits: GateLimits) -> tuple[dict[str, Any], list[str]]:
    """Return how the new products compare with the median of the old, and what speaks against them."""
    old, new = (products[products["new"] == flag] for flag in (False, True))
    if new.empty:
        return {"new_products": 0}, []
    steady = old[old["photos"] >= _STEADY]
    hits = (new["challenger"] * new["photos"]).round()
    median = float(
        steady["challenger"].median() if len(steady) else np.average(old["challenger"], weights=old["photos"])
    )
    least, level = limits.new_share * median, limits.significance / 2
    recall = float(hits.sum() / new["photos"].sum())
    p = float(binom.cdf(hits.sum(), new["photos"].sum(), least))
    figures = {"new_products": len(new), "new_recall": recall, "new_macro_recall": float(new["challenger"].mean())}
    figures |= {"old_median_recall": median, "new_least": least}
    asked = f"{_percent(limits.new_share, 0)} of the old products' median {_percent(median)} is {_percent(least)}"
    reasons = []
    if recall < least and p <= level:
        reasons.append(
            f"{counted(len(new), 'new product')}: recall {_percent(recall)} of "
            f"{counted(int(new['photos'].sum()), 'test photo')}, p = {p:.2g}; {asked}"
        )
    single = new.assign(p=holm(binom.cdf(hits, new["photos"], least)))
    for row in single[(single["challenger"] < least) & (single["p"] <= level)].itertuples():
        reasons.append(
            f"{row.label} (new): recall {_percent(row.challenger)} of {counted(row.photos, 'test photo')}, p = "
            f"{row.p:.2g} after Holm; {asked}"
        )
    return figures, reasons


def _rejection(
    photos: pd.DataFrame, unknown: pd.DataFrame | None, limits: GateLimits, draws: int, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Return how many unknown photos both accept, and what speaks against the challenger."""
    if unknown is None or unknown.empty:
        return {"unknown_photos": 0}, []
    known = photos.loc[~photos["new"].astype(bool), _SCORES].to_numpy(float)
    others, accepted = unknown[_SCORES].to_numpy(float), limits.accepted
    before, now = (fpr_at(known[:, side], others[:, side], accepted=accepted) for side in (0, 1))
    figures = {"unknown_photos": len(unknown), "accepted": accepted}
    figures |= {"false_accepts_champion": before, "false_accepts_challenger": now}
    if now - before <= limits.rejection_loss:
        return figures, []
    p = false_accepts_p(known, others, accepted=accepted, draws=draws, seed=seed)
    if p > limits.significance / 2:
        return figures, []
    return figures, [
        f"rejection: at {_percent(accepted, 0)} acceptance {_percent(before)} -> {_percent(now)} of "
        f"{counted(len(unknown), 'unknown photo')} pass, p = {p:.2g}; {_points(limits.rejection_loss)} more are allowed"
    ]


def _notes(products: pd.DataFrame, figures: dict[str, Any], limits: GateLimits) -> Iterator[str]:
    """Yield what the test photos cannot show."""
    old = products[~products["new"]]
    few = (old["photos"] < limits.product_photos).sum()
    if few:
        yield (
            f"{few} of {len(old)} old products have fewer than {limits.product_photos} test photos: a loss of one of "
            "these alone would not be seen"
        )
    if hidden := _hidden(products, limits):
        yield (
            f"{hidden} of {len(old)} old products could not be refused even if all of their test photos were lost: too "
            "few are right now. Add test photos of them"
        )
    if figures["macro_fall_high"] > limits.macro_loss:
        yield (
            f"{figures['photos']} test photos cannot exclude that macro recall of old products falls by up to "
            f"{_points(figures['macro_fall_high'])}"
        )
    if not figures["new_products"]:
        yield "no test photo is of a new product: nothing is known of how well these are recognised"
    if not figures["unknown_photos"]:
        yield "no photos of unknown products: their rejection was not compared"


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _points(share: float) -> str:
    return f"{100 * share:.2g} points"
