"""The command `maskfold`: says what there is, and hands over to a stage. It imports no stage itself."""

import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from maskfold.command.catalogue import stages
from maskfold.command.completion import SCRIPTS, SETUP, complete
from maskfold.command.helping import explain, list_stages

HELP = ("--help", "-h")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `maskfold <arguments>`; those of the process unless others are given."""
    if arguments is None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `maskfold train --help | head` ends without a word
    first, *rest = [*(sys.argv[1:] if arguments is None else arguments)] or ["--help"]
    if first in (*HELP, "help"):
        print(list_stages())
    elif first == "completion":
        _completion(rest)
    elif first not in stages():
        sys.exit(_unknown(first))
    elif set(HELP) & {*rest}:
        print(explain(stages()[first], [override for override in rest if not override.startswith("-")]))
    else:
        # A process can become another: signals, exit status and ranks that are started again are then the stage's own.
        words = _overrides_of_runs(rest) if first == "runs" else rest
        os.execv(sys.executable, [sys.executable, "-m", f"maskfold.stages.{first}", *words])


def _overrides_of_runs(words: Sequence[str]) -> list[str]:
    """Return `compare a b` and `remove a --yes` as overrides; what is written as one already stays."""
    match [*words]:
        case [("compare" | "remove") as verb, *others]:
            names = [word for word in others if "=" not in word and not word.startswith("-")]
            kept = ["ask=false" if word in ("--yes", "-y") else word for word in others if word not in names]
            return [f"{verb}=[{','.join(names)}]", *kept]
    return [*words]


def _completion(arguments: Sequence[str]) -> None:
    match [*arguments]:
        case ["words", line]:
            print("\n".join(complete(line)))
        case [shell] if shell in SCRIPTS:
            print(SCRIPTS[shell].strip())
        case _:
            print(SETUP)


def _unknown(stage: str) -> str:
    near = get_close_matches(stage, stages(), n=3, cutoff=0.5)
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"{stage}: no such stage.{guess} There are {', '.join(stages())}; `maskfold` alone says what each does."


if __name__ == "__main__":
    main()
