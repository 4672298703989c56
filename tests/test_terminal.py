"""What a person sees: messages that are not broken within words, colour in a terminal alone, human units."""

import io
import logging
import sys

import pytest
from rich.console import Console

from maskfold import terminal
from maskfold.terminal import Messages, asked, bar, counted, duration, readable, show_table

LONG = "experiments/demo_unet/fold0: 12 epochs on cpu, 48 photos to train on and 48 to validate, 7,353 parameters"


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch) -> Terminal:
    """Called in a test, not a fixture: pytest puts its own stream in place before it calls the test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return stream


def say(text: str, **extra: object) -> None:
    record = logging.LogRecord("maskfold", logging.INFO, "", 0, text, (), None)
    record.__dict__ |= extra
    Messages().emit(record)


def test_a_long_message_is_broken_between_words_in_a_terminal(monkeypatch):
    screen = open_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    say(LONG)

    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(line.strip() for line in lines) == LONG


def test_colour_is_for_terminals_and_not_for_those_who_want_none(monkeypatch):
    screen = open_terminal(monkeypatch)
    say("Dice 0.9", **terminal.RESULT)
    assert "\x1b[1;32m" in screen.getvalue()

    screen.truncate(0)
    monkeypatch.setenv("NO_COLOR", "1")
    say("Dice 0.9", **terminal.RESULT)
    assert "\x1b" not in screen.getvalue()


def test_in_a_pipe_a_message_is_one_plain_line(capsys):
    say(LONG, **terminal.RESULT)

    assert capsys.readouterr().err == f"{LONG}\n"


def test_a_message_stands_above_the_bar_and_never_on_its_line(monkeypatch):
    screen = open_terminal(monkeypatch)
    with bar("epoch 1/2", total=4, unit="steps", leave=False) as drawn:
        drawn.update(2)
        say("hello")

    shown = screen.getvalue()
    before = shown[: shown.index("hello")]
    assert before.endswith("\r")  # the bar's line is cleared, and the message begins where it began
    assert before.rstrip("\r").endswith("  ")


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_fits_the_width_and_loses_no_number(monkeypatch, capsys, width):
    monkeypatch.setattr(terminal, "console", lambda: Console(width=width))
    headings = ["fold", "photos", "groups", "Dice", "IoU", "boundary IoU", "trimap Dice", "best cut", "Dice there"]
    rows = [["0", "5,088", "318", *["0.99612"] * 4, "128", "0.99613"], ["all", "5,088", "318", *["0.99599"] * 6]]
    show_table(headings, rows, strong=1)

    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= width
    assert shown[-1].split() == rows[-1]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (150, "2.5 min"), (7200, "2.0 h"), (259200, "3.0 d")]
)
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text


def test_bytes_and_counts_are_readable():
    assert [readable(count) for count in (512, 2048, 260 * 2**20, 1.2 * 2**30)] == [
        "512 B",
        "2 KiB",
        "260 MiB",
        "1.2 GiB",
    ]
    assert [counted(1, "photo"), counted(5088, "photo"), counted(2, "box", "boxes")] == [
        "1 photo",
        "5,088 photos",
        "2 boxes",
    ]


@pytest.mark.parametrize(("answer", "yes"), [("y", True), (" Yes ", True), ("", False), ("n", False)])
def test_a_question_is_no_unless_somebody_says_yes(monkeypatch, answer, yes):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    assert asked("Remove?") is yes


def test_nobody_there_to_answer_is_no(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert not asked("Remove?")
