"""Predict maps or answers of a split with a trained fold: `maskfold predict name=linknet34 fold=0 split=test`."""

import logging
from contextlib import nullcontext
from functools import partial
from typing import Any

import pandas as pd
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from maskfold.config import EXPERIMENTS, build, resolved
from maskfold.data.folds import fold_members, read_folds, split_path
from maskfold.data.labelled import LabelledSource
from maskfold.data.source import Source
from maskfold.data.table import fingerprint
from maskfold.data.task import RECOGNITION
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.every_fold import folds_with_a_run, for_each_fold
from maskfold.files import locked
from maskfold.models.network import Network
from maskfold.prediction.larger import GEOMETRY, changed_numbers
from maskfold.prediction.members import load_network, refuse_other_classes
from maskfold.prediction.photos import claim_photos
from maskfold.prediction.predictor import predict_photos
from maskfold.prediction.splits import LEARNED, photos_of
from maskfold.prediction.store import CLASSES, ProbabilityStore
from maskfold.prediction.tta import check_tta
from maskfold.recognition.answers import AnswerStore
from maskfold.recognition.predicting import predict_answers
from maskfold.recognition.trained import CLASS_TABLE, classes_digest, trained_classes
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.layout import FULL, MemberFolder
from maskfold.runs.lineage import refuse_leak
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import RESULT, counted

log = logging.getLogger(__name__)


def predict(config: DictConfig) -> ProbabilityStore | AnswerStore:
    """Add every map or answer that is missing to a fold's store of a split; return the store."""
    folder = MemberFolder(EXPERIMENTS / config.name).run(config.fold)
    if config.fold == FULL and config.split != "test":
        raise MaskfoldError(
            f"{folder.path}: trained on all photos, so there is none that it could be judged by: predict split=test."
        )
    source: Source = build(config.data or folder.part("data"))
    task = (_Answers if source.task == RECOGNITION else _Maps)(folder, source, resolved(config.geometry))
    tta = check_tta(config.tta or folder.read_config()["tta"])
    trainer = resolved(config.trainer)
    photos = _photos(config, folder, source)
    if config.split == "oof":
        refuse_leak(folder, photos)
    if not folder.finished.exists():
        log.warning("%s: not trained to its end; these are %ss of its best epoch so far.", folder.path, task.noun)
    checkpoint = folder.checkpoint(config.checkpoint)
    network = load_network(checkpoint)
    task.check(network)
    store = task.store(folder.store(config.store or config.split))
    first = rank_zero_only.rank == 0  # of several processes of one run, the one that keeps the folder
    with locked(store.folder) if first else nullcontext():
        if first:
            origin = {"data": fingerprint(photos), "checkpoint": checkpoint_hash(checkpoint), "tta": tta}
            store.claim(origin | task.origin)
            claim_photos(store, photos)
        task.predict(network, photos, store=store, tta=tta, **trainer)
    if first:
        log.info("%s: %s", store.folder, counted(len(photos), task.noun), extra=RESULT)
    return store


class _Maps:
    """Predicts photos to maps of probabilities, as a segmentation does."""

    noun = "map"
    store = ProbabilityStore

    def __init__(self, folder: RunFolder, source: Source, asked: dict[str, int | None]) -> None:
        refuse_other_classes([folder], source.classes)
        trained = folder.part("geometry")
        changed = changed_numbers(trained, asked)
        self.geometry = build(trained | changed)
        self.origin: dict[str, Any] = {CLASSES: [*source.classes]} if source.classes else {}
        self.origin |= {GEOMETRY: changed} if changed else {}
        self.predict = partial(predict_photos, geometry=self.geometry, preprocess=build(folder.part("preprocess")))

    def check(self, network: Network) -> None:
        """Refuse sizes that the network does not take."""
        self.geometry.check_stride(network.stride)


class _Answers:
    """Predicts photos to the probabilities of labels, as a recognition does."""

    noun = "answer"
    store = AnswerStore

    def __init__(self, folder: RunFolder, source: LabelledSource, asked: dict[str, int | None]) -> None:
        changed_numbers({"_target_": "framing"}, asked)
        classes = trained_classes(folder, source.class_table())
        self.origin = {CLASS_TABLE: classes_digest(classes)}
        self.predict = partial(predict_answers, framing=build(folder.part("framing")), active=classes.active())

    def check(self, network: Network) -> None:
        """Say nothing: what is framed has the size that it had in training."""


def _photos(config: DictConfig, folder: RunFolder, source: Source) -> pd.DataFrame:
    """Return the rows of the split: the fold's own for `oof`, all others of its split for `learned`, all test rows."""
    table = source.load()
    photos = photos_of(table, "oof" if config.split == LEARNED else config.split)
    if config.split == "test":
        return photos
    split = split_path(source, folder.read_config()["split_file"])
    folds = read_folds(split, table, left_out=source.left_out)
    is_own = photos["image_id"].isin(fold_members(folds, config.fold))
    return photos[~is_own if config.split == LEARNED else is_own]


main = entry_point(for_each_fold(predict, folds_with_a_run))

if __name__ == "__main__":
    main()
