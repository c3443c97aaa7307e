"""Measures whole experiments, from scope to report: python -m benchmarks.experiment.

    python -m benchmarks.experiment [--pages N ...] [--directory FOLDER]

A synthetic service of 5,000 titles is lived forward once and kept in the folder. As its members
do not visit often enough for a million pages, more of their pages are then made in process, 22
members at each moment, and logged as if shown. Experiments of three variants draw from these.

Each runs in a process of its own. CPU is that of the run and of all processes it started,
wall time that of each stage; memory is the most that any one process held.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from experiments.generation.stored_pages import open_table
from experiments.notifications import Notifications, Notifier, Persistence
from experiments.runs.measurement import measure_all
from experiments.runs.run_record import read_record
from experiments.runs.runner import run_experiment
from experiments.spec.loading import load_spec
from services.in_process import InProcessAssembler
from services.page.encoding import encode_pages
from services.page.model import PageRequests
from timetravel.facts.model import LoggedPageFact
from timetravel.segments.directory import SegmentDirectory
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.generation.segments import Advance

VIDEOS, PROFILES, DAYS = 5_000, 2_000, 12
VARIANTS = 3
MEMBERS_PER_MOMENT = 22
BATCH_PAGES = 512
BATCHES_PER_TRANSACTION = 16
DEVICES = ("tv", "phone", "web")
SIZES = (10_000, 100_000, 1_000_000)
DAY_MICROS = 86_400_000_000
_MEGABYTE = 1 << 20
_LOOK_SECONDS = 0.5
_SAMPLE_PAGES = 20 * BATCH_PAGES

EXPERIMENT = """\
experiment: benchmark
seed: 7
scope: {{source: logged_pages, profiles: {profiles}, pages_per_profile: {pages_per_profile}}}
slices: {slices}
variants:
  - name: control
  - name: popular-first
    configuration: {{ranking: {{model: popularity}}}}
  - name: diverse-rows
    configuration: {{row_selection: {{policy: greedy}}}}
"""


@dataclass
class Stage:
    """What a stage took: wall time, and CPU by process, in seconds."""

    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a run took.

    Attributes:
        pages: Pages made, of all variants.
        seconds: From the experiment file to the report.
        stages: By name, in order.
        peak_bytes: The most memory of each process.
        in_process_us: CPU of one of these pages when made in process, without a mesh.
        measuring_cpu_seconds: CPU of measuring all of these pages again, by itself.
        measuring_seconds: How long that takes.
    """

    pages: int
    seconds: float
    stages: dict[str, Stage]
    peak_bytes: dict[str, int]
    in_process_us: float
    measuring_cpu_seconds: float
    measuring_seconds: float


def main() -> None:
    """Prepare the store unless it is there, run the experiments, print what they took."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.experiment", description="Measure whole experiments."
    )
    parser.add_argument("--pages", type=int, nargs="+", default=SIZES, help="of all variants")
    parser.add_argument("--directory", type=Path, default=Path("build/bench-experiment"))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(asdict(measure(given.directory, given.pages[0]))))
        return
    prepare(given.directory, max(given.pages) // VARIANTS + 1)
    for pages in given.pages:
        command = [sys.executable, "-m", "benchmarks.experiment", "--one"]
        command += ["--pages", str(pages), "--directory", str(given.directory)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(render(json.loads(done.stdout.splitlines()[-1])), flush=True)


def prepare(directory: Path, pages: int) -> None:
    """Live a world forward, and log so many pages; what is there already is kept."""
    directory.mkdir(parents=True, exist_ok=True)
    world, url = directory / "world", store_url(directory)
    pagesim = [sys.executable, "-m", "experiments.cli"]
    if not world.exists():
        size = ["--videos", VIDEOS, "--profiles", PROFILES, "--days", DAYS]
        generate = ["world", "generate", "--world", world, *size]
        subprocess.run([*pagesim, *map(str, generate)], check=True)
    subprocess.run([*pagesim, "db", "upgrade", "--store", url], check=True)
    with Store.open(url) as store:
        if store.count_logged_pages() >= pages:
            return
        live = ["world", "live", "--world", str(world), "--store", url]
        subprocess.run([*pagesim, *live], check=True)
        missing = pages - store.count_logged_pages()
        if missing > 0:
            log_pages(store, missing)


def log_pages(store: Store, count: int) -> None:
    """Make pages at moments when nobody was shown one, and log them."""
    random = Random(7)  # noqa: S311 - a draw, not a secret
    shown = store.shown_pages(snapshot=store.snapshot())
    moments_shown, shown_to = shown.shown_at.tolist(), shown.profile_ids.tolist()
    quarter = len(shown) // 4
    first, last = moments_shown[quarter], moments_shown[-1]
    known = sorted(set(shown_to[:quarter]))
    taken = set(zip(moments_shown, shown_to, strict=True))
    moments = count // MEMBERS_PER_MOMENT + 1
    step = (last - first) // moments
    asked = [
        (profile_id, first + number * step, random.choice(DEVICES))
        for number in range(moments)
        for profile_id in sorted(random.sample(known, MEMBERS_PER_MOMENT))
    ]
    asked = [key for key in asked if (key[1], key[0]) not in taken][:count]
    assembler = InProcessAssembler(SegmentReader(store.segment(store.snapshot())))
    per_transaction = BATCH_PAGES * BATCHES_PER_TRANSACTION
    for start in range(0, len(asked), per_transaction):
        facts = [
            fact
            for begin in range(start, min(start + per_transaction, len(asked)), BATCH_PAGES)
            for fact in make_facts(assembler, asked[begin : begin + BATCH_PAGES])
        ]
        with store.begin(asked[start][1]) as writer:
            writer.append(facts, source="benchmark", synthetic=True)
        print(f"Logged {start + len(facts):,} of {len(asked):,} pages", file=sys.stderr)


def make_facts(
    assembler: InProcessAssembler, asked: list[tuple[int, int, str]]
) -> list[LoggedPageFact]:
    """Return pages as they are logged."""
    pages = assembler.assemble(PageRequests.of(asked))
    if pages.failures:
        raise SystemExit(f"A page failed: {pages.failures[0].message}")
    columns = encode_pages(
        pages.requests,
        [geometry for geometry in pages.geometries if geometry is not None],
        pages.row_counts,
        pages.labels,
        pages.row_indexes,
        pages.row_scores,
        pages.video_counts,
        pages.video_ids,
        pages.scores,
    )
    facts = []
    for (profile_id, moment, device), page, digest in zip(
        asked, columns, pages.digests, strict=True
    ):
        if hashlib.sha256(page).hexdigest() != digest:
            raise SystemExit("The bytes of a page are not those of its digest.")
        facts.append(LoggedPageFact(profile_id, moment, moment, device, {}, page, digest, ()))
    return facts


def store_url(directory: Path) -> str:
    """Return where the lived store is."""
    return f"sqlite:///{directory.resolve() / 'store.db'}"


def measure(directory: Path, pages: int) -> Outcome:
    """Run one experiment, and return what it took."""
    per_variant = pages // VARIANTS
    output = directory / f"run-{pages}"
    shutil.rmtree(output, ignore_errors=True)
    with Store.open(store_url(directory)) as store:
        shown = store.shown_pages(snapshot=store.snapshot())
    _, own = np.unique(shown.profile_ids, return_counts=True)
    pages_per_profile = 1
    while np.minimum(own, pages_per_profile).sum() < min(per_variant, len(shown)):
        pages_per_profile += 1
    text = EXPERIMENT.format(
        profiles=len(own),
        pages_per_profile=pages_per_profile,
        slices=max(pages // 125_000, 1),
    )
    file = directory / f"experiment-{pages}.yaml"
    file.write_text(text, encoding="utf-8")
    watch = Watch()
    began = time.monotonic()
    run_experiment(
        load_spec(file),
        store_url(directory),
        output,
        segments=directory / "segments",
        now=lambda: datetime.now(UTC),
        progress=watch.progress,
        notifier=Notifier(
            Notifications(), {}, Persistence(), clock=time.monotonic, wait=threading.Event.wait
        ),
    )
    seconds = time.monotonic() - began
    watch.stop()
    made = open_table(output, "pages").to_table(columns=["profile_id", "as_of", "variant"])
    return Outcome(
        len(made),
        seconds,
        watch.stages,
        watch.peak_bytes,
        make_in_process(directory, output),
        *measure_by_itself(directory, output),
    )


def measure_by_itself(directory: Path, run: Path) -> tuple[float, float]:
    """Measure the pages of a run again; return CPU and wall time, in seconds."""
    record = read_record(run)
    with Store.open(store_url(directory)) as store:
        segments = SegmentDirectory(directory / "segments")
        reader = SegmentReader(store.segment(record.snapshot, directory=segments))
        began, began_cpu = time.monotonic(), time.process_time()
        measure_all(record.describe(run).measured, store, reader, progress=_show_nothing)
        return time.process_time() - began_cpu, time.monotonic() - began


def make_in_process(directory: Path, run: Path) -> float:
    """Return the CPU of a page of control in process, in microseconds."""
    snapshot = json.loads((run / "run.json").read_text(encoding="utf-8"))["snapshot"]
    table = open_table(run, "pages").head(
        _SAMPLE_PAGES, columns=["profile_id", "as_of", "device"]
    )
    asked = list(
        zip(
            table["profile_id"].to_pylist(),
            [moment.value for moment in table["as_of"]],
            table["device"].to_pylist(),
            strict=True,
        )
    )
    with Store.open(store_url(directory)) as store:
        segments = SegmentDirectory(directory / "segments")
        assembler = InProcessAssembler(
            SegmentReader(store.segment(snapshot, directory=segments))
        )
        assembler.assemble(PageRequests.of(asked[:BATCH_PAGES]))
        began = time.process_time()
        for first in range(BATCH_PAGES, len(asked), BATCH_PAGES):
            assembler.assemble(PageRequests.of(asked[first : first + BATCH_PAGES]))
        made = max(len(asked) - BATCH_PAGES, 1)
        return 1e6 * (time.process_time() - began) / made


class Watch:
    """Watch this process and all below it: CPU of each stage, and memory."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {}
        self.peak_bytes: dict[str, int] = {}
        self._cpu: dict[int, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_often, daemon=True)
        self._thread.start()

    @contextmanager
    def progress(self, description: str, total: int | None = None, /) -> Iterator[Advance]:
        """Measure a stage of the run."""
        del total
        before, began = self._look(), time.monotonic()
        yield _ignore
        stage = self.stages.setdefault(description, Stage())
        stage.seconds += time.monotonic() - began
        for name, cpu in self._look().items():
            stage.cpu[name] = stage.cpu.get(name, 0.0) + cpu - before.get(name, 0.0)

    def stop(self) -> None:
        """End watching."""
        self._over.set()
        self._thread.join()

    def _look_often(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> dict[str, float]:
        """Return the CPU seconds so far, by what a process is."""
        own = psutil.Process()
        with self._lock:
            for process in (own, *own.children(recursive=True)):
                try:
                    name = "run" if process == own else _name(process)
                    times, memory = process.cpu_times(), process.memory_info()
                except psutil.Error:
                    continue
                self._cpu[process.pid] = name, times.user + times.system
                # The store's file is mapped: what is read of it is the system's cache.
                own_bytes = memory.rss - memory.shared
                self.peak_bytes[name] = max(self.peak_bytes.get(name, 0), own_bytes)
            seconds: dict[str, float] = {}
            for name, cpu in self._cpu.values():
                seconds[name] = seconds.get(name, 0.0) + cpu
            return seconds


@contextmanager
def _show_nothing(_description: str, _total: int | None = None, /) -> Iterator[Advance]:
    yield _ignore


def _ignore(amount: int = 1, /, *, description: str | None = None) -> None:
    del amount, description


def _name(process: psutil.Process) -> str:
    """Return what a process is: "envoy", a service's name, or "mesh"."""
    command = process.cmdline()
    if command and Path(command[0]).name.startswith("envoy"):
        return "envoy"
    for part in command:
        for package in ("services.", "timetravel"):
            if part.startswith(package):
                return part.removeprefix("services.").removesuffix(".__main__")
    return "mesh"


def render(outcome: dict[str, Any]) -> str:
    """Return what a run took, for people."""
    pages, total = outcome["pages"], outcome["seconds"]
    stages = outcome["stages"]
    making = stages["Making pages"]
    lines = [
        f"{pages:,} pages of {VARIANTS} variants: {total:.1f} s, {pages / total:,.0f} pages/s",
        "  stage                                 wall s   share   CPU us/page",
    ]
    for name, stage in stages.items():
        cpu = 1e6 * sum(stage["cpu"].values()) / pages
        seconds = stage["seconds"]
        lines.append(f"  {name:<36} {seconds:>7.1f} {seconds / total:>7.1%} {cpu:>13.1f}")
    lines.append(f"  while making pages, {pages / making['seconds']:,.0f} pages/s:")
    for name, cpu in sorted(making["cpu"].items(), key=lambda one: -one[1]):
        lines.append(f"    {name:<34} CPU us/page {1e6 * cpu / pages:>20.1f}")
    # Slices are measured while later ones are made: what that takes is not the pages'.
    measuring, after_pages = outcome["measuring_cpu_seconds"], stages["Measuring pages"]
    own = sum(making["cpu"].values()) + sum(after_pages["cpu"].values()) - measuring
    through = 1e6 * own / pages
    lines.append(
        f"    a page in process takes {outcome['in_process_us']:.0f} us: "
        f"{through - outcome['in_process_us']:.0f} us are Envoy, gRPC, serialisation, writing"
    )
    lines.append(
        f"  measuring takes {measuring:.1f} s of CPU, {measuring / own:.1%} of that of pages; "
        f"by itself {outcome['measuring_seconds']:.1f} s; "
        f"{after_pages['seconds']:.1f} s after the last page"
    )
    name, peak = max(outcome["peak_bytes"].items(), key=lambda one: one[1])
    lines.append(f"  largest process: {name}, {peak / _MEGABYTE:,.0f} MB")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
