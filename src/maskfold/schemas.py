"""What each stage may be told: the keys of its configuration and their types; `conf/` has the values."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class StudioStage:
    """Keys of `stages/studio.py`; the generator's own documentation explains them."""

    root: str = MISSING
    cars: int = MISSING
    test_cars: int = MISSING
    height: int = MISSING
    width: int = MISSING
    seed: int = MISSING
    planted: bool = True
    jobs: int = -1


@dataclass
class FoldsStage:
    """Keys of `stages/folds.py`."""

    data: dict[str, Any] = MISSING
    folds: dict[str, Any] = MISSING
    overwrite: bool = False


@dataclass
class TrainStage:
    """Keys of `stages/train.py`; an experiment is an overlay on them."""

    name: str = MISSING
    fold: int = 0
    seed: int = 0
    overwrite: bool = False
    split_file: str | None = "${oc.select:splits.${data.name},null}"  # null: data/<name>/folds.csv
    splits: dict[str, str] = field(default_factory=dict)
    task: dict[str, Any] = MISSING
    data: dict[str, Any] = MISSING
    pseudo: str | None = None  # a folder of pseudo-labels to learn from as well
    geometry: dict[str, Any] = MISSING
    preprocess: dict[str, Any] = field(default_factory=dict)
    augment: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = MISSING
    freeze: list[str] = field(default_factory=list)  # layers that do not train
    loss: dict[str, Any] = MISSING
    optimizer: dict[str, Any] = MISSING
    schedule: dict[str, Any] = MISSING
    averaging: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = MISSING
    tracker: dict[str, Any] = field(default_factory=dict)
    tta: str = "none"


@dataclass
class PredictStage:
    """Keys of `stages/predict.py`; what is null is taken from the run folder's own configuration."""

    name: str = MISSING
    fold: int = 0
    split: str = "test"
    store: str | None = None
    checkpoint: str = "best"
    data: dict[str, Any] | None = None
    tta: str | None = None
    trainer: dict[str, Any] = field(default_factory=dict)


@dataclass
class FuseStage:
    """Keys of `stages/fuse.py`; what is null is taken from the run folders' own configuration."""

    ensemble: dict[str, Any] = MISSING
    data: dict[str, Any] | None = None
    trainer: dict[str, Any] = field(default_factory=dict)


@dataclass
class EvaluateStage:
    """Keys of `stages/evaluate.py`."""

    name: str = MISSING
    fold: int | None = None  # null: all of them
    jobs: int = -1


@dataclass
class EnsembleStage:
    """Keys of `stages/ensemble.py`."""

    ensemble: dict[str, Any] = MISSING
    data: dict[str, Any] | None = None
    split: str = "test"
    fused: bool = False  # average the maps of `stages/fuse.py`, one a photo, instead of the members' own
    jobs: int = -1


@dataclass
class BlendStage:
    """Keys of `stages/blend.py`."""

    ensemble: dict[str, Any] = MISSING
    data: dict[str, Any] | None = None
    method: str = "greedy"
    k: int = 5
    seed: int = 0
    jobs: int = -1


@dataclass
class PseudoStage:
    """Keys of `stages/pseudo.py`."""

    ensemble: dict[str, Any] = MISSING
    data: dict[str, Any] | None = None
    quantile: float = MISSING
    soft: bool = MISSING
    weight: float = MISSING
    empty: bool = MISSING
    overwrite: bool = False
    jobs: int = -1


@dataclass
class PlanStage:
    """Keys of `stages/plan.py`."""

    experiments: list[str] = field(default_factory=list)
    ensemble: dict[str, Any] | None = None
    train: str = ""
    predict: str = ""
    batches: int = MISSING
    photos: int = MISSING
    map_bytes: int | None = None


@dataclass
class CampaignStage:
    """Keys of `stages/campaign.py`."""

    ensemble: dict[str, Any] = MISSING
    train: str = ""
    predict: str = ""
    merge: str = ""
    jobs: int = MISSING
    retries: int = MISSING
    poll: float = MISSING


@dataclass
class DoctorStage:
    """Keys of `stages/doctor.py`."""

    submission: str = MISSING
    data: dict[str, Any] | None = None
    sample: str | None = None
    height: int | None = None
    width: int | None = None


@dataclass
class SubmitStage(DoctorStage):
    """Keys of `stages/submit.py`: the doctor's, and its own."""

    competition: str = MISSING
    message: str = MISSING
    wait: float = MISSING
    poll: float = MISSING


@dataclass
class PickStage:
    """Keys of `stages/pick.py`."""

    ensembles: list[str] | None = None
    seed: int = 0


@dataclass
class ReportStage:
    """Keys of `stages/report.py`."""

    ensemble: dict[str, Any] = MISSING
    images: int = 8
    jobs: int = -1


@dataclass
class CardStage:
    """Keys of `stages/card.py`."""

    name: str | None = None


@dataclass
class ScoreStage:
    """Keys of `stages/score.py`."""

    submission: str = MISSING
    truth: str = MISSING
    jobs: int = 1


STAGES = {
    "studio": StudioStage,
    "folds": FoldsStage,
    "train": TrainStage,
    "predict": PredictStage,
    "fuse": FuseStage,
    "evaluate": EvaluateStage,
    "ensemble": EnsembleStage,
    "blend": BlendStage,
    "pseudo": PseudoStage,
    "plan": PlanStage,
    "campaign": CampaignStage,
    "doctor": DoctorStage,
    "submit": SubmitStage,
    "pick": PickStage,
    "report": ReportStage,
    "score": ScoreStage,
    "card": CardStage,
}
for _name, _schema in STAGES.items():
    ConfigStore.instance().store(name=f"{_name}_schema", node=_schema)
