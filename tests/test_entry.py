"""The door: whatever is typed wrong is answered with its name and what there is, without a traceback."""

import sys

import pytest

from maskfold import entry
from maskfold.config import compose, resolved
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `predict` or another stage that does nothing as a command; return its exit status and all it printed."""
    monkeypatch.setattr(entry, "quiet_console", lambda: None)

    def run(stage, name: str, *arguments: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        status = None
        try:
            entry_point(stage, config_name=name)()
        except SystemExit as stop:
            status = stop.code
        shown = capsys.readouterr()
        return status, f"{shown.out}{shown.err}{status if isinstance(status, str) else ''}"

    return run


@pytest.mark.parametrize(
    ("stage", "arguments", "named"),
    [
        ("train", ["experiment=nope"], ["experiment/nope", "Available options", "linknet34"]),
        ("train", ["trainer.foo=1"], ["trainer.foo: no such key. There are trainer.max_epochs, trainer.patience"]),
        ("train", ["trainer.max_epoch=3"], ["trainer.max_epoch: no such key. Did you mean trainer.max_epochs? There"]),
        ("train", ["+trainer.max_epoch=3", "name=a"], ["trainer.max_epoch: no such key. Did you mean trainer.max_ep"]),
        (
            "train",
            ["trainer.max_epochs=-1", "name=a"],
            ["trainer.max_epochs=-1: give a whole number of 1 or more, or null."],
        ),
        ("train", ["trainer.max_epochs=many"], ["trainer.max_epochs=many: give a whole number of 1 or more, or null."]),
        ("predict", ["trainer.max_epochs=3"], ["trainer.max_epochs: no such key", "trainer.batch_size"]),
        ("predict", ["data.root=/photos"], ["data.root=/photos: data is null here. Choose it first, as in data=carv"]),
        ("train", ["data.rot=/photos"], ["data.rot: no such key. Did you mean data.root?", "sources.Carvana takes"]),
        ("train", ["optimizer.beta=1"], ["optimizer.beta: no such key. What else torch.optim.Adam takes is added"]),
        ("train", ["experimnt=linknet34"], ["experimnt: no such key. Did you mean experiment?"]),
        ("train", ["+foo=1"], ["foo: no such key. There are name, fold, seed"]),
        ("train", ["model=nope"], ["model/nope", "linknet34"]),
        ("predict", ["data=nope"], ["data/nope", "carvana"]),
        ("predict", ["fold=0"], ["name"]),
        ("ensemble", [], ["ensemble=<OPTION>", "linknet34"]),
        ("ensemble", ["ensemble=nope"], ["ensemble/nope", "linknet34"]),
        ("ensemble", ["ensemble=linknet34", "data=nope"], ["data/nope"]),
        ("evaluate", [], ["name"]),
        ("evaluate", ["name=a", "fold=one"], ["fold=one: give a whole number of 0 or more, or null."]),
        ("train", ["fold=1.5", "name=a"], ["fold=1.5: give a whole number of 0 or more, or all, or full."]),
        ("train", ["trainer.batch_size=2.5"], ["trainer.batch_size=2.5: give a whole number of 1 or more, or auto."]),
        ("train", ["name=\udcff"], [r"'name=\udcff': not UTF-8. Rename what it names"]),
        ("train", ["name=../x"], ["name=../x: give the name of something inside its folder"]),
        ("doctor", [], ["submission: not given. Add submission=... to the command."]),
        ("folds", ["data=pairs"], ["data.root: not given. Add data.root=... to the command."]),
    ],
)
def test_the_answer_names_the_key_and_shows_no_traceback(command, stage, arguments, named):
    status, shown = command(resolved, stage, *arguments)

    assert status not in (None, 0)
    for part in named:
        assert part in shown
    assert "Traceback" not in shown
    assert len(shown.splitlines()) < 40


def test_a_good_command_reaches_its_stage(command):
    seen = []

    status, _ = command(seen.append, "evaluate", "name=linknet34", "fold=2")

    assert status is None
    assert (seen[0].name, seen[0].fold) == ("linknet34", 2)


def test_what_a_stage_says_to_the_user_is_all_that_is_shown(command):
    def refuse(config):
        raise MaskfoldError("a.jpg: truncated. Replace it.")

    def interrupt(config):
        raise KeyboardInterrupt

    status, shown = command(refuse, "evaluate", "name=a")
    assert status == "\na.jpg: truncated. Replace it."
    assert shown == status
    status, shown = command(interrupt, "evaluate", "name=a")
    assert "Run the same command again" in status
    assert shown == status


def test_a_programming_error_keeps_its_traceback(command, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def fail(config):
        raise RuntimeError("a mistake of ours")

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        command(fail, "evaluate", "name=a")


def test_the_command_composes_as_a_call_does(command, caplog):
    seen = []

    command(seen.append, "train", "experiment=demo_unet", "schedule=linknet34")

    caplog.set_level("INFO")
    assert seen == [compose("train", ["experiment=demo_unet", "schedule=linknet34"])]
    assert "schedule is taken as its own file has it" in caplog.text
    assert "schedule.phases" in caplog.text


@pytest.mark.hostile("secrets")
@pytest.mark.parametrize(
    "arguments",
    [
        ["tracker.mlflow.tracking_uri=http://anna:geheim@host"],  # a key of no tracker here
        ["tracker=mlflow", "tracker.mlflow.tracking_uri=http://anna:geheim@host", "+foo=http://anna:geheim@host"],
        ["name=a", "pseudo=http://anna:geheim@host"],
        ["trainer.max_epochs=http://anna:geheim@host"],
    ],
)
def test_no_message_tells_a_password(command, arguments):
    def refuse(config):
        raise MaskfoldError(f"{config.pseudo}: does not answer.")

    status, shown = command(refuse, "train", *arguments)

    assert status not in (None, 0)
    assert "geheim" not in shown
