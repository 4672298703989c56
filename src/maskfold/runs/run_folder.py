"""The folder of one (member, fold): what was run, how it went, and whether it is finished."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from maskfold import files
from maskfold.credentials import censored_tree
from maskfold.errors import MaskfoldError, listing
from maskfold.runs.environment import environment
from maskfold.runs.monitor import Monitor
from maskfold.runs.renamed import ADDED, MONITOR, as_of_today
from maskfold.trust import vetted
from maskfold.yaml_text import read_yaml

LENGTH = "trainer.max_epochs"
# Keys that may differ between two starts of one run: they change how fast it goes or who watches, not what comes out.
FREE_KEYS = (
    "overwrite",
    "keep_last",
    "keep_best",
    "audit",
    "tracker",
    "trainer.num_workers",
    "trainer.load_timeout",
    "trainer.accelerator",
    "trainer.rank_timeout",
    "trainer.bucket_mb",
    "trainer.save_every",
    "trainer.restart_epoch",
    "data.max_pixels",
    "data.submission",
    "data.sample",
    "data.competition",
)
_KEPT = "kept-"  # and the epoch, from 0


class RunFolder:
    """`experiments/<member>/fold<k>/` and the names of what lies in it.

    Attributes:
        path: The folder.
        config: How it is trained, resolved.
        run: Commit, seed, versions; in the end the best epoch's metrics.
        metrics: A row an epoch.
        lineage: What the network has seen.
        trackers: The ids that trackers know the run by.
        checkpoints: The folder of `best` and `last`, of snapshots, and of `middle`, where an epoch was broken off.
        predictions: The folder of all stores of maps.
        finished: The last thing written by training.
        promotion: How it fared as a challenger, and whether it has become the champion.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.run = path / "run.json"
        self.metrics = path / "metrics.csv"
        self.lineage = path / "seen.json"
        self.trackers = path / "tracking.json"
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoint("best")
        self.last = self.checkpoint("last")
        self.middle = self.checkpoint("middle")
        self.predictions = path / "predictions"
        self.finished = path / "finished"
        self.promotion = path / "promotion.json"

    def checkpoint(self, name: str) -> Path:
        """Return where the checkpoint of a name lies: `best`, `last`, `snapshot0` and so on."""
        return self.checkpoints / f"{name}.ckpt"

    def kept(self, epoch: int) -> Path:
        """Return where the weights of an epoch that is one of the best lie, where `keep_best` keeps them."""
        return self.checkpoint(f"{_KEPT}{epoch}")

    def kept_checkpoints(self) -> dict[int, Path]:
        """Return those that are there: `epoch -> file`, in the order of the epochs."""
        names = (path.stem.removeprefix(_KEPT) for path in self.checkpoints.glob(f"{_KEPT}*.ckpt"))
        return {epoch: self.kept(epoch) for epoch in sorted(map(int, filter(str.isdecimal, names)))}

    def store(self, name: str) -> Path:
        """Return the folder of the maps of a split, or of another name; see `run_of` for the way back."""
        return self.predictions / name

    @property
    def holds_training(self) -> bool:
        """Whether something was trained here, to its end or not."""
        return self.metrics.exists() or self.checkpoints.exists()

    def begin(self, config: dict[str, Any], *, identity: dict[str, str]) -> None:
        """Make the folder this run's, or find that it already is.

        Args:
            config: The resolved configuration, which is written down without credentials.
            identity: What else makes a run what it is: fingerprints of data and folds.

        Raises:
            MaskfoldError: If something was trained here with another configuration, other data or other folds, or
                nobody knows with which, or the folder's own files are damaged.
        """
        if self.holds_training:
            for path in (self.config, self.run):
                if not path.exists():
                    raise MaskfoldError(
                        f"{path}: missing, so nobody knows how what is in this folder was trained. Give this run a "
                        "folder of its own with name=..., or begin anew with overwrite=true."
                    )
            self.refuse_other(config, identity)
            self.take_over(config)
            return
        self._write_config(config)
        files.write_json(self.run, {"identity": identity, **environment(), "seed": config["seed"]})

    def note(self, **facts: Any) -> None:
        """Write something down in `run.json` beside what `begin` does."""
        before = files.read_json(self.run)
        if before | facts != before:
            files.write_json(self.run, before | facts)

    def take_over(self, config: dict[str, Any]) -> None:
        """Write down the free keys as they are now; of a finished run those of its data, which are read on.

        Args:
            config: One that `refuse_other` has nothing against.
        """
        before, now = self.read_config(), censored_tree(as_of_today(config))
        if self.finished.exists():
            now = before | {"data": now["data"]}
        if now != before:
            self._write_config(now)

    def _write_config(self, config: dict[str, Any]) -> None:
        files.write_text(self.config, yaml.safe_dump(censored_tree(config), sort_keys=False))

    def refuse_other(self, config: dict[str, Any], identity: dict[str, str] | None = None) -> None:
        """Refuse to take what was trained here for a run of another configuration, or of another identity if given.

        Raises:
            MaskfoldError: If they differ; the message names the keys.
        """
        differing = self.differing(config, identity)
        if differing:
            lines = [f"{key}: {before} before, {now} now" for key, (before, now) in differing.items()]
            raise MaskfoldError(
                f"{self.path} was trained with another configuration:\n{listing(lines)}\n"
                "Give this run a folder of its own with name=..., or replace the old one with overwrite=true."
            )

    def differing(self, config: dict[str, Any], identity: dict[str, str] | None = None) -> dict[str, tuple[Any, Any]]:
        """Return the keys in which a configuration, and an identity if given, differs from this run's: before, now."""
        identity_before = files.read_json(self.run)["identity"]
        before = binding(self.read_config()) | identity_before
        now = binding(censored_tree(as_of_today(config))) | (identity_before if identity is None else identity)
        return {
            key: (before.get(key, "absent"), now.get(key, "absent"))
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key)
        }

    def lengthen(self, config: dict[str, Any], *, identity: dict[str, str], epochs: int | None) -> bool:
        """Take another number of epochs over into a run that has not trained so many yet; it goes on from `last`.

        Nothing else may differ: a schedule that is stretched over all epochs would have had other rates from the start.

        Args:
            config: The resolved configuration.
            identity: As `begin` takes it.
            epochs: How many the configuration asks for, if that is known.

        Returns:
            Whether it is done; if not, `begin` says what there is to say.

        Raises:
            MaskfoldError: If the run's last state was not kept.
        """
        if epochs is None or not (self.config.exists() and self.run.exists() and self.metrics.exists()):
            return False
        if self.differing(config, identity).keys() != {LENGTH}:
            return False
        trained = self.costs()["epochs"]
        if epochs < trained or not (self.last.exists() or self.finished.exists()):
            return False
        if not self.last.exists():
            raise MaskfoldError(
                f"{self.path} is finished after {trained} epochs and its last state was not kept, which takes "
                f"keep_last=true: it cannot be trained longer. Begin another run with its weights (name=... "
                f"start_from={self.path}), or train all {epochs} epochs anew (overwrite=true)."
            )
        self.finished.unlink(missing_ok=True)  # first: without it nothing here is taken for finished
        self._write_config(config)
        return True

    def read_config(self) -> dict[str, Any]:
        """Return the run's resolved configuration, that of an earlier version in the words of this one.

        Raises:
            MaskfoldError: If there is no run here, or its configuration is damaged.
        """
        if not self.config.is_file():
            raise MaskfoldError(f"{self.path}: no run here ({self.config.name} is missing). Train this fold first.")
        try:
            text = self.config.read_text()
            config = read_yaml(text)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise MaskfoldError(f"{self.config}: damaged ({error}). Train this fold with overwrite=true.") from error
        if not isinstance(config, dict):
            raise MaskfoldError(f"{self.config}: damaged (no keys in it). Train this fold with overwrite=true.")
        missing = _missing_parts(as_of_today(config))
        if missing or not text.endswith("\n"):
            reason = f"no {', '.join(missing)} in it" if missing else "it breaks off in its last line"
            raise MaskfoldError(f"{self.config}: damaged ({reason}). Train this fold with overwrite=true.")
        return censored_tree(as_of_today(config))  # those of an earlier version were written down as they were

    def part(self, kind: str) -> dict[str, Any] | None:
        """Return how a part of the training was built, to build it again.

        Args:
            kind: A key of the configuration that is one of `maskfold.trust.KINDS`.

        Raises:
            MaskfoldError: As `read_config`, or as `vetted` refuses a part.
        """
        config = self.read_config()
        if kind not in config:
            raise MaskfoldError(f"{self.config}: damaged (no {kind} in it). Train this fold with overwrite=true.")
        return vetted(config[kind], kind, self.config)

    def summary(self) -> dict[str, Any]:
        """Return what `finish` was given."""
        return files.read_json(self.run)["best"]

    def epochs(self) -> list[dict[str, float]]:
        """Return the rows of `metrics.csv`, one an epoch so far."""
        import pandas as pd  # which whoever only completes a command has no time for

        return pd.read_csv(self.metrics).to_dict("records")

    def costs(self) -> dict[str, Any]:
        """Return `epochs`, `seconds`, `images_per_second`, `peak_memory_mb` and `device` of the training so far.

        Raises:
            MaskfoldError: If no epoch has been finished.
        """
        if not self.metrics.exists():
            raise MaskfoldError(f"{self.metrics}: missing; no epoch of this fold has been finished. Train it first.")
        epochs = files.read_table(self.metrics, again="Train this fold with overwrite=true.")
        return {
            "epochs": len(epochs),
            "seconds": round(epochs["seconds"].sum()),
            "images_per_second": round(epochs["images_per_second"].median(), 2),
            "peak_memory_mb": int(epochs["peak_memory_mb"].max()),
            "device": files.read_json(self.run)["device"],
        }

    def monitor(self) -> Monitor:
        """Return what chooses the best epoch; a run that does not say is of a version that knew one task only."""
        return Monitor(**files.read_json(self.run).get("monitor", MONITOR))

    def finish(self, best: dict[str, Any], *, monitor: Monitor) -> None:
        """Add the best epoch's metrics, and what chose it, to `run.json`; mark the run as finished."""
        files.write_json(self.run, files.read_json(self.run) | {"best": best, "monitor": asdict(monitor)})
        files.write_text(self.finished, "")


def _missing_parts(config: dict[str, Any]) -> list[str]:
    """Return the keys that a configuration's task is made of and that are not there: they stand at the file's end."""
    task, known = config["task"], ADDED["task"]
    if not isinstance(task, dict):
        return ["task"]
    whole = known | task if task.get("_target_") == known["_target_"] else task  # it may break off in the task itself
    named = (value for _, value in flatten(whole) if isinstance(value, str))
    parts = (name for value in named for name in re.findall(r"\$\{(\w+)", value))
    return sorted({*parts} - config.keys())


def run_of(store: Path) -> RunFolder:
    """Return the run whose store of maps it is: the way back from `RunFolder.store`.

    A folder of maps from other code has a run folder by this name only, in which nothing was ever begun.
    """
    return RunFolder(store.parent.parent)


def run_of_checkpoint(checkpoint: Path) -> RunFolder:
    """Return the run that a checkpoint lies in: the way back from `RunFolder.checkpoint`."""
    return RunFolder(checkpoint.parent.parent)


def binding(config: dict[str, Any]) -> dict[str, Any]:
    """Return the dotted keys of a configuration, or of some of its parts, that make a run another run: no free ones."""
    return {key: value for key, value in flatten(config) if not key.startswith(FREE_KEYS)}


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield `(dotted key, leaf)` of nested dictionaries; a list is a leaf, an empty dictionary has none."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
