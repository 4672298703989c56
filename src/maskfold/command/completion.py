"""Completion with the tab key: what may come next on a command line, and the scripts that ask for it."""

from collections.abc import Iterable

from maskfold.command.catalogue import Stage, options, stages
from maskfold.places import brought_along
from maskfold.runs.layout import EXPERIMENTS, MemberFolder

SETUP = """\
bash: add this line to ~/.bashrc
  eval "$(maskfold completion bash)"
zsh: add this line to ~/.zshrc, below compinit
  eval "$(maskfold completion zsh)\""""

BASH = r"""
_maskfold() {
    local line=${COMP_LINE:0:COMP_POINT}
    local word=${line##*[[:space:]]}
    mapfile -t COMPREPLY < <(maskfold completion words "$line" 2>/dev/null)
    # bash takes what stands before a = for a word of its own
    if [[ $word == *=* && $COMP_WORDBREAKS == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%%=*}="}")
    fi
    if [[ ${#COMPREPLY[@]} -ge 1 && ${COMPREPLY[0]} == *[=.] ]]; then
        compopt -o nospace
    fi
}
complete -o default -F _maskfold maskfold
"""

ZSH = r"""
_maskfold() {
    local -a words open closed
    words=("${(@f)$(maskfold completion words "$LBUFFER" 2>/dev/null)}")
    open=(${(M)words:#*[=.]})
    closed=(${words:#*[=.]})
    (( $#open )) && compadd -S '' -- $open
    (( $#closed )) && compadd -- $closed
    (( $#words )) || _files
}
compdef _maskfold maskfold
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH}


def complete(line: str) -> list[str]:
    """Return what the last word of a command line may become; nothing if any file may follow.

    Args:
        line: The line up to the cursor, such as `maskfold train model=li`.
    """
    *before, word = line.split(" ")
    words = [part for part in before if part][1:]
    if not words:
        return _beginning(word, [*stages(), "completion"])
    if words[0] == "completion":
        return _beginning(word, SCRIPTS)
    stage = stages().get(words[0])
    if stage is None:
        return []
    overrides = dict(part.split("=", 1) for part in words[1:] if "=" in part)
    key, is_value, _ = word.partition("=")
    if is_value:
        return _beginning(word, (f"{key}={value}" for value in _values(stage, key, overrides)))
    return _beginning(word, _keys(stage, word, overrides))


def _beginning(word: str, candidates: Iterable[str]) -> list[str]:
    return [candidate for candidate in dict.fromkeys(candidates) if candidate.startswith(word)]


def _keys(stage: Stage, word: str, overrides: dict[str, str]) -> list[str]:
    """Return the keys of a stage, and of a group once its name and a dot are typed."""
    group = word.partition(".")[0]
    if "." in word and group in stage.groups:
        option = options(group).get(overrides.get(group, stage.groups[group]))
        return [f"{group}.{key.name}=" for key in option.keys] if option else []
    own = [f"{key.name}=" for key in stage.keys]
    inside = [f"{name}." for name in stage.groups if _of_option(name, stage, overrides)] if word in stage.groups else []
    return [*own, *(f"{name}=" for name in stage.groups), *inside, "--help"]


def _of_option(group: str, stage: Stage, overrides: dict[str, str]) -> bool:
    option = options(group).get(overrides.get(group, stage.groups[group]))
    return option is not None and not option.overlay and bool(option.keys)


def _values(stage: Stage, key: str, overrides: dict[str, str]) -> Iterable[str]:
    """Return the values that are known of a key: options, what lies in this folder, or what its comment lists."""
    if key in stage.groups:
        return [*options(key), *(["null"] if stage.groups[key] == "null" else [])]
    if key == "name" and stage.name != "train":
        return sorted(folder.name for folder in EXPERIMENTS.glob("*/") if MemberFolder(folder).runs())
    if key == "fold":
        numbers = MemberFolder(EXPERIMENTS / overrides["name"]).folds() if "name" in overrides else _split(overrides)
        return [*map(str, sorted(numbers)), *(["all"] if stage.name in ("train", "predict") else [])]
    return _listed(stage, key, overrides)


def _listed(stage: Stage, key: str, overrides: dict[str, str]) -> list[str]:
    """Return what a comment `one | other: what it is for` lists, or both truths."""
    group, _, name = key.partition(".")
    option = options(group).get(overrides.get(group, stage.groups.get(group, ""))) if name else None
    keys = stage.keys if option is None else option.keys
    completed = next((one for one in keys if one.name == (name or key)), None)
    if completed is None:
        return []
    if completed.default in ("true", "false"):
        return ["true", "false"]
    alternatives = [part.split()[0].rstrip(":,;") for part in completed.comment.split(" | ") if part]
    return alternatives if len(alternatives) > 1 else []


def _split(overrides: dict[str, str]) -> set[int]:
    """Return the folds of the split that a training would read, as far as that can be seen without composing it."""
    experiment, data = overrides.get("experiment", ""), overrides.get("data")
    splits, chosen = _overlay(experiment)
    data = overrides.get("data.name", data or chosen or stages()["train"].groups["data"])
    path = brought_along(overrides.get("split_file") or splits.get(data) or f"data/{data}/folds.csv")
    if not path.is_file():
        return set()
    with path.open() as lines:
        return {int(fold) for line in lines if (fold := line.rstrip().rpartition(",")[2]).isdigit()}


def _overlay(experiment: str) -> tuple[dict[str, str], str | None]:
    """Return an experiment's split files by the name of the data, and the data it chooses, with its parents'."""
    document = options("experiment").get(experiment)
    if document is None:
        return {}, None
    splits: dict[str, str] = {}
    data = None
    for parent in document.parents:
        inherited, chosen = _overlay(parent) if parent != experiment else ({}, None)
        splits |= inherited
        data = chosen or data
    splits |= {key.name.removeprefix("splits."): key.default for key in document.keys if key.name.startswith("splits.")}
    return splits, next((choice.option for choice in document.choices if choice.group == "data"), data)
