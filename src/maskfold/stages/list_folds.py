"""Print the folds that an experiment has: `python -m maskfold.stages.list_folds experiment=linknet34`."""

from omegaconf import DictConfig

from maskfold.config import build, entry_point
from maskfold.data.folds import fold_numbers, split_path


def list_folds(config: DictConfig) -> list[int]:
    """Print the fold numbers of the experiment's split on one line, for `FOLD=all`."""
    numbers = fold_numbers(split_path(build(config.data), config.split_file))
    print(*numbers)
    return numbers


main = entry_point(list_folds, config_name="train")

if __name__ == "__main__":
    main()
