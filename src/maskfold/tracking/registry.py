"""The model in use, in MLflow's registry: the alias `champion`, and `previous` for the way back.

A version carries all that a network is used and judged by: its checkpoint, its configuration, and what it has seen. The
champion is one of two versions before and after every single write, so that a kill never leaves none.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from maskfold import files
from maskfold.credentials import censored
from maskfold.data.class_table import FILE
from maskfold.errors import MaskfoldError
from maskfold.runs.lineage import read_lineage
from maskfold.runs.run_folder import RunFolder
from maskfold.tracking.mlflow_client import (
    ERRORS,
    connect,
    database_of,
    ensure_registered_model,
    experiment_id,
    unknown,
)
from maskfold.tracking.run import Run, plain_name

CHAMPION, PREVIOUS = "champion", "previous"
_FILES = "files"  # tag of a version: the hash of each file that it carries, as JSON
_JUDGE = "judge"  # tag of the registered model: what its versions are judged on
_GOING_BACK = "going_back"  # tag of the registered model while champion and previous change places
_LOCK_WAIT_S = 60


@dataclass(frozen=True)
class Version:
    """A version of the registered model.

    Attributes:
        number: MLflow's.
        source: The address of its files.
        tags: What is said of it.
    """

    number: str
    source: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What readers call it: its number, and the run that it comes from where it says so."""
        run = "/".join(self.tags[key] for key in ("member", "fold") if key in self.tags)
        return f"version {self.number}" + (f" ({run})" if run else "")


class Registry:
    """One registered model, whose aliases say which of its versions is in use.

    Args:
        tracking_uri: `sqlite:///<file>`, or a server's address.
        artifacts: The folder for files beside a SQLite file; a server has a place of its own.
        experiment: MLflow's name for what runs without a tracker are put into.
        model: The registered model's name.

    Raises:
        MaskfoldError: If the name cannot be a model's, or MLflow cannot be reached, as by every method.
    """

    def __init__(self, *, tracking_uri: str, artifacts: Path, experiment: str, model: str) -> None:
        if plain_name(model) != model:
            raise MaskfoldError(f"registered_model={model}: give letters, digits, dots, - and _ only.")
        self.tracking_uri = tracking_uri
        self.artifacts = artifacts
        self.experiment = experiment
        self.model = model
        with self._reached():
            self.client = connect(tracking_uri)

    def alias(self, name: str) -> Version | None:
        """Return the version that an alias stands at; None where it stands nowhere."""
        with self._reached():
            model = self._model()
            number = model and model.aliases.get(name)
            return _version(self.client.get_model_version(self.model, number)) if number else None

    def freeze_judge(self, fingerprint: str, *, anew: bool) -> None:
        """Keep what this model's versions are judged on, or find that it is the same.

        Args:
            fingerprint: Of the judge set.
            anew: Judge by it from now on, whatever it was before.

        Raises:
            MaskfoldError: If they were judged on another set.
        """
        with self._reached():
            ensure_registered_model(self.client, self.model)
            before = self._model().tags.get(_JUDGE)
            if before not in (None, fingerprint) and not anew:
                raise MaskfoldError(
                    f"model {self.model}: its versions were judged on another judge set ({before}, this one is "
                    f"{fingerprint}), and would not be compared by the same photos. Name that one with data=..., or "
                    "judge all by this one from now on with judge_anew=true."
                )
            if before != fingerprint:
                self.client.set_registered_model_tag(self.model, _JUDGE, fingerprint)

    def version_of(self, run: RunFolder) -> Version | None:
        """Return the version that carries the files of a finished run; None where there is none.

        Raises:
            MaskfoldError: If the run lacks one of them, or nobody knows what its network has seen.
        """
        wanted = json.dumps(_hashes(run))
        with self._reached():
            versions = self.client.search_model_versions(f"name='{self.model}'")
        return next((_version(version) for version in versions if version.tags.get(_FILES) == wanted), None)

    def register(self, run: RunFolder) -> Version:
        """Return the version that carries a run's files; it is made if there is none, with all its files or not at all.

        Args:
            run: Finished.
        """
        known = self.version_of(run)
        if known is not None:
            return known
        contents, about = _hashes(run), Run(run)
        tags = {"member": about.member, "fold": about.fold, _FILES: json.dumps(contents)}
        with self._reached():
            ensure_registered_model(self.client, self.model)
            run_id = self._run_id(about)
            folder = f"promoted/{contents[_checkpoint(run)][:12]}"
            for name in contents:
                self.client.log_artifact(run_id, str(run.path / name), str(Path(folder, name).parent))
            source = f"{self.client.get_run(run_id).info.artifact_uri}/{folder}"
            made = self.client.create_model_version(self.model, source, run_id, tags=tags, await_creation_for=None)
            return _version(made)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Say something of a version, in the order given."""
        with self._reached():
            for key, value in tags.items():
                self.client.set_model_version_tag(self.model, version.number, key, value)

    def promote(self, version: Version, *, over: Version | None) -> None:
        """Make a version the champion, and the champion of before the previous one.

        Killed between two writes, the champion is what it was; the same call again goes on.

        Args:
            version: The next champion.
            over: The champion that it was judged against.

        Raises:
            MaskfoldError: If another one is the champion by now.
        """
        with self._moving(), self._reached():
            now = self.alias(CHAMPION)
            if (now and now.number) != (over and over.number):
                raise MaskfoldError(
                    f"model {self.model}: its champion has become {now.name if now else 'none'} in the meantime, and "
                    f"{version.name} was judged against {over.name if over else 'none'}. Run the same command again."
                )
            if _GOING_BACK in self._model().tags:  # left by a kill; this champion is what it was to be, or was
                self.client.delete_registered_model_tag(self.model, _GOING_BACK)
            if over is not None and over.number != version.number:
                self.client.set_registered_model_alias(self.model, PREVIOUS, over.number)
            self.client.set_registered_model_alias(self.model, CHAMPION, version.number)

    def go_back(self) -> tuple[Version, Version]:
        """Let champion and previous change places, or end what a killed change began; return both as they are now.

        Raises:
            MaskfoldError: If there is no previous champion.
        """
        with self._moving(), self._reached():
            model = self._model()
            aliases = model.aliases if model else {}
            pending = model.tags.get(_GOING_BACK) if model else None
            numbers = pending.split() if pending else [aliases.get(PREVIOUS), aliases.get(CHAMPION)]
            if None in numbers or numbers[0] == numbers[1]:
                raise MaskfoldError(
                    f"model {self.model}: there is no previous champion to go back to"
                    + (", for its promotion was broken off: run that command again." if numbers[0] else ".")
                )
            self.client.set_registered_model_tag(self.model, _GOING_BACK, " ".join(map(str, numbers)))
            for alias, number in zip((PREVIOUS, CHAMPION), reversed(numbers), strict=True):
                self.client.set_registered_model_alias(self.model, alias, number)
            self.client.delete_registered_model_tag(self.model, _GOING_BACK)
        return self.alias(CHAMPION), self.alias(PREVIOUS)

    def fetch(self, version: Version, folder: Path) -> RunFolder:
        """Download a version's files into an empty folder, and compare each with its hash.

        Returns:
            The folder as a run folder, without its history.

        Raises:
            MaskfoldError: If the version does not say which files it has, or one is another than it says.
        """
        run = RunFolder(folder)
        contents = _contents(version)
        if contents is None or contents.keys() - {FILE} != {*carried(run)}:
            raise MaskfoldError(
                f"model {self.model}, {version.name}: was not registered by `make promote`, so nobody knows what its "
                "network has seen. Take the alias away in MLflow, and promote the run that it comes from."
            )
        for name, digest in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._reached():
                address = f"{version.source}/{name}"
                download_artifacts(address, dst_path=str(path.parent), tracking_uri=self.tracking_uri)
            if not path.is_file() or files.sha256(path) != digest:
                raise MaskfoldError(
                    f"model {self.model}, {version.name}: its {name} is not the file that was registered. Put that one "
                    "back in MLflow's artifacts, or go back to the previous champion with back=true."
                )
        return run

    def _model(self) -> RegisteredModel | None:
        try:
            return self.client.get_registered_model(self.model)
        except MlflowException as error:
            if unknown(error):
                return None
            raise

    def _run_id(self, run: Run) -> str:
        """Return the id of the run that a tracker has told this MLflow of; of a new one where there is none."""
        known = run.known_as("mlflow")
        try:
            if known is not None and self.client.get_run(known).info.lifecycle_stage == "active":
                return known
        except MlflowException as error:
            if not unknown(error):
                raise
        place = {"tracking_uri": self.tracking_uri, "artifacts": self.artifacts}
        tags = {"member": run.member, "fold": run.fold}
        made = self.client.create_run(
            experiment_id(self.client, self.experiment, **place), run_name=f"{run.member}-{run.fold}", tags=tags
        )
        run.keep("mlflow", made.info.run_id)
        self.client.set_terminated(made.info.run_id)
        return made.info.run_id

    def _moving(self) -> AbstractContextManager[None]:
        """Hold the SQLite file's folder while aliases move; a server cannot be held, and is only looked at before."""
        database = database_of(self.tracking_uri)
        return nullcontext() if database is None else files.locked(database.parent, wait=_LOCK_WAIT_S)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn what MLflow raises into what a user reads."""
        try:
            yield
        except ERRORS as error:
            reason = " ".join(censored(str(error)).split()) or type(error).__name__
            raise MaskfoldError(
                f"MLflow ({censored(self.tracking_uri)}): {reason[:300]}. See that it is up and can be written to, or "
                "name another with tracker.mlflow.tracking_uri=...; then run the same command again."
            ) from error


def carried(run: RunFolder) -> list[str]:
    """Return the names, below a run's folder, of the files that a version carries; a recogniser's with its classes."""
    names = [str(path.relative_to(run.path)) for path in (run.config, run.run, run.lineage, run.best)]
    return [*names, FILE] if (run.path / FILE).is_file() else names


def _hashes(run: RunFolder) -> dict[str, str]:
    read_lineage(run.path)  # without it nobody may judge by this run
    missing = [name for name in carried(run) if not (run.path / name).is_file()]
    if missing:
        raise MaskfoldError(f"{run.path}: {', '.join(missing)} missing. Put it back, or train with overwrite=true.")
    return {name: files.sha256(run.path / name) for name in carried(run)}


def _checkpoint(run: RunFolder) -> str:
    return str(run.best.relative_to(run.path))


def _contents(version: Version) -> dict[str, str] | None:
    try:
        contents = json.loads(version.tags[_FILES])
    except (KeyError, ValueError):
        return None
    return contents if isinstance(contents, dict) else None


def _version(version: ModelVersion) -> Version:
    return Version(str(version.version), version.source, dict(version.tags))
