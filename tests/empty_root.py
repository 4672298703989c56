"""A root folder that holds an environment, the interpreter, their libraries, a shell, and nothing else of this machine.

It stands in for a container where there is no daemon to run one: processes, network and mounts of its own, a root that
is read-only, a user without rights.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HOME = "/opt/maskfold"  # where the images have the environment
USER = 10001
# The libraries that python:3.11-slim has, which is what the service's image is made of, and the one that it adds, gomp.
SLIM = re.compile(
    r"lib(python3\.\d+|gomp|c|m|dl|pthread|rt|util|crypt|stdc\+\+|gcc_s|z|bz2|lzma|ffi|ssl|crypto|sqlite3|readline|tinfo|ncursesw|panelw"
    r"|uuid|expat|gdbm|gdbm_compat|db-5\.3|nsl|tirpc|gssapi_krb5|krb5|k5crypto|com_err|krb5support|keyutils|resolv"
    r")\.so|ld-linux"
)
_START = """
set -e
root=$1; shift
ip link set lo up
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
mount -t tmpfs tmpfs "$root/tmp"
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
[ -z "$WORK" ] || mount --bind "$WORK" "$root/work"
chroot=$(command -v chroot)
exec env -i PATH=$PATH_INSIDE "$chroot" --userspec=$USER_INSIDE "$root" \\
  /bin/sh -c 'cd /work && exec env "$@"' sh "$@"
"""


def is_possible() -> bool:
    """Return whether this user may give processes a root of their own."""
    tools = all(shutil.which(tool) for tool in ("unshare", "nsenter", "chroot", "ip", "ldd"))
    asked = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "true"]
    return os.geteuid() == 0 and tools and subprocess.run(asked, capture_output=True).returncode == 0


def build(root: Path, environment: Path, scripts: Path) -> set[str]:
    """Fill an empty root; return the names of the machine's libraries that are in it.

    Args:
        root: Which is made.
        environment: A virtual environment of this interpreter's version, whose packages are linked and not copied.
        scripts: The folder of entry scripts.
    """
    for folder in ("bin", "dev", "proc", "tmp", "work", "etc", "usr/local/bin", f"{HOME[1:]}/bin"):
        (root / folder).mkdir(parents=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    home = Path(sys.base_prefix)
    interpreter = root / "usr/local/bin" / version
    shutil.copy2((home / "bin" / version).resolve(), interpreter)
    leave = shutil.ignore_patterns(
        "site-packages", "test", "tests", "__pycache__", "idlelib", "tkinter", "_tkinter*", "*.a"
    )
    shutil.copytree(home / "lib" / version, root / "usr/local/lib" / version, ignore=leave)
    packages = environment / "lib" / version / "site-packages"
    shutil.copytree(packages, root / HOME[1:] / "lib" / version / "site-packages", copy_function=os.link)
    (root / HOME[1:] / "bin" / "python").symlink_to(f"/usr/local/bin/{version}")
    (root / HOME[1:] / "pyvenv.cfg").write_text("home = /usr/local/bin\ninclude-system-site-packages = false\n")
    shutil.copytree(scripts, root / HOME[1:] / "docker")
    for tool in ("sh", "env"):
        shutil.copy2(Path(shutil.which(tool)).resolve(), root / "bin" / tool)
    for name, (major, minor) in {"null": (1, 3), "zero": (1, 5), "urandom": (1, 9), "random": (1, 8)}.items():
        os.mknod(root / "dev" / name, 0o666 | 0o020000, os.makedev(major, minor))
        os.chmod(root / "dev" / name, 0o666)
    return _copy_libraries(root)


def _copy_libraries(root: Path) -> set[str]:
    """Copy the libraries of this machine that anything in a root is linked to."""
    programs = [*(root / "bin").iterdir(), *(root / "usr/local/bin").iterdir()]
    binaries = [*programs, *root.rglob("*.so"), *root.rglob("*.so.*")]
    listed = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True).stdout
    inside = tuple(f"{folder}/" for folder in (root, root.resolve()))
    libraries = {path for path in re.findall(r"(?:=> )?(/\S+) \(0x", listed) if not path.startswith(inside)}
    for library in libraries:
        target = root / library.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(library).resolve(), target)
    return {Path(library).name for library in libraries}


class Inside:
    """The first process of an empty root.

    Attributes:
        process: It, as the machine outside has it: killed with all that it has started when the test ends.
    """

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def execute(self, *command: str, **options: object) -> subprocess.CompletedProcess:
        """Run a command beside it, as `docker exec` does."""
        first = self._first()
        if first is None:
            return subprocess.CompletedProcess(command, 1, b"", b"not started yet")
        into = ["nsenter", "--target", first, "--mount", "--net", "--pid", "--ipc", "--root"]
        into += ["--setuid", str(USER), "--setgid", str(USER)]
        inside = ["/bin/env", "-i", f"PATH={HOME}/bin:/bin", *command]
        return subprocess.run([*into, *inside], capture_output=True, timeout=60, **options)

    def terminate(self) -> int:
        """Send SIGTERM to the first process, as `docker stop` does, and return its exit status."""
        os.kill(int(self._first()), signal.SIGTERM)
        return self.process.wait(30)

    def _first(self) -> str | None:
        """Return the process's number outside; None while what makes the root has not started it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return children[0] if children else None


@contextmanager
def running(
    root: Path, command: Sequence[str], *, log: Path, work: Path | None = None, **variables: str
) -> Iterator[Inside]:
    """Run a command as the first process of a root, as `docker run --read-only --network none --user` does.

    Args:
        root: Which `build` has filled.
        command: An entry script and its arguments.
        log: A file for what it prints.
        work: A folder of this machine that it may write to, mounted at `/work`.
        variables: Of its environment, beside PATH.
    """
    unshare = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", _START]
    given = [f"{name}={value}" for name, value in variables.items()]
    outside = os.environ | {
        "WORK": str(work or ""),
        "PATH_INSIDE": f"{HOME}/bin:/bin",
        "USER_INSIDE": f"{USER}:{USER}",
    }
    with log.open("w") as printed:
        process = subprocess.Popen(
            [*unshare, "sh", str(root), *given, *command], stdout=printed, stderr=printed, env=outside
        )
    try:
        yield Inside(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
