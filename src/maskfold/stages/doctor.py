"""Check a submission before an upload: `python -m maskfold.stages.doctor submission=.../submission.csv.gz`."""

import sys
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from maskfold import files
from maskfold.config import build, entry_point
from maskfold.errors import MaskfoldError
from maskfold.submission.doctor import Report, Sizes, examine


def doctor(config: DictConfig) -> Report:
    """Print and return what is wrong with a submission."""
    submission = Path(config.submission)
    sample, sizes = _expectations(config, submission)
    report = examine(submission, sample, sizes=sizes)
    print(f"{submission}: {report}")
    return report


def _expectations(config: DictConfig, submission: Path) -> tuple[Path | None, Sizes]:
    """Return the sample submission and the photos' sizes: as told, else those of the submission's own data."""
    sample = None if config.sample is None else Path(config.sample)
    if config.height and config.width:
        return sample, (config.height, config.width)
    if config.height or config.width:
        raise MaskfoldError("Give both height= and width=, or neither to look the sizes up in the data.")
    source = build(_data(config, submission))
    table = source.load()
    default = source.root / "sample_submission.csv"
    if sample is None and default.exists():
        sample = default
    return sample, {row.image_id: (row.height, row.width) for row in table.itertuples()}


def _data(config: DictConfig, submission: Path) -> DictConfig:
    """Return the data that was named, or that the submission's manifest names."""
    if config.data is not None:
        return config.data
    manifest = submission.with_name("manifest.json")
    if not manifest.exists():
        raise MaskfoldError(
            f"{manifest}: missing, so say what {submission} is of: data=carvana, or height= and width=."
        )
    source = files.read_json(manifest).get("source")
    if source is None:
        raise MaskfoldError(f"{manifest}: does not name its data, so say what {submission} is of: data=carvana.")
    return OmegaConf.create(source)


def _doctor_and_exit(config: DictConfig) -> None:
    if not doctor(config).ok:
        sys.exit(1)


main = entry_point(_doctor_and_exit, config_name="doctor")

if __name__ == "__main__":
    main()
