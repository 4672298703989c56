"""Try every hostile case that the suite knows, and write how many of each kind held: `python count_hostile.py`.

A case is a test marked `hostile`; one that goes through many by itself says how many, `hostile(kind, cases=200)`.
"""

import sys

import pandas as pd
import pytest
from measure import publish


class Count:
    """A plugin that keeps the kind of each test, how many cases it is, and whether it held."""

    def __init__(self) -> None:
        self.cases: dict[str, tuple[str, int]] = {}
        self.failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if marker := item.get_closest_marker("hostile"):
                self.cases[item.nodeid] = marker.args[0], marker.kwargs.get("cases", 1)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.cases.pop(report.nodeid, None)
        elif report.failed:
            self.failed.add(report.nodeid)

    def table(self) -> pd.DataFrame:
        """Return a row a kind, most cases first, and one of all."""
        rows = pd.DataFrame(
            [(kind, cases, cases * (test not in self.failed)) for test, (kind, cases) in self.cases.items()],
            columns=["kind", "tried", "held"],
        )
        kinds = rows.groupby("kind").sum().sort_values("tried", ascending=False, kind="stable")
        return pd.concat([kinds, rows[["tried", "held"]].sum().to_frame("all").T]).rename_axis("kind").reset_index()


def main() -> int:
    """Run the tests and write the table; return pytest's exit status."""
    count = Count()
    status = pytest.main(["-q", "-n", "0", "-m", "hostile and not slow and not gpu"], plugins=[count])
    publish("hostile", count.table())
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
