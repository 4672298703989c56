"""The training engine: fits any task into a run folder, and goes on where a killed run stopped."""

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.utilities.memory import is_oom_error

from maskfold.engine.callbacks import BatchSeed, EpochLog, FollowSchedule, TellEpoch
from maskfold.engine.checkpoints import AtomicCheckpointIO, KeepBest, Snapshots, checkpoint_callbacks, load_checkpoint
from maskfold.engine.divergence import StopWhenDiverged
from maskfold.engine.ending import EndWhenAsked
from maskfold.engine.loaders import Loader, describe_lost_worker, end_workers
from maskfold.engine.middle import Every, SaveInEpoch, parse_every, share_of, where_to_go_on
from maskfold.engine.mining import HardNegativeLoader, ReportLosses
from maskfold.engine.precision import choose_precision
from maskfold.engine.progress import Announce, EpochBar
from maskfold.engine.ranks import batches_to_a_step, describe_lost_rank, devices_and_machines
from maskfold.engine.reduction import BF16, CompressGradients, set_up_reduction
from maskfold.engine.schedules import Schedule, number_of_epochs
from maskfold.engine.task import Task
from maskfold.engine.trainer import make_trainer
from maskfold.errors import MaskfoldError
from maskfold.runs.monitor import UNKNOWN, Monitor
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import counted
from maskfold.termination import has_come, put_off

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How long, on what, and with what help a task is trained.

    Attributes:
        max_epochs: Epochs to train; the schedule's own length by default.
        patience: Stop when the monitor has not improved for so many epochs; None never does.
        precision: Lightning's names; `auto` is what `maskfold.engine.precision` finds the device to be quick in.
        accelerator: Lightning's names.
        devices: How many, or `auto` for all; under torchrun, as many as it has started.
        num_nodes: Machines; under torchrun the same.
        strategy: Lightning's names.
        rank_timeout: Seconds after which ranks that wait for another one end the run.
        accumulate: Batches to a step, which takes the mean of their gradients.
        effective_batch: Images to a step over all ranks, which `accumulate` then follows from.
        scale_rate: Images to a step that the rates are meant for, 256 as a rule; they are multiplied by what a step of
            this run has over that (the linear rule of Goyal et al. 2017). None leaves them as they are.
        bucket_mb: MiB of gradients that ranks send one another together, while the next are computed.
        compress_gradients: `bf16` sends them in half as many bytes; None as they are.
        gradient_clip: The gradient's largest norm; None does not clip.
        hard_negatives_every: So many fresh batches are followed by the hardest of them once more; None for no mining.
        limit_batches: Train and validate on so many batches an epoch only, to try things out.
        save_every: Also save the state in the middle of an epoch, every so often: `10min`, `500steps`. None saves it
            only when SIGTERM ends the run.
        restart_epoch: Where a run was broken off in the middle of an epoch and there are other ranks or batches now,
            begin this epoch again instead of refusing; so it is done in any case without `save_every`.
    """

    max_epochs: int | None = None
    patience: int | None = None
    precision: str = "auto"
    accelerator: str = "auto"
    devices: int | str = 1
    num_nodes: int = 1
    strategy: str = "auto"
    rank_timeout: int = 110
    accumulate: int = 1
    effective_batch: int | None = None
    scale_rate: int | None = None
    bucket_mb: int = 25
    compress_gradients: str | None = None
    gradient_clip: float | None = None
    hard_negatives_every: int | None = None
    limit_batches: int | None = None
    save_every: str | None = None
    restart_epoch: bool = False

    def fit(
        self,
        task: Task,
        train_batches: Loader,
        validation_batches: Loader | None,
        *,
        folder: RunFolder,
        schedule: Schedule | Any,
        seed: int,
        averaging: Callback | None = None,
        report: Callable[[dict[str, float]], None] | None = None,
        one_size: bool = False,
        keep_best: int | None = None,
    ) -> dict[str, float]:
        """Train `task`, from its last checkpoint if it has one, and return the row of its best epoch.

        Args:
            task: What is trained; its objective says which epoch is the best.
            train_batches: Shuffled.
            validation_batches: In the same order in every epoch; None where nothing is held out. Then the last epoch
                is what counts as the best.
            folder: Where checkpoints and `metrics.csv` go.
            schedule: A `Schedule`, or a torch scheduler's factory, which the task then brings itself.
            seed: Every epoch's random state follows from it.
            averaging: What keeps an average of the weights, see `maskfold.engine.averaging`; None for the weights
                alone.
            report: Called with every row of `metrics.csv` when its epoch ends.
            one_size: Whether the network is always shown photos of one size.
            keep_best: Of how many of the best epochs the weights are kept, besides `best.ckpt`; None for none.

        Raises:
            MaskfoldError: If the number of epochs is not known or is none, the last checkpoint is damaged, the training
                diverges, a loading process or another rank is lost, or the ranks cannot share a step or validation.
            KeyboardInterrupt: If the user stops it, or SIGTERM did.
        """
        every = self._every()
        monitor = UNKNOWN if validation_batches is None else task.objective.monitor
        epoch_log = EpochLog(folder.metrics, monitor=monitor, report=report)
        photos = len(train_batches.dataset), 0 if validation_batches is None else len(validation_batches.dataset)
        announce = Announce(folder, photos, train_batches.batch_size)
        callbacks = [BatchSeed(seed), announce, EpochBar(), epoch_log, StopWhenDiverged(folder.path)]
        if averaging is not None:
            callbacks.append(averaging)  # before whatever keeps weights at the end of an epoch
        callbacks += self._callbacks(schedule, folder, monitor)
        if keep_best is not None:
            callbacks.append(KeepBest(keep_best, folder, monitor=monitor, rows=lambda: epoch_log.rows))
        batch_size = train_batches.batch_size
        if self.hard_negatives_every is not None:
            train_batches = HardNegativeLoader(train_batches, every=self.hard_negatives_every)
            callbacks.append(ReportLosses(train_batches))
        middle = SaveInEpoch(folder, every, train_batches)
        end = EndWhenAsked(self.rank_timeout, middle.save if self.hard_negatives_every is None else None)
        callbacks += [TellEpoch(train_batches, validation_batches), middle, end]
        callbacks += checkpoint_callbacks(folder.checkpoints, monitor=monitor)
        trainer = self._trainer(folder, self._epochs(schedule), callbacks, one_size=one_size)
        validated = None if validation_batches is None else photos[1]
        self._share(trainer, task, folder, batch_size=batch_size, validated=validated)
        restart = self.restart_epoch or self.save_every is None  # who has not asked for it has SIGTERM's
        begin = where_to_go_on(folder, share_of(trainer, train_batches), restart=restart)
        if begin is not None and trainer.is_global_zero:
            where = "in" if begin == folder.middle else "after"
            log.info("Going on %s epoch %d: %s", where, load_checkpoint(begin)["epoch"] + 1, begin)
        with put_off(), interruptible():
            trainer.fit(task, train_batches, validation_batches, ckpt_path=begin, weights_only=True)
        return monitor.best(epoch_log.rows)

    def rehearse(
        self,
        task: Task,
        train_batches: Loader,
        validation_batches: Loader | None,
        *,
        averaging: Callback | None = None,
        one_size: bool = False,
    ) -> None:
        """Take two steps and validate a batch on one device with a copy of `task`, and leave no trace.

        Two, since the optimizer has all its memory only from the second one on.

        Raises:
            DeviceMemoryError: If the device's memory does not hold it.
            KeyboardInterrupt: If the user stops it.
        """
        trainer = make_trainer(
            one_size=one_size,  # what is tried out may take memory of its own
            max_epochs=1,
            precision=choose_precision(self.precision, self.accelerator),
            accelerator=self.accelerator,
            devices=1,
            gradient_clip_val=self.gradient_clip,
            limit_train_batches=2,
            limit_val_batches=1,
            num_sanity_val_steps=0,
            logger=False,
            callbacks=[] if averaging is None else [copy.deepcopy(averaging)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with interruptible():
            trainer.fit(copy.deepcopy(task), train_batches, validation_batches)

    def _every(self) -> Every | None:
        """Return how often the middle of an epoch is saved."""
        if self.save_every is None:
            return None
        if self.hard_negatives_every is not None:
            raise MaskfoldError(
                "trainer.save_every and trainer.hard_negatives_every: the batches that are to be shown again are not "
                "kept in a checkpoint. Set one of them to null."
            )
        return parse_every(self.save_every)

    def _epochs(self, schedule: Schedule | Any) -> int:
        epochs = number_of_epochs(self.max_epochs, schedule)
        if epochs is None:
            raise MaskfoldError("trainer.max_epochs is null and the schedule has no length of its own: set it.")
        return epochs

    def _callbacks(self, schedule: Schedule | Any, folder: RunFolder, monitor: Monitor) -> list[Callback]:
        """Return what follows the schedule, and what ends a run early."""
        callbacks: list[Callback] = []
        if isinstance(schedule, Schedule):
            callbacks += [FollowSchedule(schedule), Snapshots(schedule, folder.checkpoints)]
        if self.compress_gradients is not None:
            callbacks.append(CompressGradients())
        if self.patience is not None:
            # A metric may be no number where no sample counts; what has diverged is ended by another callback.
            how = {"mode": monitor.mode, "patience": self.patience, "check_finite": False}
            callbacks.append(EarlyStopping(monitor.name, **how))
        return callbacks

    def _share(
        self, trainer: lightning.Trainer, task: Task, folder: RunFolder, *, batch_size: int, validated: int | None
    ) -> None:
        """Have the ranks take a step together, and not wait for ever for a lost one."""
        if self.compress_gradients not in (None, BF16):
            raise MaskfoldError(f"trainer.compress_gradients={self.compress_gradients}: there is {BF16}, or null.")
        ranks = trainer.world_size
        if validated is not None and validated < ranks:
            raise MaskfoldError(
                f"{folder.path}: {ranks} processes, and {counted(validated, 'photo')} to validate: each needs one. "
                "Start fewer, or fold the data into fewer parts (folds.k)."
            )
        trainer.accumulate_grad_batches = batches_to_a_step(
            folder,
            batch_size=batch_size,
            accumulate=self.accumulate,
            effective=self.effective_batch,
            ranks=ranks,
        )
        set_up_reduction(trainer, bucket_mb=self.bucket_mb, same_graph=task.same_graph)
        images = batch_size * trainer.accumulate_grad_batches * ranks
        task.rate_factor = images / self.scale_rate if self.scale_rate else 1.0
        # Only strategies of several ranks have one; which it is, Lightning decides when the Trainer is made.
        if hasattr(trainer.strategy, "_timeout"):
            trainer.strategy._timeout = timedelta(seconds=self.rank_timeout)

    def _trainer(
        self, folder: RunFolder, epochs: int, callbacks: list[Callback], *, one_size: bool = False
    ) -> lightning.Trainer:
        devices, machines = devices_and_machines(self.devices, self.num_nodes)
        return make_trainer(
            one_size=one_size,
            default_root_dir=folder.path,
            max_epochs=epochs,
            precision=choose_precision(self.precision, self.accelerator),
            accelerator=self.accelerator,
            devices=devices,
            num_nodes=machines,
            strategy=self.strategy,
            gradient_clip_val=self.gradient_clip,
            limit_train_batches=self.limit_batches,
            limit_val_batches=self.limit_batches,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            logger=False,
            callbacks=callbacks,
            plugins=[AtomicCheckpointIO()],
            enable_progress_bar=False,
            enable_model_summary=False,
        )


class DeviceMemoryError(MaskfoldError):
    """The device's memory does not hold a batch."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Give back what ends a Trainer in words that the entry point understands.

    Ctrl-C is a `KeyboardInterrupt`: Lightning would end the process itself. A device without memory left is a
    `DeviceMemoryError`, a loading process or another rank that was killed or stands still a `MaskfoldError`.
    """
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    except RuntimeError as error:
        if has_come():  # a loading process, or another rank, has ended as it was asked to
            raise KeyboardInterrupt from error
        if lost := describe_lost_worker(error):
            end_workers()
            raise MaskfoldError(lost) from error
        if lost := describe_lost_rank(error):
            raise MaskfoldError(lost) from error
        if not is_oom_error(error):
            raise
        raise DeviceMemoryError(
            f"Out of memory on the device ({str(error).partition('. ')[0]}). Lower trainer.batch_size; in training, "
            "trainer.batch_size=auto with trainer.effective_batch=<n> finds the largest that fits, and accumulates."
        ) from error
