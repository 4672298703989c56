"""The demo as a command; the whole of it is run by `make demo`."""

import sys

import pytest

from maskfold import demo
from maskfold.errors import MaskfoldError


@pytest.mark.hostile("killed")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyboardInterrupt(), "\nStopped. Run the same command again to go on from what is finished."),
        (MaskfoldError("a.jpg: truncated. Replace it."), "\na.jpg: truncated. Replace it."),
        (MaskfoldError("http://anna:geheim@host: no answer."), "\nhttp://***@host: no answer."),
    ],
)
def test_it_ends_with_a_sentence(monkeypatch, error, said):
    def stop(*overrides: str) -> None:
        raise error

    monkeypatch.setattr(demo, "demo", stop)
    monkeypatch.setattr(demo, "quiet_console", lambda: None)
    monkeypatch.setattr(sys, "argv", ["demo"])

    with pytest.raises(SystemExit) as end:
        demo.main()
    assert end.value.code == said
