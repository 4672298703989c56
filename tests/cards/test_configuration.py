from maskfold.cards.configuration import changed_keys, configuration_table
from maskfold.engine.schedules import Schedule

CHOICES = {
    "model": "linknet34",
    "geometry": "resize",
    "preprocess": "none",
    "augment": "soft",
    "loss": "bce_dice",
    "optimizer": "sgd",
    "schedule": "unet_scratch",
    "averaging": "none",
}
UNCHANGED = {part: {} for part in CHOICES}
CONFIGURATION = {
    "geometry": {"height": 1024, "width": 768},
    "trainer": {"batch_size": 2, "accumulate": 1, "gradient_clip": None, "hard_negatives_every": None},
    "splits": {},
    "deep": 0,
    "mixing": {"mixup": 0, "cutmix": 0, "share": 1, "until": 0.8},
    "tta": "none",
    "seed": 0,
}
SCHEDULE = Schedule(phases=[{"epochs": 2, "rate": 5e-3}, {"epochs": 1, "rate": 1.25e-3}])


def rows(configuration=CONFIGURATION, choices=CHOICES, changed=UNCHANGED, schedule=SCHEDULE) -> dict[str, str]:
    table = configuration_table(
        configuration, choices=choices, changed=changed, parameters=1_234_567, schedule=schedule
    )
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert cells[0] == ["part", "choice"]
    return dict(cells[2:])


def test_what_is_off_is_not_said():
    assert rows() == {
        "network": "[linknet34](../../conf/model/linknet34.yaml), 1,234,567 parameters",
        "input": "[resize](../../conf/geometry/resize.yaml), 1024x768",
        "augmentation": "[soft](../../conf/augment/soft.yaml)",
        "loss": "[bce_dice](../../conf/loss/bce_dice.yaml)",
        "optimizer": "[sgd](../../conf/optimizer/sgd.yaml)",
        "schedule": "[unet_scratch](../../conf/schedule/unet_scratch.yaml), 3 epochs, rate 5e-3 to 1.25e-3",
        "batch": "2",
        "test-time augmentation": "none",
        "seed": "0",
    }


def test_what_is_on_is_said():
    trainer = {"batch_size": 2, "accumulate": 3, "gradient_clip": 1.0, "hard_negatives_every": 10}
    changed = {"splits": {"carvana": "conf/folds/carvana_7.csv"}, "geometry": {"height": None, "width": None}}
    mixing = {"mixup": 1.0, "cutmix": 0.5, "share": 0.5, "until": 0.8}

    said = rows(
        CONFIGURATION | changed | {"trainer": trainer, "deep": 3, "mixing": mixing},
        CHOICES | {"preprocess": "clahe", "averaging": "ema"},
        UNCHANGED | {"model": {"skip": "concat"}, "schedule": {"phases": ["x" * 40]}},
        schedule=object(),
    )

    assert said["network"] == ("[linknet34](../../conf/model/linknet34.yaml) with `skip: concat`, 1,234,567 parameters")
    assert said["input"] == "[resize](../../conf/geometry/resize.yaml)"
    assert said["preprocessing"] == "[clahe](../../conf/preprocess/clahe.yaml)"
    assert said["averaged weights"] == "[ema](../../conf/averaging/ema.yaml)"
    assert said["optimizer"].endswith(", gradient norm at most 1")
    assert said["schedule"] == "[unet_scratch](../../conf/schedule/unet_scratch.yaml) with other `phases`"
    assert said["deep supervision"] == "`deep: 3`"
    assert said["mixing"] == "mixup 1 and cutmix 0.5, 50% of the photos in 80% of the epochs"
    assert said["batch"] == "2, a step on the mean gradient of 3"
    assert said["hard negatives"] == "after every 10 batches the hardest of them once more"
    assert said["folds on Carvana"] == "[conf/folds/carvana_7.csv](../../conf/folds/carvana_7.csv)"


def test_changed_keys():
    own = {"_target_": "x", "skip": "add", "weights": None}

    assert changed_keys({"_target_": "x", "skip": "concat", "weights": None, "new": 1}, own) == {
        "skip": "concat",
        "new": 1,
    }
    assert changed_keys({"a": 1}, {"defaults": ["b"]}) == {}
