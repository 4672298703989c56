"""Check a submission before an upload: `maskfold doctor submission=.../submission.csv.gz`."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import resolved
from maskfold.entry import entry_point
from maskfold.submission.checkup import check_up
from maskfold.submission.findings import Report


def doctor(config: DictConfig) -> Report:
    """Print and return what is wrong with a submission."""
    submission = Path(config.submission)
    report = check_up(
        submission,
        data=None if config.data is None else resolved(config.data),
        sample=config.sample,
        height=config.height,
        width=config.width,
        rules={key: value for key, value in resolved(config.rules).items() if value is not None},
        classes=config.classes,
        jobs=config.jobs,
    )
    print(f"{submission}: {report}")
    return report


def _doctor_and_exit(config: DictConfig) -> None:
    if not doctor(config).ok:
        sys.exit(1)


main = entry_point(_doctor_and_exit, config_name="doctor")

if __name__ == "__main__":
    main()
