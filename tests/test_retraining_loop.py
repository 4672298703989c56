"""One month, whole: networks mask new photos, a person corrects one in Chromium, the store trains the next network."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from maskfold.config import SUBMISSIONS, compose
from maskfold.data.ledger import Ledger, training_pairs
from maskfold.quality.routes import read_routes
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.runs.layout import MemberFolder
from maskfold.stages.drift import drift
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.promote import promote
from maskfold.stages.quality import quality
from maskfold.stages.store import store
from maskfold.stages.studio import studio
from maskfold.stages.train import train
from screens import VIEWPORT, Screen, browser, needs_chromium, served

pytestmark = [pytest.mark.slow, needs_chromium]  # some minutes: studio, four trainings and a browser

SIZE = ["height=96", "width=144", "planted=false", "jobs=1"]
CPU = ["trainer.accelerator=cpu", "trainer.num_workers=0"]
NETWORK = ["experiment=demo_unet", "model.widths=[8,16,32]", "geometry.height=96", "geometry.width=144", *CPU]
NETWORK += ["schedule.phases=[{epochs: 3, rate: 0.003}]"]
ENSEMBLE = ["ensemble=linknet34", "ensemble.name=shop", "ensemble.members=[{experiment: one}, {experiment: other}]"]
MONEY = ["review_cost=1", "bad_cost=4", "level=0.8", "reject_below=0", "jobs=1"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with ten cars to learn from and two new ones, three cars to judge by, and two members of two folds."""
    place = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        run(studio, "studio", "root=data/studio", "cars=10", "test_cars=2", *SIZE)
        run(studio, "studio", "root=judged", "cars=3", "test_cars=0", "seed=7", *SIZE)
        Path("conf/data").mkdir(parents=True)
        option = "_target_: maskfold.data.sources.Carvana\nroot: judged\nname: judge\n"
        Path("conf/data/judge.yaml").write_text(f"# Cars that no network sees.\n{option}")
        run(folds, "folds", "data=studio", "folds.k=2", "twins=0")
        for seed, name in enumerate(("one", "other")):
            for fold in (0, 1):
                run(train, "train", *NETWORK, f"name={name}", f"fold={fold}", f"seed={seed}", "audit=false")
                for split in ("oof", "test"):
                    run(predict, "predict", f"name={name}", f"fold={fold}", f"split={split}", *CPU)
    return place


def run(stage, name, *overrides):
    return stage(compose(name, [*overrides]))


def test_what_a_person_corrects_trains_the_network_that_takes_the_champions_place(shop, empty_database, monkeypatch):
    monkeypatch.chdir(shop)
    shutil.copy(empty_database, shop / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shop}/mlflow.db")

    # Predict and route.
    run(quality, "quality", *ENSEMBLE, *MONEY)
    run(quality, "quality", *ENSEMBLE, *MONEY, "split=test")
    folder = EnsembleFolder(SUBMISSIONS / "shop").quality
    routes = folder.routes("test")
    table = with_both_routes(routes)

    # Correct the worst in the browser: its hull, and one stroke of the brush.
    worst = table[table["route"] == "review"].sort_values("score")["image_id"].iloc[0]
    with browser() as chromium, served(routes) as address:
        screen = Screen(chromium.new_context(viewport=VIEWPORT).new_page(), address, routes).opened(worst)
        screen.keys("h", "b").drag((2, 2), (60, 2)).kept().keys("Enter")
        for _ in range(100):  # until the server has it; where it was the last photo, the screen stays at it
            screen.page.wait_for_timeout(100)
            if (review := screen.reviews.review(worst)) is not None:
                break
        assert not screen.errors
        corrected = screen.reviews.mask(worst)
    assert review.decision == "corrected"
    assert corrected[2, 30] == 1

    # Store, without the judge set, and freeze the month.
    month = table["made"].max()[:7]
    filled = ["store", f"routes={routes}", "judge=judge", f"snapshot={month}", "jobs=1"]
    counts = run(store, *filled)
    shipped = int((table["route"] == "ship").sum())
    assert counts == {"auto": shipped, "accepted": 0, "corrected": 1, "manual": 0, "rejected": 0}
    rows = training_pairs(Ledger("store").read()).set_index("image_id")
    assert rows.loc[worst, ["source", "pixels_changed"]].tolist() == ["corrected", review.pixels_changed]
    # A second photo that a person has seen, and the labelled ones: folds are dealt over those.
    counts = run(store, *filled, "data=studio", f"snapshot={table['made'].max()[:10]}")
    assert counts["manual"] == 160
    assert run(store, *filled) == counts  # again, nothing

    # Drift prints the command that retrains; what it says is run here.
    drift(compose("drift", [f"quality={folder.model}", f"routes={routes}", "name=demo_unet"]))
    record = json.loads((routes.parent / "drift.json").read_text())
    assert [row["what"] for row in record["comparisons"]] == ["scores", "clusters", "not shipped", "bad among shipped"]
    split, training = (
        shlex.split(command)[-1].removeprefix("ARGS=").split() for command in record["retrain"].split(" && ")
    )
    assert split == ["data.root=store", f"data.snapshot={month}"]
    day = f"data.snapshot={table['made'].max()[:10]}"
    run(folds, "folds", "data=store", "data.root=store", day, "folds.k=2", "twins=0")
    again = [day if key.startswith("data.snapshot") else key for key in training]
    run(train, "train", *NETWORK, *again, "fold=0", "audit=false")
    name = f"demo_unet_{month}"
    seen = json.loads(MemberFolder(Path("experiments") / name).run(0).lineage.read_text())
    assert rows.loc[worst, "photo"][:64] in seen["photos"]

    # Promote: the first network is champion, the retrained one takes its place where nothing is asked of it.
    judge = ["data=judge", "jobs=1", *CPU]
    run(promote, "promote", "name=one", "fold=0", *judge)
    free = ["allowed_loss=1", "allowed_cluster_loss=1", "allowed_share_loss=1", "allow_equal=true"]
    run(promote, "promote", f"name={name}", "fold=0", *judge, *free)
    client = MlflowClient(f"sqlite:///{shop}/mlflow.db")
    champion = client.get_model_version_by_alias("maskfold", "champion")
    assert champion.tags["member"] == name


def with_both_routes(routes: Path) -> pd.DataFrame:
    """Return the routes of new photos; some ship and some go to review."""
    table = read_routes(routes)
    assert {"ship", "review"} <= {*table["route"]}
    assert np.isfinite(table["score"]).all()
    return table
