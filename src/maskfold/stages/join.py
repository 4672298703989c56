"""Understand a competition's files: `maskfold join sample=sample_submission.csv train=train.csv images=train`."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import resolved
from maskfold.entry import entry_point
from maskfold.joining.inference import Files, Given
from maskfold.joining.join import draw, understood, write
from maskfold.terminal import RESULT, show

log = logging.getLogger(__name__)

FILES = ("sample", "train", "images", "masks", "test")
NEXT = """\
Next:
  make folds DATA={name}
  make campaign ENS=linknet34 TRAIN="data={name}{more}"
  make doctor ENS=linknet34"""
GIVEN = ("order", "start", "empty", "classes", "exclusive", "channels", "columns")


def join(config: DictConfig) -> Path:
    """Write the configuration of a competition's data; show what was understood, and how to go on."""
    keys = resolved(config)
    files = Files(**{key: Path(keys[key]).expanduser() for key in FILES if keys[key] is not None})
    given = Given(**{key: keys[key] for key in GIVEN})
    name, findings = understood(files, given, name=keys["name"], metric=keys["metric"], competition=keys["competition"])
    command = " ".join(["maskfold join", *(f"{key}={keys[key]}" for key in keys if keys[key] not in (None, False))])
    path = write(name, findings, command=command, overwrite=keys["overwrite"])
    show(draw(findings))
    for note in findings.notes:
        log.warning("%s", note)
    log.info("%s", path, extra=RESULT)
    stored = findings.guesses["channels"].value is not None
    log.info(NEXT.format(name=name, more=" augment=light" if stored else ""))  # which leaves values as they are
    return path


main = entry_point(join)

if __name__ == "__main__":
    main()
