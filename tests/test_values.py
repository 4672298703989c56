"""What values keys may have: ranges, words, and names that stay in their folder, looked at before a stage starts."""

from dataclasses import fields

import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.schemas import STAGES

COUNT = "give a whole number of 1 or more"
SEED = "give a whole number from 0 to 4294967295"
TRAIN = ("train", "name=a")


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ((*TRAIN, "trainer.batch_size=0"), f"trainer.batch_size=0: {COUNT}, or auto."),
        ((*TRAIN, "trainer.batch_size=-1"), f"trainer.batch_size=-1: {COUNT}, or auto."),
        ((*TRAIN, "trainer.batch_size=many"), f"trainer.batch_size=many: {COUNT}, or auto."),
        ((*TRAIN, "trainer.accumulate=0"), f"trainer.accumulate=0: {COUNT}."),
        ((*TRAIN, "trainer.num_workers=-1"), "trainer.num_workers=-1: give a whole number of 0 or more, or null."),
        ((*TRAIN, "trainer.limit_batches=0"), f"trainer.limit_batches=0: {COUNT}, or null."),
        ((*TRAIN, "trainer.gradient_clip=nan"), "trainer.gradient_clip=nan: give a number above 0, or null."),
        ((*TRAIN, "trainer.gradient_clip=-1"), "trainer.gradient_clip=-1.0: give a number above 0, or null."),
        ((*TRAIN, "seed=-1"), f"seed=-1: {SEED}."),
        ((*TRAIN, f"seed={2**40}"), f"seed=1099511627776: {SEED}."),
        ((*TRAIN, "fold=-1"), "fold=-1: give a whole number of 0 or more, or all, or full."),
        ((*TRAIN, "fold=x"), "fold=x: give a whole number of 0 or more, or all, or full."),
        (("predict", "name=a", "trainer.batch_size=0"), f"trainer.batch_size=0: {COUNT}, or auto."),
        (("evaluate", "name=a", "jobs=0"), f"jobs=0: {COUNT}, or -1."),
        (("pseudo", "ensemble=demo", "weight=nan"), "weight=nan: give a number above 0, at most 1."),
        (("pseudo", "ensemble=demo", "quantile=1.5"), "quantile=1.5: give a number above 0, at most 1."),
    ],
)
def test_a_value_out_of_its_range_is_refused_with_those_that_there_are(stage, said):
    with pytest.raises(MaskfoldError) as error:
        compose(stage[0], [*stage[1:]])
    assert f"{error.value}" == said


@pytest.mark.parametrize(
    "override",
    ["trainer.batch_size=auto", "trainer.gradient_clip=null", f"seed={2**32 - 1}", "fold=all", "trainer.num_workers=0"],
)
def test_the_ends_of_a_range_its_words_and_null_are_taken(override):
    compose(*TRAIN[:1], [*TRAIN[1:], override])


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("name", ["../x", "a/../../x", "/tmp/x", "..", "''", "'a\x07b'"])
@pytest.mark.parametrize(
    ("stage", "key"),
    [("train", "name"), ("predict", "name"), ("predict", "store"), ("predict", "checkpoint"), ("evaluate", "name")],
)
def test_a_name_stays_in_its_folder(stage, key, name):
    with pytest.raises(MaskfoldError, match=rf"^{key}="):
        compose(stage, ["name=a", f"{key}={name}"])


@pytest.mark.hostile("names and paths")
def test_every_name_of_a_list_stays_in_its_folder():
    with pytest.raises(MaskfoldError, match=r"^ensembles=\.\./x"):
        compose("pick", ["ensembles=[demo,../x]"])


@pytest.mark.parametrize("key", ["name", "fold", "jobs", "seed"])
def test_a_key_of_several_stages_has_a_rule_in_each(key):
    with_key = [field for kind in STAGES.values() for field in fields(kind) if field.name == key]
    assert with_key
    assert all("rule" in field.metadata for field in with_key)
