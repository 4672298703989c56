"""Predict a folder of photos with this bundle and write the submission: `python run.py photos=<folder>`.

    photos=<folder>   the photos; by default where Kaggle mounts those of the competition
    out=<file>        submission.csv unless given
    sample=<file>     the sample submission, whose rows give the order; by default the one beside the folder of photos
    work=<folder>     keep what is made on the way here, and go on with it when it is run again; by default thrown away
    wheels=all        install every wheel of the bundle; by default those alone of which there is no version here
    trainer.<key>=    as of `maskfold fuse`, such as trainer.batch_size=8

Nothing of the bundle is written to, and nothing is fetched.
"""

import csv
import gzip
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FACTS = "bundle.json"
MOUNTS = ("/kaggle/input", "/kaggle/input/competitions")
NAME = "bundled"  # of the options that are written for the two stages
SAMPLES = ("sample_submission.csv", "sample_submission.csv.gz")


def main(arguments: list[str]) -> None:
    """Check, predict, write; end with a sentence where that cannot be."""
    started = time.monotonic()
    bundle = Path(__file__).resolve().parent
    facts = json.loads((bundle / FACTS).read_text())
    given, overrides = options(arguments)
    photos = photos_folder(facts, given.get("photos"))
    out = Path(given.get("out", "submission.csv")).absolute()
    check_files(bundle, facts["files"])
    with tempfile.TemporaryDirectory(prefix="maskfold-") as passing:
        work = Path(given.get("work", passing)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        site = install_wheels(bundle, facts, work / "site", every=given.get("wheels") == "all")
        installing = time.monotonic() - begun
        check_packages(facts, site)
        sample = given.get("sample") or sample_beside(photos, facts)
        prepare(bundle, facts, work, photos, sample)
        environment = dict(os.environ, PYTHONPATH=search_path(bundle, site), MASKFOLD_TRUST=",".join(facts["trust"]))
        names = [f"ensemble={NAME}", f"data={NAME}"]
        settings = [f"trainer.{key}={value}" for key, value in facts["trainer"].items()]
        run_stage("fuse", [*names, *settings, *overrides], work, environment)
        run_stage("ensemble", [*names, "fused=true"], work, environment)
        written = work / "submissions" / facts["ensemble"] / "submission.csv.gz"
        rows = unpack(written, out, sample, column=facts["id_column"])
    seconds = {"all": time.monotonic() - started, "installing": installing}
    print(json.dumps({"submission": str(out), "rows": rows, "seconds": seconds}))


def options(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return what is this script's own, by its key, and what is the prediction's."""
    own = {"photos", "out", "sample", "work", "wheels"}
    for argument in arguments:
        key = argument.partition("=")[0]
        if "=" not in argument or (key not in own and not key.startswith("trainer.")):
            sys.exit(f"{argument}: no such option.\n{__doc__}")
    given = {argument.partition("=")[0]: argument.partition("=")[2] for argument in arguments}
    overrides = [argument for argument in arguments if argument.startswith("trainer.")]
    return {key: value for key, value in given.items() if key in own}, overrides


def photos_folder(facts: dict[str, Any], named: str | None) -> Path:
    """Return the folder of photos: the one that is named, else where Kaggle has the competition's."""
    tried = [Path(named)] if named else []
    if not named and facts["competition"]:
        tried = [Path(mount, facts["competition"], facts["test"]) for mount in MOUNTS]
    there = next((folder for folder in tried if folder.is_dir()), None)
    if there is None:
        looked = ", ".join(map(str, tried)) or "nowhere: the data names no competition"
        sys.exit(f"No photos: looked in {looked}. Name their folder with photos=<folder>.")
    return there.absolute()


def sample_beside(photos: Path, facts: dict[str, Any]) -> Path | None:
    """Return the sample submission of the data, below or beside the folder that the photos' lies in; None for none."""
    names = [facts["sample"]] if facts["sample"] else SAMPLES
    paths = [photos.parent / name for name in names]
    there = next((path for path in paths if path.is_file()), None)
    if there is None and facts["sample"]:
        sys.exit(f"No sample submission: {paths[0]} is not there. Name it with sample=<file>.")
    return there


def check_files(bundle: Path, files: dict[str, dict[str, Any]]) -> None:
    """Refuse a bundle that is not whole."""
    for name, about in files.items():
        path = bundle / name
        if not path.is_file() or path.stat().st_size != about["bytes"] or sha256(path) != about["sha256"]:
            sys.exit(f"{path}: missing, or not the file that was bundled. Upload the whole bundle again.")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def install_wheels(bundle: Path, facts: dict[str, Any], site: Path, *, every: bool) -> Path | None:
    """Install wheels into a folder of their own; return it, or None where there is nothing to install."""
    wanted = [one for one in facts["packages"] if one["wheel"] and (every or version_of(one["name"]) is None)]
    if not wanted:
        return None
    wheels = [str(bundle / one["wheel"]) for one in wanted]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    if subprocess.run([*pip, "--upgrade", "--target", str(site), *wheels], check=False).returncode:
        sys.exit(f"The wheels of the bundle cannot be installed here; they are for Python {facts['wheels_python']}.")
    return site


def version_of(name: str, site: Path | None = None) -> str | None:
    """Return the version of a package, one in `site` before one of the environment; None where there is none."""
    for path in [[str(site)]] if site else []:
        for one in importlib.metadata.distributions(name=name, path=path):
            return one.version
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_packages(facts: dict[str, Any], site: Path | None) -> None:
    """Refuse an environment that lacks a package; say which versions are others than those of the rehearsal."""
    here = {one["name"]: version_of(one["name"], site) for one in facts["packages"]}
    missing = [f"{one['name']}=={one['version']}" for one in facts["packages"] if here[one["name"]] is None]
    if missing:
        sys.exit(
            f"Not installed here, and no wheel of it in the bundle: {', '.join(missing)}. Make the bundle again with "
            "wheels=download, or wheels=<a folder of wheels>."
        )
    others = [f"{one['name']} {here[one['name']]} ({one['version']})" for one in facts["packages"]]
    others = [line for line, one in zip(others, facts["packages"], strict=True) if here[one["name"]] != one["version"]]
    python = ".".join(map(str, sys.version_info[:2]))
    if others or not facts["python"].startswith(f"{python}."):
        print(f"Rehearsed with Python {facts['python']}, here is {python}. Other versions here (rehearsed):", *others)


def prepare(bundle: Path, facts: dict[str, Any], work: Path, photos: Path, sample: str | Path | None) -> None:
    """Lay out a working folder as the two stages look at it."""
    for group in ("data", "ensemble"):
        (work / "conf" / group).mkdir(parents=True, exist_ok=True)
    data = dict(
        facts["data"], root=str(photos.parent), test=photos.name, sample=sample and str(Path(sample).absolute())
    )
    (work / "conf" / "data" / f"{NAME}.yaml").write_text(json.dumps(data))  # JSON is YAML
    shutil.copyfile(bundle / "ensemble.yaml", work / "conf" / "ensemble" / f"{NAME}.yaml")
    for path in (path for path in (bundle / "experiments").rglob("*") if path.is_file()):
        link = work / path.relative_to(bundle)  # in folders that can be written to, where hashes are remembered
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(path)


def search_path(bundle: Path, site: Path | None) -> str:
    """Return where Python looks first: the bundle's code, what was installed, and what it was told before."""
    before = os.environ.get("PYTHONPATH")
    return os.pathsep.join(str(path) for path in (bundle / "code", site, before) if path)


def run_stage(stage: str, overrides: list[str], work: Path, environment: dict[str, str]) -> None:
    """Run a stage of maskfold; end as it did where it fails."""
    command = [sys.executable, "-m", f"maskfold.stages.{stage}", *overrides]
    status = subprocess.run(command, cwd=work, env=environment, check=False).returncode
    if status:
        sys.exit(status if status > 0 else 1)


def unpack(written: Path, out: Path, sample: str | Path | None, *, column: int) -> int:
    """Write the submission where it is wanted, refuse one that lacks ids of the sample; return how many rows it has."""
    with gzip.open(written, "rb") as packed, out.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    rows = cells(out, column)
    if sample:
        lacking = sorted({*cells(Path(sample), column)} - {*rows})
        if lacking:
            out.unlink()
            sys.exit(f"{len(lacking)} ids of {sample} have no photo, such as {lacking[0]}: no submission was written.")
    return len(rows)


def cells(path: Path, column: int) -> list[str]:
    """Return a column of a table without its header."""
    csv.field_size_limit(2**31 - 1)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        return [row[column] for row in csv.reader(file) if row][1:]


if __name__ == "__main__":
    main(sys.argv[1:])
