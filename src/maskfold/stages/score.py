"""Score a submission where the truth is known: `maskfold score submission=... truth=...`."""

from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from maskfold.analysis.truth import score_submission
from maskfold.entry import entry_point


def score(config: DictConfig) -> pd.DataFrame:
    """Print the mean Dice and IoU of a submission; return the scores, a row an image."""
    scores = score_submission(Path(config.submission), Path(config.truth), jobs=config.jobs)
    print(
        f"{config.submission}: Dice {scores['dice'].mean():.6f}, IoU {scores['iou'].mean():.6f}, "
        f"the mean over {len(scores)} images"
    )
    return scores


main = entry_point(score)

if __name__ == "__main__":
    main()
