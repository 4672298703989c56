import pytest

from maskfold.command.catalogue import stages
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.tasks import refuse_other_task

LABELS, MASKS = ["data=label_table", "data.root=shop"], ["data=pairs", "data.root=shop"]


@pytest.mark.hostile("wrong input")
def test_a_stage_for_masks_is_not_given_labels_nor_the_other_way_round():
    assert {name for name, stage in stages().items() if stage.task == "recognition"} == {"shards", "enroll", "grow"}
    with pytest.raises(MaskfoldError, match="data shop has labels, and maskfold promote is for masks"):
        refuse_other_task("promote", compose("promote", [*LABELS, "name=one"]), task="segmentation")
    with pytest.raises(MaskfoldError, match="data shop has masks, and maskfold shards is for labels"):
        refuse_other_task("shards", compose("shards", [*MASKS, "to=x"]), task="recognition")
    refuse_other_task("promote", compose("promote", [*MASKS, "name=one"]), task="segmentation")


@pytest.mark.hostile("wrong input")
def test_an_ensemble_of_recognisers_is_not_given_to_a_stage_for_masks(trained_recogniser):
    config = compose("blend", ["ensemble=carvana", "ensemble.members=[{members:[{experiment:squares}]}]"])

    with pytest.raises(MaskfoldError, match=r"experiments/squares/fold0 has labels, and maskfold blend is for masks"):
        refuse_other_task("blend", config, task="segmentation")
