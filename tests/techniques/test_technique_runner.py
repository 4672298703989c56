"""The jobs of the table, one after another."""

from pathlib import Path

import pytest

from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder
from maskfold.techniques import runner
from maskfold.techniques.layout import TechniquesFolder
from maskfold.techniques.runner import TechniqueJob, jobs_of, run_jobs, run_stage, time_left
from maskfold.techniques.technique import Technique


def job(technique: str, stage: str = "train") -> TechniqueJob:
    return TechniqueJob(technique, stage, (), RunFolder(Path(f"experiments/{technique}/fold0")), 0)


def test_views_predict_with_the_base_and_averages_need_nothing():
    wanted = [
        Technique("mixup", "train", ("m=1",)),
        Technique("d4", "predict", ("tta=d4",)),
        Technique("l", "ensemble"),
    ]

    jobs = jobs_of(wanted, TechniquesFolder("s"), seeds=[0, 1], folds=[0], train=["e=x"], predict=["b=2"])

    assert [(one.technique, one.stage, one.run.path.parent.name) for one in jobs[:5]] == [
        ("base", "train", "base_0"),
        ("base", "predict", "base_0"),
        ("mixup", "train", "mixup_0"),
        ("mixup", "predict", "mixup_0"),
        ("d4", "predict", "base_0"),
    ]
    assert len(jobs) == 10
    assert jobs[2].overrides == ("e=x", "m=1", "name=techniques/s/mixup_0", "fold=0", "seed=0")
    assert jobs[4].overrides[:2] == ("b=2", "tta=d4")
    assert jobs[4].overrides[-1] == "store=oof_d4"


@pytest.mark.hostile("killed")
def test_it_goes_on_from_what_is_finished_and_without_what_fails(caplog):
    jobs = [job("base"), job("bad"), job("bad", "predict"), job("good"), job("good", "predict")]
    done: list[str] = []

    def do(one: TechniqueJob) -> bool:
        done.append(one.title)
        return one.technique != "bad"

    with caplog.at_level("INFO"):
        failed = run_jobs(jobs, is_done=lambda one: one.technique == "base", do=do)

    assert done == [job("bad").title, job("good").title, job("good", "predict").title]
    assert failed == {"bad": job("bad").title}
    assert "5 of 5 done" in caplog.messages[-1]
    with pytest.raises(MaskfoldError, match="train experiments/base/fold0: it failed"):
        run_jobs(jobs, is_done=lambda _: False, do=lambda _: False)


def test_the_time_left_is_by_stage():
    assert time_left(["train", "predict", "other"], {"train": [10, 20], "predict": [3]}) == 15 + 3 + 11


def test_a_job_is_run_as_its_command_would_be(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "IMPORTED_ONCE", [])
    run = RunFolder(Path("experiments/any/fold0"))

    assert run_stage(TechniqueJob("any", "runs", (), run, 0))
    assert not run_stage(TechniqueJob("any", "runs", ("compare=[a]",), run, 0))
    assert "name two runs or members" in capfd.readouterr().err
