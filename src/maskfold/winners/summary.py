"""The model summary that hosts ask of winners, in the parts of Kaggle's guidelines for it.

The parts, A1 to A9, are those of https://www.kaggle.com/WinningModelDocumentationGuidelines; what no file knows is left
to a person, by its question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from maskfold.analysis.formats import gain, interval, score
from maskfold.analysis.tables import Gain
from maskfold.ensembling.means import LOGIT, PROBABILITY, RANK
from maskfold.runs.layout import LEADERBOARD
from maskfold.terminal import counted, duration
from maskfold.winners.commands import TrainCommand
from maskfold.winners.facts import MemberFacts
from maskfold.winners.words import bullets, markdown_table, missing, spoken_part, to_write

_AVERAGED = {
    PROBABILITY: "Probability maps are",
    LOGIT: "The logits of probability maps are",
    RANK: "Probability maps, their values replaced by those that members have at the same rank on average, are",
}
_TRAINED_BY = ("geometry", "preprocess", "augment", "loss", "optimizer", "schedule", "averaging", "tta")


@dataclass(frozen=True, kw_only=True)
class Pack:
    """All that the documents say.

    Attributes:
        ensemble: Its configuration, resolved.
        data: Of its members, as their runs have it.
        members: Its members.
        commands: How each run is trained again, by its folder.
        worth: What the ensemble scores out of fold, a sentence.
        gains: Its gain over each member; or why that is not known.
        submitted: Rows of the table of submissions.
        fitted: Of `blend.json` and `tune.json`, by name: what they say, or None.
        rehearsal: As `rehearsal.json` of its bundle has it; None where there is none.
        machine: Of this machine, by what is said of it.
    """

    ensemble: Mapping[str, Any]
    data: Mapping[str, Any]
    members: Sequence[MemberFacts]
    commands: Mapping[str, TrainCommand]
    worth: str
    gains: Sequence[Gain] | str
    submitted: pd.DataFrame
    fitted: Mapping[str, Mapping[str, Any] | None]
    rehearsal: Mapping[str, Any] | None
    machine: Mapping[str, str]

    @property
    def in_one_pass(self) -> bool:
        """Whether its mean is one that networks can make which look at a photo together, as in a bundle."""
        usual = (self.ensemble.get("mean") or PROBABILITY) == PROBABILITY
        return usual and all(member.temperature == 1 for member in self.members)

    @property
    def name(self) -> str:
        """The ensemble's name."""
        return str(self.ensemble["name"])


def model_summary(pack: Pack) -> str:
    """Return the model summary, Markdown."""
    parts = {
        "A1. Background on you and your team": _background(pack),
        "A2. You and your team": _team(),
        "A3. Summary": _summary(pack),
        "A4. Features and data": _data(pack),
        "A5. Training methods": _training(pack),
        "Ensembling": _ensembling(pack),
        "A6. Interesting findings": _findings(pack),
        "A7. A simple model": _simple(pack),
        "A8. Model execution time": _time(pack),
        "A9. References": _references(pack),
    }
    start = (
        f"# Model summary: {pack.name}\n\nWritten by `make winners-pack ENS={pack.name}` from what runs left behind. "
        "Every number is from a file; what is in no file is said to be missing, or left to you."
    )
    return "\n\n".join([start, *(f"## {title}\n\n{text}" for title, text in parts.items())]) + "\n"


def _background(pack: Pack) -> str:
    """Return which competition it was, and how it was scored there."""
    known = {"Competition": pack.data.get("competition") or "(the data names none)"}
    rows = pack.submitted
    if rows.empty:
        table = missing(f"no submission of it in `{LEADERBOARD}`", "`make submit` records them.")
    else:
        shown = rows[["date", "submission", "cv", "public", "private"]].astype(object)
        table = markdown_table([*shown], shown.where(shown.notna(), "missing").to_numpy().tolist())
    asked = to_write("Team name, private leaderboard place.", "Name, location and e-mail of each member of the team.")
    return f"{bullets(known)}\n\n{table}\n\n{asked}"


def _team() -> str:
    return to_write(
        "What is your academic or professional background?",
        "Did you have any prior experience that helped you succeed in this competition?",
        "What made you decide to enter it, and how much time did you spend on it?",
        "If part of a team: how did you decide to team up, and who did what?",
    )


def _summary(pack: Pack) -> str:
    """Return what it is in a few sentences."""
    networks = sum(len(member.runs) for member in pack.members)
    kinds = ", ".join(dict.fromkeys(member.network[0] for member in pack.members if member.runs))
    seconds = [member.seconds for member in pack.members if member.runs]
    whole = sum(one for one in seconds if one is not None)
    known = duration(whole) if seconds and None not in seconds else "a time that not every run has kept"
    of = counted(len(pack.members), "member")
    tool = "maskfold (PyTorch, Lightning, segmentation_models_pytorch, timm)"
    return (
        f"The mean of {counted(networks, 'network')} of {of} ({kinds or 'maps from other code'}), trained "
        f"fold by fold with {tool} in {known}. {pack.worth}\n\n"
        + to_write("What matters most in it, in two or three sentences of your own.")
    )


def _data(pack: Pack) -> str:
    """Return what was learned from, and how photos got to the networks."""
    audits = sorted({one for member in pack.members for one in member.said("audit")})
    photos = sorted({one for member in pack.members for one in member.said("training_photos")})
    facts = {
        "Data": f"`{pack.data.get('name') or pack.data.get('root')}`, read by {spoken_part(pack.data)}",
        "Photos that a network learned from": ", ".join(photos) or "unknown",
        "Audit of the split": ", ".join(audits) or "unknown",
        "Pseudo-labels": spoken_part(sorted({str(member.config.get("pseudo") or "none") for member in pack.members})),
    }
    asked = to_write(
        "Which external data, if any?", "What did you find out about the data, and what did you mend in it?"
    )
    return f"{bullets(facts)}\n\n{asked}"


def _training(pack: Pack) -> str:
    """Return how each member was trained."""
    return "\n\n".join(_member(member, pack) for member in pack.members)


def _member(member: MemberFacts, pack: Pack) -> str:
    """Return how a member was trained, with the command of each of its runs."""
    if not member.runs:
        return f"### {member.name}\n\nA folder of maps from other code. {to_write('How were they made?')}"
    config, (network, start, licence) = member.config, member.network
    trainer = config.get("trainer", {})
    facts = {
        "Network": f"{network}: {spoken_part(config.get('model'))}",
        "Began with": f"{start}; terms: {licence}",
        "Folds": member.folds,
        "Seed": ", ".join(member.said("seed")),
        **{key.capitalize(): spoken_part(config[key]) for key in _TRAINED_BY if config.get(key)},
        "Epochs": member.epochs,
        "Batch": f"{trainer.get('batch_size')}, gradients of {trainer.get('accumulate')} at once",
        "Trained in": _seconds(member),
        "Device": ", ".join(member.said("device")),
        "Commit": ", ".join(member.said("commit")),
        "Whole configuration": f"[configs/{member.name}.yaml](configs/{member.name}.yaml)",
    }
    return f"### {member.name}\n\n{bullets(facts)}\n\n```sh\n" + "\n".join(_commands(member, pack)) + "\n```"


def _commands(member: MemberFacts, pack: Pack) -> list[str]:
    """Return the command of each run; one that would not make the same configuration says so."""
    lines = []
    for run in member.runs:
        command = pack.commands[str(run.path)]
        lines += [f"# not the whole of it: other are {', '.join(command.differing)}"] * bool(command.differing)
        lines += command.lines
    return lines


def _ensembling(pack: Pack) -> str:
    """Return how the members became one mask."""
    weights = [
        (member.name, len(member.runs) or "maps", f"{float(member.weight):.4f}", f"{member.temperature:g}")
        for member in pack.members
    ]
    averaged = _AVERAGED[str(pack.ensemble.get("mean") or PROBABILITY)]
    steps = {
        "Threshold": f"{pack.ensemble.get('threshold')} of 255",
        "Empty photos": spoken_part(pack.ensemble.get("empty")),
        "Post-processing": spoken_part(pack.ensemble.get("postprocess") or None),
        "Repair of the most unconfident": spoken_part(pack.ensemble.get("repair")),
        **{f"`{name}.json`": _fit(name, about) for name, about in pack.fitted.items()},
    }
    return (
        f"{averaged} averaged, a member being the mean of its folds, then cut and post-processed.\n\n"
        f"{markdown_table(['member', 'networks', 'share', 'temperature'], weights)}\n\n{bullets(steps)}"
    )


def _fit(name: str, about: Mapping[str, Any] | None) -> str:
    """Return what came of fitting weights or thresholds."""
    if about is None:
        return missing("never fitted for this ensemble", f"`make {name}` does it out of fold.")
    return "a gain beyond the noise out of fold" if about.get("accepted") else "no gain beyond the noise out of fold"


def _findings(pack: Pack) -> str:
    """Return what each member scores, and what the whole gains over it."""
    scores = [
        (member.name, score(member.score) if member.score is not None else f"missing: make evaluate EXP={member.name}")
        for member in pack.members
        if member.runs
    ]
    table = markdown_table(["member", "score out of fold"], scores)
    if isinstance(pack.gains, str):
        gains = missing(f"what the ensemble gains over each member ({pack.gains})", "")
    else:
        rows = [(one.member, gain(one.mean), interval(one.low, one.high, gain)) for one in pack.gains]
        gains = markdown_table(["over", "the ensemble's gain", "95 % over groups"], rows)
    asked = to_write("What was the most important trick?", "What do you think set you apart from others?")
    return f"{pack.worth}\n\n{table}\n\n{gains}\n\n{asked}"


def _simple(pack: Pack) -> str:
    """Return which member alone comes nearest, and what it costs."""
    known = [member for member in pack.members if member.score is not None]
    if not known:
        return missing("no member was evaluated", "`make evaluate EXP=<member>` scores one out of fold.")
    best = max(known, key=lambda member: member.score or 0)
    cost = duration(best.seconds) if best.seconds is not None else "an unknown time"
    return (
        f"`{best.name}` alone scores {score(best.score or 0)} out of fold, with {len(best.runs)} networks trained in "
        f"{cost}. The whole ensemble: {pack.worth}"
    )


def _time(pack: Pack) -> str:
    """Return how long training and prediction take, and on what."""
    runs = [member for member in pack.members if member.runs]
    rows = [(one.name, len(one.runs), _seconds(one), ", ".join(one.said("device"))) for one in runs]
    trained = markdown_table(["member", "networks", "training, all of them", "device"], rows)
    if pack.rehearsal is None:
        predicted = missing("how long predictions take", f"`make bundle ENS={pack.name}` rehearses and times them.")
    else:
        line = pack.rehearsal["forecast"]
        predicted = (
            f"Predictions, rehearsed on {pack.rehearsal['device']}: {line['start']:.1f} s to start and "
            f"{line['per_photo']:.3f} s a photo, so {line['hours']:.2f} h for {line['photos']} photos."
        )
    machine = (
        f"The machine that this was written on, which need not be the one that trained:\n\n{bullets(pack.machine)}"
    )
    simple = to_write("How long does the simple model take to predict, if it is to be used?")
    return f"{trained}\n\n{predicted}\n\n{machine}\n\n{simple}"


def _seconds(member: MemberFacts) -> str:
    """Return what its trainings took."""
    return duration(member.seconds) if member.seconds is not None else "missing: a run has no `metrics.csv`"


def _references(pack: Pack) -> str:
    terms = dict.fromkeys(member.network[2] for member in pack.members if member.runs)
    lines = "\n".join(f"- {one}" for one in terms)
    asked = to_write("Papers, posts and code that you used.")
    return f"Terms of the weights that trainings began with:\n\n{lines}\n\n{asked}"
