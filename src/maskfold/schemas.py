"""The keys of each stage and their types; their defaults and what they mean stand in `conf/` alone.

`<Name>Stage` is what `conf/<name>.yaml` is checked against, as `<name>_schema` in its list of defaults; an option of
`task` widens training's by the keys that only this task has.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from maskfold import values
from maskfold.places import FULL

ALL = "all"  # folds
SEEDS = 2**32 - 1  # the largest that every library takes

Group = dict[str, Any]
"""What an option of a group, such as `model=linknet34`, leaves: its keys are those of what it builds."""


@dataclass
class PredictionTrainer:
    """Keys of `conf/trainer/predict.yaml`."""

    batch_size: int | str = values.number(1, words=("auto",))
    num_workers: int | None = values.number(0)
    load_timeout: int = values.number(0)
    writers: int | None = values.number(1)
    precision: str = MISSING
    accelerator: str = MISSING
    devices: int | str = MISSING
    channels_last: bool = MISSING
    compile: bool | str = MISSING


@dataclass
class TrainingTrainer:
    """Keys of `conf/trainer/default.yaml`."""

    max_epochs: int | None = values.number(1)
    patience: int | None = values.number(1)
    batch_size: int | str = values.number(1, words=("auto",))
    effective_batch: int | None = values.number(1)
    accumulate: int = values.number(1)
    scale_rate: int | None = values.number(1)
    bucket_mb: int = values.number(1)
    compress_gradients: str | None = MISSING
    gradient_clip: float | None = values.number(above=0)
    hard_negatives_every: int | None = values.number(1)
    precision: str = MISSING
    channels_last: bool = MISSING
    compile: bool | str = MISSING
    accelerator: str = MISSING
    devices: int | str = MISSING
    num_nodes: int = values.number(1)
    strategy: str = MISSING
    rank_timeout: int = values.number(1)
    num_workers: int | None = values.number(0)
    load_timeout: int = values.number(0)
    limit_batches: int | None = values.number(1)
    save_every: str | None = MISSING
    restart_epoch: bool = MISSING


@dataclass
class DataStage:
    """Keys of `stages/data.py`."""

    data: Group = MISSING
    competition: str | None = values.name_inside()
    folder: str | None = values.name_inside()
    pieces: list[str] | None = values.name_inside()  # noqa: RUF009, a field as the others


@dataclass
class JoinStage:
    """Keys of `stages/join.py`."""

    sample: str = MISSING
    train: str | None = MISSING
    images: str | None = MISSING
    masks: str | None = MISSING
    test: str | None = MISSING
    name: str | None = values.name_inside()
    order: str | None = MISSING
    start: int | None = MISSING
    empty: str | None = MISSING
    classes: list[str] | None = MISSING
    exclusive: bool | None = MISSING
    channels: int | None = values.number(1)
    columns: Any = MISSING  # null, or text by name: a typed one could not be given on the command line
    metric: str | None = MISSING
    competition: str | None = MISSING
    overwrite: bool = MISSING


@dataclass
class StudioStage:
    """Keys of `stages/studio.py`; the generator's own documentation explains them."""

    root: str = MISSING
    cars: int = MISSING
    test_cars: int = MISSING
    height: int = MISSING
    width: int = MISSING
    seed: int = values.number(0, most=SEEDS)
    planted: bool = MISSING
    world: str = MISSING
    jobs: int = values.number(1, words=(-1,))


@dataclass
class PackagesStage:
    """Keys of `stages/packages.py`; the generator's own documentation explains them."""

    root: str = MISSING
    products: Any = MISSING  # a whole number or a list of them, which the generator looks at
    first_month: str = MISSING
    photos: int = values.number(1)
    test_photos: int = values.number(0)
    unknown: int = values.number(0)
    size: int = values.number(32, most=1024)
    seed: int = values.number(0, most=SEEDS)
    weights: bool = MISSING
    twins: bool = MISSING
    jobs: int = values.number(1, words=(-1,))


@dataclass
class CleanStage:
    """Keys of `stages/clean.py`."""

    data: Group = MISSING
    images: int = values.number(0)
    jobs: int = values.number(1, words=(-1,))


@dataclass
class FoldsStage:
    """Keys of `stages/folds.py`."""

    data: Group = MISSING
    folds: Group = MISSING
    twins: int = values.number(0, most=64)
    forget: bool = MISSING
    overwrite: bool = MISSING


@dataclass
class ClustersStage:
    """Keys of `stages/clusters.py`."""

    data: Group = MISSING
    k: int = values.number(1)
    weights: str | None = MISSING
    network: str | None = MISSING
    member: str | None = values.name_inside()
    maps: str | None = MISSING
    light: float | None = values.number(0, most=1)
    seed: int = values.number(0, most=SEEDS)
    jobs: int = values.number(1, words=(-1,))


@dataclass
class TrainStage:
    """Keys of `stages/train.py` for any task; an experiment is an overlay on them."""

    name: str = values.name_inside()
    fold: int | str = values.number(0, words=(ALL, FULL))
    seed: int = values.number(0, most=SEEDS)
    overwrite: bool = MISSING
    keep_last: bool = MISSING
    keep_best: int | None = values.number(1)
    split_file: str | None = MISSING
    splits: dict[str, str] = MISSING
    audit: bool = MISSING
    task: Group = MISSING
    data: Group = MISSING
    pseudo: str | None = MISSING
    start_from: str | None = MISSING
    replay: int | None = values.number(0)
    balance: float = values.number(0, most=1)
    cluster_weights: dict[str, float] = MISSING
    model: Group = MISSING
    freeze: list[str] = MISSING
    optimizer: Group = MISSING
    schedule: Group = MISSING
    averaging: Group = MISSING
    trainer: TrainingTrainer = field(default_factory=TrainingTrainer)
    tracker: Group = MISSING


@dataclass
class MixingKeys:
    """Keys of `mixing` in `conf/task/segmentation.yaml`."""

    mixup: float = values.number(0)
    cutmix: float = values.number(0)
    share: float = values.number(0, most=1)
    until: float = values.number(0, most=1)


@dataclass
class DistillKeys:
    """Keys of `distill` in `conf/task/segmentation.yaml`."""

    ensemble: str | None = values.name_inside()
    share: float = values.number(above=0, most=1)


@dataclass
class SegmentationKeys(TrainStage):
    """Keys that `conf/task/segmentation.yaml` adds to training."""

    geometry: Group = MISSING
    preprocess: Group = MISSING
    augment: Group = MISSING
    loss: Group = MISSING
    deep: Any = MISSING  # a number, or names of layers
    mixing: MixingKeys = field(default_factory=MixingKeys)
    distill: DistillKeys = field(default_factory=DistillKeys)
    tta: str = MISSING


@dataclass
class RecognitionKeys(TrainStage):
    """Keys that `conf/task/recognition.yaml` adds to training."""

    framing: Group = MISSING
    smoothing: float = values.number(0, most=1)
    adjust: float = values.number(0)
    mixup: float = values.number(0)
    cutmix: float = values.number(0)
    distill: str | None = MISSING
    distill_weight: float = values.number(0, most=1)
    distill_temperature: float = values.number(above=0)
    tta: str = MISSING


@dataclass
class PredictionGeometry:
    """Numbers of a run's geometry that may be others in prediction."""

    height: int | None = values.number(1)
    width: int | None = values.number(1)
    overlap: int | None = values.number(0)
    multiple: int | None = values.number(1)


@dataclass
class PredictStage:
    """Keys of `stages/predict.py`."""

    name: str = values.name_inside()
    fold: int | str = values.number(0, words=(ALL, FULL))
    split: str = MISSING
    store: str | None = values.name_inside()
    checkpoint: str = values.name_inside()
    data: Group | None = MISSING
    tta: str | None = MISSING
    geometry: PredictionGeometry = field(default_factory=PredictionGeometry)
    trainer: PredictionTrainer = field(default_factory=PredictionTrainer)


@dataclass
class SoupStage:
    """Keys of `stages/soup.py`."""

    name: str = values.name_inside()
    fold: int | str = values.number(0, words=(ALL,))
    runs: list[str] = values.name_inside()  # noqa: RUF009, a field as the others
    to: str | None = values.name_inside()
    keep: int | None = values.number(1)
    greedy: bool = MISSING
    batches: int = values.number(1)
    batch_size: int = values.number(1)
    num_workers: int | None = values.number(0)
    accelerator: str = MISSING
    overwrite: bool = MISSING


@dataclass
class FuseStage:
    """Keys of `stages/fuse.py`."""

    ensemble: Group = MISSING
    data: Group | None = MISSING
    trainer: PredictionTrainer = field(default_factory=PredictionTrainer)


@dataclass
class BundleStage:
    """Keys of `stages/bundle.py`."""

    ensemble: Group = MISSING
    data: Group | None = MISSING
    trainer: PredictionTrainer = field(default_factory=PredictionTrainer)
    to: str | None = MISSING
    hours: float = values.number(above=0)
    photos: int = values.number(1)
    hidden: int | None = values.number(1)
    wheels: str | None = MISSING
    image: str | None = MISSING
    python: str | None = MISSING
    code: list[str] = MISSING
    half: bool = MISSING
    zip: bool = MISSING
    gigabytes: float = values.number(above=0)


@dataclass
class RunsStage:
    """Keys of `stages/runs.py`."""

    compare: list[str] = MISSING
    page: str | None = MISSING
    images: int = values.number(1)
    remove: list[str] = MISSING
    ask: bool = MISSING


@dataclass
class EvaluateStage:
    """Keys of `stages/evaluate.py`."""

    name: str = values.name_inside()
    fold: int | None = values.number(0)
    metric: str | None = MISSING
    jobs: int = values.number(1, words=(-1,))


@dataclass
class EnsembleStage:
    """Keys of `stages/ensemble.py`."""

    ensemble: Group = MISSING
    data: Group | None = MISSING
    split: str = MISSING
    fused: bool = MISSING
    jobs: int = values.number(1, words=(-1,))


@dataclass
class BlendStage:
    """Keys of `stages/blend.py`."""

    ensemble: Group = MISSING
    data: Group | None = MISSING
    method: str = MISSING
    k: int = values.number(2)
    seed: int = values.number(0, most=SEEDS)
    jobs: int = values.number(1, words=(-1,))


@dataclass
class TuneStage:
    """Keys of `stages/tune.py`."""

    ensemble: Group = MISSING
    data: Group | None = MISSING
    temperature: bool = MISSING
    k: int = values.number(2)
    seed: int = values.number(0, most=SEEDS)
    jobs: int = values.number(1, words=(-1,))


@dataclass
class QualityStage:
    """Keys of `stages/quality.py`."""

    ensemble: Group = MISSING
    data: Group | None = MISSING
    split: str = MISSING
    mirror: str | None = MISSING
    predictor: str = MISSING
    level: float = values.number(0, most=1)
    alpha: float = values.number(0, most=1)
    confidence: float = values.number(0, most=1)
    begin: float = values.number(0, most=1)
    review_cost: float | None = values.number(0)
    bad_cost: float | None = values.number(0)
    reject_below: float = values.number(0, most=1)
    k: int = values.number(2)
    seed: int = values.number(0, most=SEEDS)
    jobs: int = values.number(1, words=(-1,))


@dataclass
class PseudoStage:
    """Keys of `stages/pseudo.py`."""

    ensemble: Group = MISSING
    data: Group | None = MISSING
    quantile: float = values.number(above=0, most=1)
    soft: bool = MISSING
    weight: float = values.number(above=0, most=1)
    empty: bool = MISSING
    overwrite: bool = MISSING
    jobs: int = values.number(1, words=(-1,))


@dataclass
class PlanStage:
    """Keys of `stages/plan.py`."""

    experiments: list[str] = MISSING
    ensemble: Group | None = MISSING
    train: str = MISSING
    predict: str = MISSING
    own_maps: bool = MISSING
    batches: int = values.number(1)
    photos: int = values.number(1)
    map_bytes: int | None = values.number(0)


@dataclass
class CampaignStage:
    """Keys of `stages/campaign.py`."""

    ensemble: Group = MISSING
    train: str = MISSING
    predict: str = MISSING
    merge: str = MISSING
    own_maps: bool = MISSING
    cluster: Group = MISSING
    jobs: int = values.number(1)
    retries: int = values.number(0)
    losses: int = values.number(0)
    poll: float = values.number(above=0)


@dataclass
class TechniquesStage:
    """Keys of `stages/techniques.py`."""

    data: Group = MISSING
    base: str = values.name_inside()
    name: str | None = values.name_inside()
    train: str = MISSING
    predict: str = MISSING
    seeds: int = values.number(1)
    only_folds: list[int] | None = MISSING
    only: list[str] | None = MISSING
    jobs: int = values.number(1, words=(-1,))
    techniques: dict[str, Any] = MISSING


@dataclass
class RulesKeys:
    """Keys of `maskfold.masks.rules.Rules`, where they are not those of the data."""

    columns: Any = MISSING  # null, or text by name: a typed one could not be given on the command line
    order: str | None = MISSING
    start: int | None = MISSING
    empty: str | None = MISSING


@dataclass
class DoctorStage:
    """Keys of `stages/doctor.py`."""

    submission: str = MISSING
    data: Group | None = MISSING
    sample: str | None = MISSING
    height: int | None = values.number(1)
    width: int | None = values.number(1)
    rules: RulesKeys = field(default_factory=RulesKeys)
    classes: list[str] | None = MISSING
    jobs: int = values.number(1, words=(-1,))


@dataclass
class SubmitStage(DoctorStage):
    """Keys of `stages/submit.py`: the doctor's, and its own."""

    competition: str | None = MISSING
    message: str = MISSING
    wait: float = values.number(above=0)
    poll: float = values.number(above=0)


@dataclass
class PickStage:
    """Keys of `stages/pick.py`."""

    ensembles: list[str] | None = values.name_inside()  # noqa: RUF009, a field as the others
    seed: int = values.number(0, most=SEEDS)


@dataclass
class ReportStage:
    """Keys of `stages/report.py`."""

    ensemble: Group | None = MISSING
    name: str | None = values.name_inside()
    images: int = values.number(1)
    jobs: int = values.number(1, words=(-1,))


@dataclass
class NotebookStage(ReportStage):
    """Keys of `stages/notebook.py`: the report's."""


@dataclass
class CardStage:
    """Keys of `stages/card.py`."""

    name: str | None = values.name_inside()
    publish: bool = MISSING


@dataclass
class EnrollStage:
    """Keys of `stages/enroll.py`."""

    name: str = values.name_inside()
    fold: int = values.number(0)
    month: str = MISSING
    to: str | None = values.name_inside()
    data: Group | None = MISSING
    way: str = MISSING
    photos: int | None = values.number(1)
    allowed_loss: float = values.number(0, most=1)
    overwrite: bool = MISSING
    trainer: PredictionTrainer = field(default_factory=PredictionTrainer)


@dataclass
class GrowStage:
    """Keys of `stages/grow.py`."""

    name: str = values.name_inside()
    fold: int = values.number(0)
    month: str = MISSING
    level: str = MISSING
    to: str | None = values.name_inside()
    replay: int = values.number(0)
    train: str = MISSING
    enroll: str = MISSING
    unknown: str | None = MISSING
    registered_model: str = values.name_inside()
    product_loss: float = values.number(0, most=1)
    product_photos: int = values.number(1)
    macro_loss: float = values.number(0, most=1)
    new_share: float = values.number(0, most=1)
    accepted: float = values.number(0, most=1)
    rejection_loss: float = values.number(0, most=1)
    significance: float = values.number(above=0, most=0.5)
    tracker: Group = MISSING
    trainer: PredictionTrainer = field(default_factory=PredictionTrainer)


@dataclass
class PromoteStage:
    """Keys of `stages/promote.py`."""

    name: str | None = values.name_inside()
    fold: int | None = values.number(0)
    data: Group | None = MISSING
    registered_model: str = values.name_inside()
    back: bool = MISSING
    judge_anew: bool = MISSING
    allow_equal: bool = MISSING
    allowed_loss: float = values.number(0, most=1)
    allowed_cluster_loss: float = values.number(0, most=1)
    level: float = values.number(0, most=1)
    allowed_share_loss: float = values.number(0, most=1)
    jobs: int = values.number(1, words=(-1,))
    tracker: Group = MISSING
    trainer: PredictionTrainer = field(default_factory=PredictionTrainer)


@dataclass
class StoreStage:
    """Keys of `stages/store.py`."""

    routes: str | None = MISSING
    store: str = MISSING
    judge: str | None = MISSING
    data: Group | None = MISSING
    snapshot: str | None = MISSING
    audit: float = values.number(0, most=1)
    jobs: int = values.number(1, words=(-1,))


@dataclass
class ShardsStage:
    """Keys of `stages/shards.py`."""

    data: Group = MISSING
    to: str | None = MISSING
    months: list[str] = MISSING
    chunk_mb: int = values.number(1, most=2000)
    jobs: int = values.number(1, words=(-1,))


@dataclass
class DriftStage:
    """Keys of `stages/drift.py`."""

    quality: str = MISSING
    routes: str = MISSING
    month: str | None = MISSING
    store: str = MISSING
    name: str = values.name_inside()


@dataclass
class ReviewStage:
    """Keys of `stages/review.py`."""

    routes: str = MISSING
    show: str = MISSING
    order: str = MISSING
    threshold: int = values.number(1, most=255)
    reviewer: str | None = MISSING
    host: str = MISSING
    port: int = values.number(0, most=65535)


@dataclass
class ExportStage:
    """Keys of `stages/export.py`."""

    ensemble: Group | None = MISSING
    name: str | None = values.name_inside()
    fold: int | str | None = values.number(0, words=(ALL, FULL))
    prototypes: int = values.number(0)
    wrong: float = values.number(0, most=1)
    int8: bool = MISSING
    calibration: int = values.number(1)
    out: str | None = MISSING


@dataclass
class ScoreStage:
    """Keys of `stages/score.py`."""

    submission: str = MISSING
    truth: str = MISSING
    data: Group | None = MISSING
    jobs: int = values.number(1, words=(-1,))


@dataclass
class CutoutStage:
    """Keys of `stages/cutout.py`."""

    source: str = MISSING
    target: str = MISSING
    exported: str | None = MISSING
    ensemble: Group | None = MISSING
    quality: str | None = MISSING
    hold: bool = MISSING
    accelerator: str = MISSING
    alpha: str = MISSING
    colour: str = MISSING
    crumbs: float = values.number(0, most=100)
    format: str = MISSING
    lossy: int = values.number(1, most=100)
    backdrop: str | None = MISSING
    crop: bool = MISSING
    margin: float = values.number(0, most=100)
    square: bool = MISSING
    max_side: int | None = values.number(1)
    empty: str = MISSING
    replace_suffix: bool = MISSING
    max_pixels: int = values.number(1)
    jobs: int = values.number(1, words=(-1,))


@dataclass
class ServeStage:
    """Keys of `stages/serve.py`."""

    exported: str | None = MISSING
    ensemble: Group | None = MISSING
    accelerator: str = MISSING
    quality: str | None = MISSING
    products: str | None = MISSING
    inbox: str | None = MISSING
    inbox_photos: int = values.number(1)
    host: str = MISSING
    port: int = values.number(0, most=65535)
    token_file: str | None = MISSING
    max_bytes: int = values.number(1)
    max_pixels: int = values.number(1, most=2**30)
    queue: int = values.number(1)
    batch: int = values.number(1)
    timeout: float = values.number(above=0)
    threads: int = values.number(1)


@dataclass
class PublishStage:
    """Keys of `stages/publish.py`."""

    exported: str = MISSING
    to: str = MISSING
    name: str | None = values.name_inside()
    version: str | None = MISSING


@dataclass
class WinnersPackStage:
    """Keys of `stages/winners_pack.py`."""

    ensemble: Group = MISSING
    to: str | None = MISSING
    overwrite: bool = MISSING


@dataclass
class RecipeStage:
    """Keys of `stages/recipe.py`."""

    data: Group = MISSING
    hours: float = values.number(above=0)
    name: str | None = values.name_inside()
    k: int | None = values.number(2)
    size: list[int] | None = MISSING
    epochs: int | None = values.number(1)
    weights: str = MISSING
    files: Any = MISSING  # null, or text by name: a typed one could not be given on the command line
    batches: int = values.number(2)
    photos: int = values.number(1)


def _stage_name(schema: str) -> str:
    """Return `winners_pack` of `WinnersPackStage`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", schema.removesuffix("Stage")).lower()


STAGES = {_stage_name(name): kind for name, kind in [*globals().items()] if name.endswith("Stage")}
TASKS = {"segmentation": SegmentationKeys, "recognition": RecognitionKeys}
for _name, _schema in (STAGES | TASKS).items():
    ConfigStore.instance().store(name=f"{_name}_schema", node=_schema)
