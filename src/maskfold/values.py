"""What values a key may have, beyond its type: ranges of numbers, words, and names that stay in their folder.

`maskfold.schemas` says which key has which; all are looked at in one place, before a stage starts.
"""

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from types import NoneType
from typing import Any, Protocol, get_args

from omegaconf import MISSING, DictConfig, OmegaConf

from maskfold.errors import MaskfoldError
from maskfold.files import check_inside

_RULE = "rule"


class Rule(Protocol):
    """What is asked of a key's value."""

    def refuse(self, key: str, value: Any, *, kinds: set[type]) -> None:
        """Do nothing about a good value.

        Args:
            key: Dotted.
            value: Of the key's type, not None.
            kinds: The types that the key has.

        Raises:
            MaskfoldError: If it is not one, with those that there are.
        """


@dataclass(frozen=True)
class Numbers:
    """A range of numbers; what is not in it, NaN for one, is refused.

    Attributes:
        least: The smallest.
        above: What all are above, instead.
        most: The largest.
        words: What else there is, such as `auto`.
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    words: tuple[str | int, ...] = ()

    def refuse(self, key: str, value: Any, *, kinds: set[type]) -> None:
        """See `Rule`."""
        if value not in self.words and (isinstance(value, str) or not self._holds(value)):
            raise MaskfoldError(f"{key}={value}: {self.advice(kinds)}")

    def advice(self, kinds: set[type]) -> str:
        """Return a sentence that says what there is for a key of some types."""
        others = [*map(str, self.words), *(["null"] if NoneType in kinds else [])]
        number = "a number" if float in kinds else "a whole number"
        return f"give {', or '.join([f'{number} {self._range()}', *others])}."

    def _holds(self, value: float) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
        )

    def _range(self) -> str:
        if self.least is None:
            return f"above {self.above}" if self.most is None else f"above {self.above}, at most {self.most}"
        return f"of {self.least} or more" if self.most is None else f"from {self.least} to {self.most}"


class Inside:
    """A name of a file or folder that is looked for in a folder of its kind, and must not lead out of it."""

    def refuse(self, key: str, value: Any, *, kinds: set[type]) -> None:
        """See `Rule`."""
        for name in [value] if isinstance(value, str) else value:
            check_inside(name, what=key)


def number(
    least: float | None = None, *, above: float | None = None, most: float | None = None, words: tuple = ()
) -> Any:
    """Return the field of a key whose number is in a range; arguments as for `Numbers`."""
    return field(default=MISSING, metadata={_RULE: Numbers(least, above, most, words)})


def name_inside() -> Any:
    """Return the field of a key that names something in a folder, or several things."""
    return field(default=MISSING, metadata={_RULE: Inside()})


def refuse_values(config: DictConfig, prefix: str = "") -> None:
    """Look at the values of all keys that have a rule; a key that is still missing has none.

    Args:
        config: A composed configuration; its typed nodes are looked at.
        prefix: Of its keys.

    Raises:
        MaskfoldError: For the first value that its key may not have.
    """
    for key in _fields(config):
        if OmegaConf.is_missing(config, key.name) or config[key.name] is None:
            continue
        value = config[key.name]
        if isinstance(value, DictConfig):
            refuse_values(value, f"{prefix}{key.name}.")
        elif _RULE in key.metadata:
            key.metadata[_RULE].refuse(f"{prefix}{key.name}", value, kinds=_kinds(key))


def advice(config: DictConfig, name: str) -> str | None:
    """Return what there is for a key of a node, or None where nothing but its type is asked of it."""
    for key in _fields(config):
        if key.name == name and isinstance(key.metadata.get(_RULE), Numbers):
            return key.metadata[_RULE].advice(_kinds(key))
    return None


def _fields(config: DictConfig) -> Iterator[Field]:
    kind = OmegaConf.get_type(config)
    yield from fields(kind) if is_dataclass(kind) else ()


def _kinds(key: Field) -> set[type]:
    return {*get_args(key.type)} or {key.type}
