import pandas as pd

from maskfold.analysis.growth_page import growth_page
from maskfold.recognition.gate import GateLimits, judge


def test_the_page_has_the_verdict_its_numbers_and_escaped_names():
    labels = ["<gala>"] * 30 + ["pink"] * 30 + ["leek"] * 10
    photos = pd.DataFrame({"label": labels, "new": [False] * 60 + [True] * 10, "champion": labels})
    photos["challenger"] = ["pink"] * 20 + labels[20:]
    verdict = judge(photos)
    limits = {name: getattr(GateLimits(), name) for name in GateLimits.__dataclass_fields__}
    costs = {"images": 1200, "epochs": 4, "seconds": 90}
    about = {"challenger": "experiments/x_2026-03/fold0", "champion": "experiments/x/fold0", "month": "2026-03"}
    written = growth_page(about | {"level": "finetune", "costs": costs, "limits": limits}, verdict)

    assert "experiments/x_2026-03/fold0: refused" in written
    assert "&lt;gala&gt;: recall 100.0 % -&gt; 33.3 % of 30 test photos" in written
    assert "<gala>" not in written
    assert "100.0 → 66.7 %" in written  # macro recall of the two old ones
    assert "1,200" in written
    assert "20 (33.3 %)" in written  # of the sixty photos of the pair
