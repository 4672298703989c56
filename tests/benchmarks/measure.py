"""What the benchmarks share: contenders that take turns, each in a process of its own, and results kept and drawn.

Every benchmark writes `docs/measured/<name>.csv`, and `<name>.svg` where there is more to see than a table says. Set
BENCH_OUT to write elsewhere.
"""

import math
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import blosc2
import cv2
import numpy as np
import pandas as pd
import torch
from joblib.externals.loky import get_reusable_executor
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from maskfold.analysis.charts import BLUE, GREY, ORANGE, PALE, as_svg, drawing
from maskfold.entry import quiet_console
from maskfold.files import write_text

OUT = Path(os.environ.get("BENCH_OUT", "docs/measured"))
BASELINE = "baseline"
FEWEST_BARS = 3  # two numbers are read more quickly than a chart of them
PANELS_A_ROW = 4
_LEAST_S = 1.0  # between the least work and the most: fewer seconds say nothing of how a stage grows


def compete(
    contenders: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    items: int = 1,
    check: bool = True,
    clocks: bool = False,
) -> pd.DataFrame:
    """Run the contenders in turn, round after round, so that all of them meet the same state of the machine.

    Each has one process for all of its rounds, so none profits from what another sets or leaves in memory; the first
    round of each, in which it starts up, is not counted.

    Args:
        contenders: Picklable functions by name, `BASELINE` among them.
        rounds: How often each is timed.
        items: What a call works on, so many images, say.
        check: Whether all must return the same.
        clocks: Whether they return the seconds themselves, of the part that counts.

    Returns:
        A row a contender: `way`, `ms` (median, an item), `ratio` (the median over rounds of the baseline's time divided
        by this one's in the same round), `ratio_low`, `ratio_high` (the rounds' extremes), `peak_mib` (the most memory
        of its processes together) and `rounds`.

    Raises:
        AssertionError: If their results differ.
    """
    pools = {name: ProcessPoolExecutor(1, get_context("spawn"), initializer=start_up) for name in contenders}
    try:
        first = {name: pools[name].submit(timed, work).result() for name, work in contenders.items()}
        if check and not clocks:
            refuse_different([found.result for found in first.values()])
        turns = [
            {name: pools[name].submit(timed, work, clocks).result() for name, work in contenders.items()}
            for _ in range(rounds)
        ]
    finally:
        for pool in pools.values():
            pool.submit(let_go).result()
            pool.shutdown()
    return pd.DataFrame([summary(name, turns, items) for name in contenders])


def refuse_different(results: Sequence[Any]) -> None:
    """Refuse to compare contenders that do not do the same.

    Raises:
        AssertionError: If their results differ.
    """
    assert all(np.array_equal(result, results[0]) for result in results), "the contenders' results differ"


def summary(name: str, turns: list[dict[str, "Timed"]], items: int) -> dict[str, Any]:
    """Return a contender's row of `compete`."""
    ratios = np.array([turn[BASELINE].seconds / turn[name].seconds for turn in turns])
    return {
        "way": name,
        "ms": 1000 * np.median([turn[name].seconds for turn in turns]) / items,
        "ratio": np.median(ratios),
        "ratio_low": ratios.min(),
        "ratio_high": ratios.max(),
        "peak_mib": turns[-1][name].peak / 2**20,
        "rounds": len(turns),
    }


class Timed(NamedTuple):
    """What a call returned, the seconds it took, and the most memory in bytes until then."""

    result: Any
    seconds: float
    peak: int


def timed(work: Callable[[], Any], clock: bool = False) -> Timed:
    """Call `work` and measure it; with `clock` it returns the seconds itself."""
    start = time.perf_counter()
    result = work()
    return Timed(result, result if clock else time.perf_counter() - start, peak_memory())


def peak_memory() -> int:
    """Return the most memory in bytes that this process has had, and each of its living children beside the libraries.

    Libraries are files that all processes have in memory together; they are counted once.
    """
    children = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    own = _status("self")["VmHWM"]
    return own + sum(status["VmHWM"] - status["RssFile"] for status in map(_status, children))


def in_own_process(work: Callable[[], Any]) -> Timed:
    """Do some work in a process of its own, forked from this one, which has loaded the libraries, and measure it.

    Raises:
        RuntimeError: If it fails.
    """
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(work, sender))
    process.start()
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError as error:
        process.join()
        raise RuntimeError(f"{work} ended with {process.exitcode}") from error
    process.join()
    if isinstance(answer, str):
        raise RuntimeError(f"{work} failed:\n{answer}")
    return answer


def _send(work: Callable[[], Any], sender: Any) -> None:
    start_up()
    try:
        sender.send(timed(work))
    except BaseException:  # whose traceback nobody would see
        sender.send(traceback.format_exc())
    let_go()


def _status(pid: str) -> dict[str, int]:
    """Return what the kernel counts of a process's memory, in bytes by name."""
    lines = (line.split() for line in Path("/proc", pid, "status").read_text().splitlines())
    return {line[0].rstrip(":"): 1024 * int(line[1]) for line in lines if line[-1] == "kB"}


def start_up() -> None:
    """Make a contender's process one that works on one core and says nothing; what it raises is told all the same."""
    one_thread()
    quiet_console()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def let_go() -> None:
    """End joblib's processes, for which a process that is not the main one would wait for ever when it ends itself."""
    get_reusable_executor().shutdown(kill_workers=True)


def one_thread() -> None:
    """Keep every library to one core."""
    cv2.setNumThreads(1)
    blosc2.set_nthreads(1)
    torch.set_num_threads(1)


def machine() -> str:
    """Return the machine in words: its processor, the cores that may be used, and the GPU if there is one."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{(names or [platform.machine()])[0]}, {len(os.sched_getaffinity(0))} cores{gpu}"


def publish(name: str, table: pd.DataFrame, figure: Figure | None = None, **settings: Any) -> None:
    """Write a benchmark's table, with its settings and the machine in every row, and any chart; print the table."""
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    about = settings | {"machine": machine()}
    write_text(OUT / f"{name}.csv", table.assign(**about).to_csv(index=False, float_format="%.4g"))
    if figure is not None:
        write_text(OUT / f"{name}.svg", as_svg(figure))
    print(f"-> {OUT / name}.csv{'' if figure is None else ', .svg'}\n", flush=True)


def exponent(work: Sequence[int], seconds: Sequence[float]) -> float:
    """Return e of seconds ~ start + work^e; NaN where they hardly grow.

    What is more than the least work and its seconds grows without the start: in logarithms a line, of steepness 1
    where e is 1, and hardly less than e where it is more.
    """
    more, longer = np.array(work[1:]) - work[0], np.array(seconds[1:]) - seconds[0]
    if longer[-1] < _LEAST_S or len(more) < 2:
        return float("nan")
    grown = longer > 0
    return float(np.polyfit(np.log(more[grown]), np.log(longer[grown]), 1)[0]) if grown.sum() > 1 else float("nan")


def ratio_chart(table: pd.DataFrame, *, title: str) -> Figure | None:
    """Draw how many times as fast as the baseline each way is, with the extremes of the rounds.

    Of fewer than `FEWEST_BARS` ways there is no chart: the table says it.

    Args:
        table: Rows of `compete`, several cases one under another with the column `case`.
        title: Over the chart.
    """
    rows = table[table["way"] != BASELINE].reset_index(drop=True)
    if len(rows) < FEWEST_BARS:
        return None
    with drawing(height=1.2 + 0.36 * len(rows)) as axes:
        axes.barh(rows.index, rows["ratio"], color=BLUE, height=0.62)
        axes.hlines(rows.index, rows["ratio_low"], rows["ratio_high"], color=ORANGE, lw=2)
        for row in rows.itertuples():
            at = max(row.ratio, row.ratio_high), row.Index
            axes.annotate(f"{row.ratio:.3g}x", at, (5, -4), textcoords="offset points")
        axes.axvline(1, color=GREY, lw=1, ls=":")
        axes.set_yticks(rows.index, [f"{row.case}: {row.way}" for row in rows.itertuples()])
        axes.set_xlim(0, 1.15 * max(rows["ratio_high"].max(), 1))
        axes.invert_yaxis()
        axes.set_xlabel("times the baseline's speed; orange: lowest to highest")
        _entitle(axes.figure, title)
        return axes.figure


def growth_chart(table: pd.DataFrame, *, y: str, title: str, label: str) -> Figure:
    """Draw a small panel a stage over how many times the work there is, and a dotted line that grows with it.

    Args:
        table: With `stage`, `times` and `y`.
        y: The column to draw, 1 where `times` is 1.
        title: Over the chart.
        label: What `y` is.
    """
    stages = list(table.groupby("stage", sort=False))
    height = 1.0 + 1.5 * math.ceil(len(stages) / PANELS_A_ROW)
    with drawing(height=height) as first:
        figure = first.figure
        figure.clear()
        shape = math.ceil(len(stages) / PANELS_A_ROW), PANELS_A_ROW
        panels = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).flatten()
        for panel, (name, rows) in zip(panels, stages, strict=False):
            _growth_panel(panel, str(name), rows["times"], rows[y])
        for panel in panels[len(stages) :]:
            panel.set_visible(False)
        for panel in panels[max(len(stages) - PANELS_A_ROW, 0) : len(stages)]:
            panel.tick_params(labelbottom=True)  # nothing is below it
        figure.supxlabel("times the work; dotted: in proportion to it", fontsize=10, color=GREY)
        figure.supylabel(label, fontsize=10, color=GREY)
        _entitle(figure, title)
        return figure


def _growth_panel(axes: Axes, name: str, times: pd.Series, values: pd.Series) -> None:
    """Draw one stage's line, and say where it ends."""
    axes.plot(times, times, ":", color=GREY, lw=1.2)
    axes.plot(times, values, "o-", ms=3.5, lw=1.8, color=BLUE)
    end = times.iloc[-1], values.iloc[-1]
    above = end[1] < 0.8 * end[0]
    axes.annotate(f"{end[1]:.2g}", end, (2, 5 if above else -17), textcoords="offset points", ha="right", fontsize=9)
    axes.set_title(name, fontsize=9.5, pad=4)
    axes.set_xticks(times)
    axes.set_yticks(times)
    axes.set_ylim(0, 1.1 * times.max())
    axes.tick_params(labelsize=8)
    axes.grid(color=PALE)
    axes.set_axisbelow(True)


def _entitle(figure: Figure, title: str) -> None:
    """Write the title over the whole figure, which is made wide enough for long labels."""
    figure.set_size_inches(7.2, figure.get_figheight())
    figure.suptitle(title, x=0.01, ha="left", fontsize=11.5, fontweight="bold")
