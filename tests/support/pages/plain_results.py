"""Plain results of experiments, to read as a report reads those of a run."""

from __future__ import annotations

from experiments.metrics.definitions.definition import LOGGED
from experiments.metrics.definitions.registry import METRICS
from experiments.report.findings import Findings, Result

CONTROL = "control"


def result(
    metric: str,
    variant: str,
    mean: float,
    difference: float | None = None,
    half_width: float | None = None,
    *,
    reference: str | None = CONTROL,
    stratum: str = "all",
    pages: int = 200,
    profiles: int = 100,
    p_adjusted: float | None = None,
    spread: float | None = None,
) -> Result:
    """Return one result; without a half width the difference was not tested."""
    low = high = None
    if difference is not None and half_width is not None:
        low, high = difference - half_width, difference + half_width
    return Result(
        metric=next(known for known in METRICS if known.name == metric),
        variant=variant,
        reference=reference,
        stratum=stratum,
        pages=pages,
        profiles=profiles,
        mean=mean,
        mean_low=None if spread is None else mean - spread,
        mean_high=None if spread is None else mean + spread,
        reference_mean=None if difference is None else mean - difference,
        difference=difference,
        relative=None,
        ci_low=low,
        ci_high=high,
        p_value=p_adjusted,
        p_adjusted=p_adjusted,
    )


def better(metric: str, variant: str, stratum: str = "all") -> Result:
    """Return a clear difference upwards."""
    return result(metric, variant, 0.5, 0.1, 0.02, p_adjusted=0.001, stratum=stratum)


def worse(metric: str, variant: str, stratum: str = "all") -> Result:
    """Return a clear difference downwards."""
    return result(metric, variant, 0.3, -0.1, 0.02, p_adjusted=0.001, stratum=stratum)


def unclear(
    metric: str,
    variant: str,
    stratum: str = "all",
    *,
    half_width: float = 0.03,
    pages: int = 200,
    profiles: int = 100,
) -> Result:
    """Return a difference that may be chance."""
    return result(
        metric,
        variant,
        0.41,
        0.01,
        half_width,
        p_adjusted=0.6,
        stratum=stratum,
        pages=pages,
        profiles=profiles,
    )


def fidelity(mean: float, *, pages: int = 200) -> Result:
    """Return in how many pages control equals the logged ones, as a share."""
    return result("identical_pages", CONTROL, mean, reference=LOGGED, pages=pages)


def findings_of(*results: Result) -> Findings:
    """Return findings of control and whoever has results."""
    names = dict.fromkeys(own.variant for own in results)
    names.pop(CONTROL, None)
    return Findings((CONTROL, *names), results)
