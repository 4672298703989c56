"""What the images are made of, and what they run: in this process's machine, and in a root with nothing else in it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import brightness_model
import empty_root
import slim_environment
from slim_environment import ROOT, pins

TOKEN = "0123456789abcdef0123"
# Asks the service for a cut-out of the photo that it is given, and writes what comes.
ASK = f"""
import sys, urllib.request
headers = {{"Authorization": "Bearer {TOKEN}", "Content-Type": "image/jpeg"}}
question = urllib.request.Request("http://127.0.0.1:8000/cutout", sys.stdin.buffer.read(), headers)
sys.stdout.buffer.write(urllib.request.urlopen(question, timeout=30).read())
"""


def photo() -> np.ndarray:
    """A bright disk on a dark ground, `(120, 160, 3) uint8`."""
    drawn = np.full((120, 160, 3), 10, np.uint8)
    return cv2.circle(drawn, (80, 60), 40, (250, 240, 245), -1)


def test_the_service_has_the_versions_of_the_whole():
    whole, service = pins(ROOT / "requirements.txt"), pins(slim_environment.REQUIREMENTS)

    assert service.items() <= whole.items()
    assert not {*slim_environment.NOT_THERE} & service.keys()


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.service"])
def test_an_image_copies_what_there_is_and_runs_as_nobody(name):
    text = (ROOT / name).read_text()
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [part for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for part in line.split()]

    assert all((ROOT / path).exists() for path in copied)
    assert all(
        any(path == here or here.startswith(f"{path}/") or path.startswith(f"{here}/") for here in let_in)
        for path in copied
    )
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == [f"{empty_root.USER}:{empty_root.USER}"]
    entry = re.search(r'^ENTRYPOINT \["/opt/maskfold/(.*)"\]$', text, re.MULTILINE)
    assert entry is not None
    assert os.access(ROOT / entry[1], os.X_OK)


@pytest.fixture
def python(tmp_path) -> dict[str, str]:
    """An environment whose `python` writes its arguments down, and ends with 7 when SIGTERM asks it to."""
    script = tmp_path / "bin" / "python"
    script.parent.mkdir()
    script.write_text(f"""#!/bin/sh
trap 'echo told >> {tmp_path}/seen; exit ${{ENDS:-7}}' TERM
echo "$@" >> {tmp_path}/seen
[ "$2" = maskfold ] && [ "$3" = runs ] && exit 3
while :; do sleep 0.02; done
""")
    script.chmod(0o755)
    return {"PATH": f"{script.parent}:{os.environ['PATH']}"}


def begun(script: str, *arguments: str, tmp_path: Path, **variables: str) -> subprocess.Popen:
    """Start an entry script and wait until the python that it starts has written its arguments down."""
    process = subprocess.Popen([ROOT / "docker" / script, *arguments], env=variables)
    for _ in range(500):
        if (tmp_path / "seen").exists():
            return process
        time.sleep(0.01)
    raise AssertionError(script)


@pytest.mark.hostile("killed")
@pytest.mark.parametrize(
    ("script", "arguments", "variables", "command"),
    [
        ("train.sh", "train fold=0", {}, "-m maskfold train fold=0"),
        ("train.sh", "predict fold=0", {"RANKS": "2"}, "-m maskfold predict fold=0"),
        (
            "train.sh",
            "train fold=0",
            {"RANKS": "2"},
            "-m torch.distributed.run --standalone --nproc-per-node=2 --max-restarts=10 -m maskfold.stages.train "
            "fold=0",
        ),
        ("serve.sh", "exported=x", {}, "-m maskfold serve host=0.0.0.0 port=8000 exported=x"),
        ("serve.sh", "serve port=9", {"MASKFOLD_PORT": "7"}, "-m maskfold serve host=0.0.0.0 port=7 port=9"),
        ("serve.sh", "cutout source=a", {}, "-m maskfold cutout source=a"),
    ],
)
def test_a_container_stops_when_it_is_told_to(script, arguments, variables, command, python, tmp_path):
    process = begun(script, *arguments.split(), tmp_path=tmp_path, **python, **variables)
    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 7
    assert (tmp_path / "seen").read_text().splitlines() == [command, "told"]


def test_a_container_ends_with_its_job_and_the_jobs_status(python):
    assert subprocess.run([ROOT / "docker" / "train.sh", "runs"], env=python).returncode == 3


@pytest.mark.hostile("killed")
def test_several_processes_that_are_told_to_stop_end_as_one_does(python, tmp_path):
    """torchrun ends with 1 then, as it does when its job has failed."""
    process = begun("train.sh", "train", tmp_path=tmp_path, **python, RANKS="2", ENDS="1")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143


@pytest.fixture(scope="module")
def slim(tmp_path_factory) -> Path:
    return slim_environment.make(tmp_path_factory.mktemp("slim") / "environment")


@pytest.fixture(scope="module")
def root(slim, tmp_path_factory) -> Path:
    if not empty_root.is_possible():
        pytest.skip("this user may not give a process a root of its own")
    root = tmp_path_factory.mktemp("container") / "root"
    libraries = empty_root.build(root, slim, ROOT / "docker")
    assert not [name for name in libraries if not empty_root.SLIM.match(name)], "python:3.11-slim has none of these"
    assert "libgomp1" in (ROOT / "Dockerfile.service").read_text()
    brightness_model.write(root / "model.onnx")
    return root


# Runs a stage as its command in a process in which the packages that the image leaves out cannot be imported.
WITHOUT = f"""
import importlib, sys
for name in {slim_environment.NOT_THERE}:
    sys.modules[name] = None
stage, *sys.argv[1:] = sys.argv[1:]
importlib.import_module(f"maskfold.stages.{{stage}}").main()
"""


def test_cut_outs_are_made_without_the_packages_that_the_image_leaves_out(tmp_path):
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "disk.png"), photo())
    model = brightness_model.write(tmp_path / "model.onnx")

    words = ["cutout", "source=photos", "target=cutouts", f"exported={model}"]
    subprocess.run([sys.executable, "-c", WITHOUT, *words], check=True, cwd=tmp_path)

    alpha = cv2.imread(str(tmp_path / "cutouts" / "disk.png.png"), cv2.IMREAD_UNCHANGED)[..., 3]
    assert (alpha[60, 80], alpha[5, 5]) == (255, 0)


def test_the_service_starts_without_the_packages_that_the_image_leaves_out(tmp_path):
    words = ["serve", "exported=nowhere.onnx"]
    ended = subprocess.run([sys.executable, "-c", WITHOUT, *words], cwd=tmp_path, capture_output=True, text=True)

    assert "nowhere.onnx" in ended.stderr  # what it is told to open is what it misses, and no package
    assert "Traceback" not in ended.stderr, ended.stderr


@pytest.mark.slow
def test_cut_outs_and_the_service_run_where_torch_is_not_installed(slim, tmp_path):
    python = slim / "bin" / "python"
    for name in slim_environment.NOT_THERE:
        assert not (slim_environment.packages(slim) / name).exists()
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "disk.png"), photo())
    model = brightness_model.write(tmp_path / "model.onnx")
    for stage in ("cutout", "serve", "review"):
        subprocess.run([python, "-m", "maskfold", stage, "--help"], check=True, capture_output=True, cwd=tmp_path)
    command = ["cutout", "source=photos", "target=cutouts", f"exported={model}"]
    subprocess.run([python, "-m", "maskfold", *command], check=True, cwd=tmp_path, env={"HOME": str(tmp_path)})

    alpha = cv2.imread(str(tmp_path / "cutouts" / "disk.png.png"), cv2.IMREAD_UNCHANGED)[..., 3]
    assert (alpha[60, 80], alpha[5, 5]) == (255, 0)


@pytest.mark.slow
@pytest.mark.hostile("full or read-only disk")
def test_the_service_runs_as_nobody_in_a_root_of_its_own_that_is_read_only(root, tmp_path):
    script = f"{empty_root.HOME}/docker/serve.sh"
    health = ["python", f"{empty_root.HOME}/docker/health.py"]
    command = [script, "serve", "exported=/model.onnx"]
    with empty_root.running(root, command, log=tmp_path / "log", MASKFOLD_TOKEN=TOKEN, HOME="/tmp") as container:
        for _ in range(120):
            if container.process.poll() is not None or container.execute(*health).returncode == 0:
                break
            time.sleep(0.5)
        assert container.process.poll() is None, (tmp_path / "log").read_text()
        _, jpeg = cv2.imencode(".jpg", photo())
        answer = container.execute("python", "-c", ASK, input=jpeg.tobytes())
        alpha = cv2.imdecode(np.frombuffer(answer.stdout, np.uint8), cv2.IMREAD_UNCHANGED)[..., 3]
        assert (alpha[60, 80], alpha[5, 5]) == (255, 0)
        assert container.execute("python", "-c", "import os; print(os.getuid())").stdout == b"10001\n"
        refused = container.execute("python", "-c", "open('/opt/maskfold/x', 'w')")
        assert b"Read-only file system" in refused.stderr
        assert container.execute("python", "-c", ASK.replace(TOKEN, "wrong")).stderr.endswith(b"Unauthorized\n")
        assert container.terminate() == 0
    assert "Ended; all that was taken in is answered." in (tmp_path / "log").read_text()
    with empty_root.running(root, [script, "serve", "exported=/model.onnx"], log=tmp_path / "log") as container:
        assert container.process.wait(60) == 1
    assert "a token is needed" in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.hostile("killed")
def test_the_first_process_of_a_training_container_hands_a_signal_on(root, tmp_path):
    command = [f"{empty_root.HOME}/docker/train.sh", "serve", "exported=/model.onnx"]
    with empty_root.running(root, command, log=tmp_path / "log", HOME="/tmp") as container:
        for _ in range(120):
            if "Listening" in (tmp_path / "log").read_text():
                break
            time.sleep(0.5)
        assert container.terminate() == 0, (tmp_path / "log").read_text()
    assert "Ended; all that was taken in is answered." in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_cut_outs_are_made_in_a_root_of_their_own(root, tmp_path):
    work = tmp_path / "work"
    (work / "photos").mkdir(parents=True)
    os.chown(work, empty_root.USER, empty_root.USER)
    cv2.imwrite(str(work / "photos" / "disk.png"), photo())
    command = f"{empty_root.HOME}/docker/serve.sh cutout source=photos target=cutouts exported=/model.onnx"
    with empty_root.running(root, command.split(), log=tmp_path / "log", work=work, HOME="/tmp") as container:
        assert container.process.wait(120) == 0, (tmp_path / "log").read_text()

    alpha = cv2.imread(str(work / "cutouts" / "disk.png.png"), cv2.IMREAD_UNCHANGED)[..., 3]
    assert (alpha[60, 80], alpha[5, 5]) == (255, 0)
