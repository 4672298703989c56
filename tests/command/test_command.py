"""The command: what it says, how fast, and that it hands over to a stage as it is."""

import re
import subprocess
import sys
import time

import pytest

from maskfold.command.catalogue import JOBS, options, stages
from maskfold.command.helping import explain, list_stages
from maskfold.command.main import main
from maskfold.schemas import STAGES


def run(*arguments, folder=None):
    command = [sys.executable, "-m", "maskfold", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_stage_has_its_line_under_its_job():
    said = list_stages()

    lines = said.splitlines()
    assert [line.lower() for line in lines if line.lower() in JOBS] == [*JOBS]
    assert {line.split()[0] for line in lines if line.startswith("  ")} == STAGES.keys()
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", STAGES)
def test_help_has_every_key_with_its_default_and_its_comment(name):
    shown = " ".join(explain(stages()[name]).split())
    for key in stages()[name].keys:
        assert f"{key.name}={' '.join(key.default.split())} {key.comment}" in shown
    for group in stages()[name].groups:
        for option, document in options(group).items():
            assert option in shown
            for key in () if document.overlay or group == "ensemble" else document.keys:
                assert f"{group}.{key.name}={key.default} {key.comment}".strip() in shown


def test_help_of_one_group_shows_that_group_alone():
    shown = explain(stages()["train"], ["model=smp_unet"])
    assert shown.startswith("model=<option>")
    assert "model.architecture=unet" in shown
    assert "loss" not in shown


def test_help_takes_less_than_a_second_and_imports_nothing_heavy():
    began = time.perf_counter()
    ended = run("train", "--help")
    assert time.perf_counter() - began < 1
    assert "trainer.gradient_clip=null" in ended.stdout
    check = "import sys, maskfold.command.main; print({'torch', 'hydra', 'cv2', 'pandas', 'numpy'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", check], text=True).strip() == "set()"


def test_an_unknown_stage_is_answered_with_the_nearest():
    with pytest.raises(SystemExit, match=r"^trian: no such stage\. Did you mean train\? There are clean, "):
        main(["trian"])


def test_completion_says_how_to_set_it_up(capsys):
    main(["completion"])
    assert "~/.bashrc" in capsys.readouterr().out
    main(["completion", "bash"])
    assert "complete -o default -F _maskfold maskfold" in capsys.readouterr().out


def test_a_stage_runs_with_its_own_messages_and_exit_status(tmp_path):
    ended = run("folds", "data=pairs", "data.root=nowhere", folder=tmp_path)
    assert ended.returncode == 1
    assert "nowhere/images: no such folder" in ended.stderr
    assert "Traceback" not in ended.stderr
    module = [sys.executable, "-m", "maskfold.stages.folds", "--help"]
    assert "folds.k=5" in subprocess.check_output(module, cwd=tmp_path, text=True)


def test_every_stage_opens_with_its_command():
    for name, stage in stages().items():
        assert stage.example.startswith(f"maskfold {name} ")
        assert stage.job in JOBS
        assert stage.about[0].isupper()


def test_an_example_names_keys_that_exist():
    for name, stage in stages().items():
        for key in re.findall(r" ([a-z_]+)[.=]", stage.example):
            assert key in STAGES[name].__dataclass_fields__ or key in stage.groups
