"""docs/metrics.md has the metrics that there are, and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from mesh.serving.call_metrics import CallMetrics
from mesh.stacks.metrics import StackMetrics
from mesh.xds.discovery_metrics import DiscoveryMetrics

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/metrics.md").read_text()
ROW = re.compile(r"^\| `(pagesim_\w+)` \| (\w+) \|(.*?)\| (.+) \|$", re.MULTILINE)
PACKAGES = ("mesh", "timetravel", "services", "worlds", "experiments")
KINDS = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}

Row = tuple[str, str, tuple[str, ...], str]


def described() -> set[Row]:
    return {
        (name, kind, tuple(re.findall(r"`(\w+)`", labels)), what)
        for name, kind, labels, what in ROW.findall(PAGE)
    }


def collected() -> set[Row]:
    registry = CollectorRegistry()
    CallMetrics(registry, labelled_stacks=1)
    StackMetrics(registry)
    DiscoveryMetrics(registry)
    found = set()
    for metric in registry._collector_to_names:
        assert isinstance(metric, MetricWrapperBase)
        (family,) = metric.describe()
        suffix = "_total" if family.type == "counter" else ""
        labels = tuple(metric._labelnames)
        found.add((family.name + suffix, family.type, labels, family.documentation))
    return found


def named_in_code() -> set[str]:
    """Return the first argument of everything that makes a metric."""
    return {
        str(node.args[0].value)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in KINDS
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and str(node.args[0].value).startswith("pagesim_")
    }


def test_the_page_describes_each_metric_as_it_is() -> None:
    assert described() == collected()


def test_no_metric_is_made_that_the_page_does_not_know() -> None:
    assert named_in_code() == {name.removesuffix("_total") for name, *_ in described()}
