"""Predictions of any task, by the folder that they lie in."""

from pathlib import Path

from maskfold.prediction.store import ProbabilityStore
from maskfold.recognition.answers import AnswerStore


def store_in(folder: Path) -> ProbabilityStore | AnswerStore:
    """Return the predictions in a folder: answers where there are parts of them, maps else, also where it is empty."""
    answers = AnswerStore(folder)
    return answers if answers.parts() else ProbabilityStore(folder)
