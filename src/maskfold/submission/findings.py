"""What the examination of a submission comes to: messages by kind, and the report they make."""

from collections import defaultdict
from dataclasses import dataclass, field

from maskfold.errors import listing

_SHOWN = 20  # messages of one kind; the others are counted


@dataclass
class Findings:
    """Messages by kind, of which only the first few are kept and the others counted."""

    shown: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, kind: str, message: str) -> None:
        """Keep `message`, or only count it when there are many of its kind."""
        self.counts[kind] += 1
        if self.counts[kind] <= _SHOWN:
            self.shown[kind].append(message)

    def messages(self) -> list[str]:
        """Return what was kept, each message with its kind in front, and a line for each kind that was cut."""
        lines = []
        for kind, messages in self.shown.items():
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
