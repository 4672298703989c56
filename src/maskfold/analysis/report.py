"""The report: one page of what is known about an ensemble."""

from collections.abc import Iterator

import pandas as pd

from maskfold.analysis.by_cluster import has_clusters
from maskfold.analysis.cluster_section import cluster_section
from maskfold.analysis.diagnosis import agreement_section, compare_members, location_section
from maskfold.analysis.evidence import Evidence, Split
from maskfold.analysis.formats import gain, score
from maskfold.analysis.galleries import suspects_section, unconfident_section, worst_section
from maskfold.analysis.html import Html, element, page, sentence
from maskfold.analysis.inspection import inspect
from maskfold.analysis.spread import spread_section
from maskfold.analysis.standing import members_section, planted_section
from maskfold.analysis.tables import bootstrap_interval, gain_over_best
from maskfold.masks.scoring import Judged


def compose(evidence: Evidence, *, images: int, jobs: int = -1) -> str:
    """Return the report, a whole HTML document; sections without evidence are not in it.

    Args:
        evidence: What it is about.
        images: How many images each gallery shows.
        jobs: Processes that look at the out-of-fold maps; -1 is one per core.

    Raises:
        MaskfoldError: If a photo, a mask or a map cannot be read.
    """
    facts = (
        element("div", element("b", big), element("span", small), class_="fact") for big, small in _facts(evidence)
    )
    parts = [
        element("h1", f"Ensemble {evidence.name}"),
        element("p", _opening(evidence), class_="soft"),
        element("div", *facts, class_="facts"),
    ]
    if evidence.missing:
        sentences = (element("p", sentence(reason)) for reason in evidence.missing)
        parts.append(element("section", element("h2", "Left out of this report"), *sentences, class_="missing"))
    if evidence.oof is not None:
        parts.append(members_section(evidence, evidence.oof))
        if has_clusters(evidence.oof.scores):
            parts.append(cluster_section(evidence.oof.scores, evidence.judged))
    if evidence.planted is not None:
        parts.append(planted_section(evidence, evidence.planted))
    if evidence.test is not None:
        parts.append(unconfident_section(evidence, evidence.test, images=images))
    if evidence.oof is not None:
        parts += _errors(evidence, evidence.oof, images=images, jobs=jobs)
    return page(f"{evidence.name}: report", *parts)


def _errors(evidence: Evidence, oof: Split, *, images: int, jobs: int) -> Iterator[Html]:
    """Yield the sections that look at the out-of-fold masks themselves."""
    inspection, agreement = inspect(oof, jobs=jobs), compare_members(oof, evidence.judged, jobs=jobs)
    yield worst_section(evidence, oof, images=images)
    yield suspects_section(evidence, oof, inspection, images=images)
    yield spread_section(evidence, oof)
    yield location_section(inspection)
    if agreement is not None:
        yield agreement_section(agreement)


def _opening(evidence: Evidence) -> str:
    counted = [
        f"{len(split.scores):,} {name} photos of {split.scores['group'].nunique():,} groups"
        for name, split in (("train", evidence.oof), ("test", evidence.test))
        if split is not None
    ]
    return f"Data {evidence.data}: {', '.join(counted)}."


def _facts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield the numbers to see first, each with what it means."""
    if evidence.oof is not None:
        scores = evidence.oof.scores
        marks, title = evidence.judged.marks(scores), evidence.judged.title
        low, high = bootstrap_interval(marks.values, scores["group"], marks.weights)
        yield score(marks.total), f"out-of-fold {title}; 95 % interval {score(low)} to {score(high)}"
        if len(evidence.members) > 1:
            yield _gain(scores, evidence.members, evidence.judged)
    if evidence.truth is not None:
        title = evidence.judged.title
        yield score(evidence.judged.total(evidence.truth)), f"{title} of the submission against the hidden truth"
    if evidence.test is not None:
        repaired = int(evidence.test.scores["repaired"].sum())
        yield f"{len(evidence.test.scores):,}", f"test images in the submission, {repaired:,} of them repaired"


def _gain(scores: pd.DataFrame, members: dict[str, pd.DataFrame], judged: Judged) -> tuple[str, str]:
    over = gain_over_best(scores, members, judged)
    ends = f"95 % interval {gain(over.low)} to {gain(over.high)}"
    return gain(over.mean), f"{judged.title} over the best member, {over.member}; {ends}"
