"""What a model's card says of corrections: counted over the photos that its networks have learned from."""

import pandas as pd
import yaml

from maskfold.corrections.used import corrections_used
from maskfold.data.ledger import Ledger
from maskfold.runs.lineage import Lineage, write_lineage
from maskfold.runs.run_folder import RunFolder
from stored import sha256_name


def plant(path, photos, **data):
    path.mkdir()
    (path / "config.yaml").write_text(yaml.safe_dump({"data": data, "task": {"_target_": "any"}}))
    write_lineage(path, Lineage("store", 0, (), (), None, dict.fromkeys(photos, "0" * 16)))
    return RunFolder(path)


def test_photos_of_several_networks_are_counted_once_each_by_their_source(tmp_path):
    names = [sha256_name(bytes([number])) for number in range(5)]
    sources = ["corrected", "auto", "auto", "accepted", "manual"]
    rows = pd.DataFrame({"photo": names, "mask": names, "source": sources, "weight": 1.0, "audit": False})
    ledger = Ledger(str(tmp_path / "store"))
    ledger.begin()
    ledger.add(rows.assign(made=pd.Timestamp("2026-11-01", tz="UTC")))
    ids = [name[:64] for name in names]
    store = {"_target_": "maskfold.data.stored_pairs.StoredPairs", "root": str(tmp_path / "store"), "snapshot": None}
    one, other = plant(tmp_path / "one", ids[:2], **store), plant(tmp_path / "other", ids[1:4], **store)
    plain = plant(tmp_path / "plain", ids, _target_="maskfold.data.sources.Pairs", root="store")
    lost = plant(tmp_path / "lost", ids, **(store | {"root": str(tmp_path / "nowhere")}))

    counts = corrections_used([one, other, plain])

    assert counts == {"auto": 2, "accepted": 1, "corrected": 1, "manual": 0, "rejected": 0}
    assert corrections_used([plain]) is None
    assert corrections_used([lost]) is None
