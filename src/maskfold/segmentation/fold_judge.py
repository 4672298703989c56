"""What weights are worth on a fold's own validation photos, and their statistics on its training photos."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import pandas as pd
import torch

from maskfold.data.geometry import Geometry
from maskfold.data.preprocessing import Preprocess
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.soup import Weights
from maskfold.engine.statistics import recompute_statistics
from maskfold.engine.task import NETWORK, without_auxiliary
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import Metric
from maskfold.models.network import Network
from maskfold.runs.monitor import Monitor
from maskfold.segmentation.dataset import LabelledDataset
from maskfold.segmentation.metrics import SegmentationMetrics


class FoldJudge:
    """Measures weights of one network as its training did: in the run's geometry, in float32.

    Args:
        network: It; moved to the device.
        rows: To train on, and to validate on: rows of the image table.
        geometry: The run's.
        preprocess: The run's.
        metric: What the data is scored by.
        classes: The names of several classes; none for one.
        monitor: What chose the run's best epoch.
        seed: Of the order in which training photos are drawn for the statistics.
        batches: Of training photos, for the statistics.
        batch_size: Photos to a batch.
        num_workers: Loading processes; None for `default_workers`.
        device: Where it works.
    """

    def __init__(
        self,
        network: Network,
        rows: tuple[pd.DataFrame, pd.DataFrame],
        *,
        geometry: Geometry,
        preprocess: Preprocess | None,
        metric: Metric,
        classes: Sequence[str],
        monitor: Monitor,
        seed: int,
        batches: int,
        batch_size: int,
        num_workers: int | None,
        device: str,
    ) -> None:
        self.network = network.to(device)
        self.metric, self.classes, self.monitor = metric, tuple(classes), monitor
        self.batches, self.device = batches, device
        shown = {"geometry": geometry, "preprocess": preprocess, "channels": network.channels, "seed": seed}
        training, validation = (LabelledDataset(part, **shown, classes=max(len(classes), 1)) for part in rows)
        load = {"batch_size": batch_size, "seed": seed, "num_workers": num_workers}
        self._training = EpochLoader(training, **load, shuffle=True)
        self._validation = EpochLoader(validation, **load)

    def __call__(self, weights: Weights) -> tuple[Weights, float]:
        """Give weights the statistics of training photos; return them, and what they are then worth.

        See `maskfold.engine.soup.Judge`.
        """
        self._take(weights)
        recompute_statistics(self.network, self._photos())
        names = {f"{NETWORK}{name}": tensor.cpu() for name, tensor in self.network.state_dict().items()}
        weights = weights | {name: tensor.clone() for name, tensor in names.items()}
        return weights, self.scores(weights)[self.monitor.name]

    @torch.no_grad()
    def scores(self, weights: Weights) -> dict[str, float]:
        """Return every metric of weights as they are, by its name behind `val/`.

        Raises:
            MaskfoldError: If the run was judged by something else than metrics, or the network gives no numbers.
        """
        self._take(weights)
        metrics = SegmentationMetrics(self.metric, classes=self.classes).to(self.device)
        self._validation.set_epoch(0)
        for batch in self._validation:
            metrics.update(self.network(batch["image"].to(self.device)), batch["mask"].to(self.device) / 255)
        scores = {f"val/{name}": float(value) for name, value in metrics.compute().items()}
        if self.monitor.name not in scores:
            raise MaskfoldError(
                f"The run was judged by {self.monitor.name}, which is known in training alone; there are "
                f"{', '.join(scores)}. Only members that were judged by one of these can be averaged into one."
            )
        if math.isnan(scores[self.monitor.name]):
            raise MaskfoldError(f"{self.monitor.label}: no number, for no photo of this fold counts.")
        return scores

    def _take(self, weights: Weights) -> None:
        own = {key.removeprefix(NETWORK): tensor for key, tensor in weights.items() if key.startswith(NETWORK)}
        self.network.load_state_dict(without_auxiliary(own))
        self.network.eval()

    def _photos(self) -> Iterator[torch.Tensor]:
        self._training.set_epoch(0)
        for batch in islice(iter(self._training), self.batches):
            yield batch["image"].to(self.device)
