"""What the tab key offers; and that the scripts offer it in a shell."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskfold.command.completion import BASH, ZSH, complete

LINKNETS = ["linknet18", "linknet34"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two members, of which one has two folds, and a split of three folds of `data=studio`."""
    for name in ("linknet34/fold0", "linknet34/fold3", "mine/fold1", "unfinished"):
        (tmp_path / "experiments" / name).mkdir(parents=True)
    split = tmp_path / "data/studio/folds.csv"
    split.parent.mkdir(parents=True)
    split.write_text("image_id,group,fold\na,a,0\nb,b,1\nc,c,2\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("maskfold tr", ["train"]),
        ("maskfold comp", ["completion"]),
        ("maskfold completion ", ["bash", "zsh"]),
        ("maskfold train model=linknet", [f"model={name}" for name in LINKNETS]),
        (
            "maskfold train  model=linknet18 optimizer=ada",
            ["optimizer=adam", "optimizer=adamw", "optimizer=adamw_groups"],
        ),
        ("maskfold train mod", ["model="]),
        ("maskfold train model", ["model=", "model."]),
        ("maskfold train trainer.max", ["trainer.max_epochs="]),
        ("maskfold train geometry=tile geometry.", ["geometry.height=", "geometry.width=", "geometry.overlap="]),
        ("maskfold train experiment=linknet34_co", ["experiment=linknet34_concat"]),
        ("maskfold ensemble ensemble=d", ["ensemble=demo", "ensemble=demo_recognition", "ensemble=demo_unet"]),
        ("maskfold predict name=", ["name=linknet34", "name=mine"]),
        ("maskfold predict name=linknet34 fold=", ["fold=0", "fold=3", "fold=all"]),
        ("maskfold evaluate name=mine fold=", ["fold=1"]),
        ("maskfold train experiment=linknet34 fold=", [*(f"fold={fold}" for fold in range(5)), "fold=all"]),
        ("maskfold train experiment=unet_scratch fold=", [*(f"fold={fold}" for fold in range(7)), "fold=all"]),
        ("maskfold train experiment=linknet34_clahe fold=4", ["fold=4"]),
        ("maskfold train experiment=demo_unet_wide fold=", ["fold=0", "fold=1", "fold=2", "fold=all"]),
        ("maskfold predict split=", ["split=test", "split=oof", "split=learned"]),
        ("maskfold train trainer.channels_last=", ["trainer.channels_last=true", "trainer.channels_last=false"]),
        ("maskfold train data.on_error=s", ["data.on_error=skip"]),
        ("maskfold doctor submission=sub", []),
        ("maskfold nothing mod", []),
    ],
)
def test_what_is_offered(folder, line, offered):
    assert complete(line) == offered


@pytest.fixture
def shells(tmp_path):
    """A folder for PATH with the command `maskfold` in it."""
    command = tmp_path / "bin/maskfold"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m maskfold "$@"\n')
    command.chmod(0o755)
    return command.parent


def answer(command: list[str], folder: Path, path: Path) -> list[str]:
    environment = {"PATH": f"{path}:/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [("maskfold train model=linkn", LINKNETS), ("maskfold train experiment=linknet34 optimizer=rm", ["rmsprop"])],
)
def test_bash_replaces_what_stands_behind_the_sign(folder, shells, line, offered):
    ask = f"COMP_LINE='{line}'; COMP_POINT={len(line)}; compopt() {{ :; }}; _maskfold; echo ${{COMPREPLY[@]}}"
    assert answer(["bash", "-c", f"{BASH}\n{ask}"], folder, shells) == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_is_offered_whole_words(folder, shells):
    ask = "compdef() { :; }; compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -l -- $@ }; _files() { :; }"
    line = "LBUFFER='maskfold train model=linkn'; _maskfold"
    assert answer([shutil.which("zsh"), "-fc", f"{ask}\n{ZSH}\n{line}"], folder, shells) == [
        f"model={name}" for name in LINKNETS
    ]


def test_an_answer_takes_less_than_a_third_of_a_second(folder, shells):
    command = ["maskfold", "completion", "words", "maskfold train experiment=linknet34 fold="]
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        answer(command, folder, shells)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.3
