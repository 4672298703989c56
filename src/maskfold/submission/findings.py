"""What the examination of a submission comes to: messages by kind, and the report they make."""

import math
from collections import defaultdict
from dataclasses import dataclass, field

from maskfold.errors import listing

_SHOWN = 20  # messages of one kind; the others are counted


@dataclass
class Findings:
    """Messages by kind, of which only the first few are kept and the others counted."""

    shown: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    first: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, message: str, line: float = math.inf) -> None:
        """Keep `message`, or only count it when there are many of its kind.

        Args:
            kind: What kind of thing is wrong.
            message: What is wrong, and where.
            line: That it is about, which kinds are ordered by; none for what only the end tells.
        """
        self.counts[kind] += 1
        self.first.setdefault(kind, line)
        if self.counts[kind] <= _SHOWN:
            self.shown.setdefault(kind, []).append(message)

    def take(self, other: "Findings") -> None:
        """Take in those of the lines that follow, or of the same lines those that are to stand behind."""
        for kind, messages in other.shown.items():
            self.first.setdefault(kind, other.first[kind])
            shown = self.shown.setdefault(kind, [])
            shown += messages[: max(0, _SHOWN - self.counts[kind])]
            self.counts[kind] += other.counts[kind]

    def messages(self) -> list[str]:
        """Return what was kept, each message with its kind in front, and a line for each kind that was cut."""
        lines = []
        for kind in sorted(self.shown, key=self.first.__getitem__):
            messages = self.shown[kind]
            lines += [f"{kind}: {message}" for message in messages]
            if self.counts[kind] > _SHOWN:
                lines.append(f"{kind}: and {self.counts[kind] - _SHOWN} more")
        return lines


@dataclass(frozen=True)
class Report:
    """What the examination of a submission found.

    Attributes:
        images: Photos that have rows.
        empty_masks: Rows whose mask has no pixel; None of labels.
        errors: For each of them a row would be refused or scored as nonsense; names line, image and column.
        warnings: Odd, but it would be accepted.
        notes: What else is known: how sure the order of the pixels is, and what it is worth.
    """

    images: int
    empty_masks: int | None
    errors: list[str]
    warnings: list[str]
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the submission may be uploaded."""
        return not self.errors

    def __str__(self) -> str:
        masks = "" if self.empty_masks is None else f", {self.empty_masks} empty masks"
        parts = [f"{self.images} images{masks}"]
        for title, messages in (("errors", self.errors), ("warnings", self.warnings)):
            parts.append(f"{title}:\n{listing(messages, limit=len(messages))}" if messages else f"no {title}")
        return "\n".join([*parts, *self.notes])
