"""One fold of one member of a demo, trained and predicted in a process of its own; the demos start these.

python -m maskfold.demo_member demo_unet 0 16 data=studio data.root=data/demo data.name=demo
"""

import cv2
import torch

from maskfold.demo import Steps, run_as_command
from maskfold.engine.precision import BF16
from maskfold.processor import cpu_has_bf16
from maskfold.stages.predict import predict
from maskfold.stages.train import train
from maskfold.termination import listen


def member_fold(name: str, fold: str, batch_size: str, *training: str) -> None:
    """Train a fold, and predict both of its splits.

    Args:
        name: The member's.
        fold: Its number.
        batch_size: Photos predicted together.
        training: What the training is told besides: its data, and such as `seed=1`.
    """
    cv2.setNumThreads(1)  # photos are small: threads would wait for one another
    quick = [f"trainer.precision={BF16}"] if cpu_has_bf16() and not torch.cuda.is_available() else []
    step = Steps()
    step(train, f"experiment={name}", f"fold={fold}", *quick, *training)
    for split in ("oof", "test"):
        step(predict, f"name={name}", f"fold={fold}", f"split={split}", f"trainer.batch_size={batch_size}")


if __name__ == "__main__":
    listen()
    run_as_command(member_fold)
