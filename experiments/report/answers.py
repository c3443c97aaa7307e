"""The findings of an experiment in sentences: what changed, by how much, how certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.metrics.definitions.definition import Family
from experiments.report.figures import (
    format_difference,
    format_half_width,
    format_interval,
    format_value,
)
from experiments.report.findings import Verdict
from experiments.report.lines import ROW_SHARE
from experiments.report.wording import CLEAR, VERDICTS, join_names

if TYPE_CHECKING:
    from experiments.report.findings import Findings, Result

_SAFEGUARDS = {
    "unlicensed_videos": "titles without a licence",
    "overmature_videos": "titles above the member's maturity limit",
}
"""What no page may show, whatever it gains."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Name one clear difference."""

    verdict: str
    sign: str
    saying: str
    title: str
    before: str
    after: str
    difference: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Say what one treatment does.

    `verdict` is about what members played next; `clear` holds the clear differences in what
    is on the pages, `broken` what the pages show that none may show.
    """

    treatment: str
    verdict: Verdict
    sign: str
    sentence: str
    changed: str
    clear: tuple[Mention, ...]
    broken: tuple[str, ...]


def answer_all(findings: Findings) -> list[Answer]:
    """Return the answer of each treatment."""
    return [answer(findings, treatment) for treatment in findings.treatments]


def answer(findings: Findings, treatment: str) -> Answer:
    """Return what one treatment does."""
    played = findings.of_family(Family.RECALL, treatment)
    verdict = _verdict_of(played)
    shown = findings.of_family(Family.COMPOSITION, treatment)
    return Answer(
        treatment=treatment,
        verdict=verdict,
        sign=VERDICTS[verdict][0],
        sentence=_sentence(played, verdict),
        changed=_changed(findings, treatment),
        clear=tuple(
            mention(result)
            for result in shown
            if result.verdict in CLEAR and not result.metric.name.startswith(ROW_SHARE)
        ),
        broken=tuple(
            f"{format_value(result.mean, result.metric.unit)} "
            f"{_SAFEGUARDS[result.metric.name]} a page"
            for result in shown
            if result.metric.name in _SAFEGUARDS and result.mean > 0
        ),
    )


def mention(result: Result) -> Mention:
    """Return a difference in words."""
    unit = result.metric.unit
    sign, saying = VERDICTS[result.verdict]
    return Mention(
        verdict=result.verdict.value,
        sign=sign,
        saying=saying,
        title=result.metric.title,
        before=format_value(result.reference_mean, unit),
        after=format_value(result.mean, unit),
        difference=_with_half_width(result),
    )


def make_headline(findings: Findings) -> str:
    """Return what the experiment found, in a sentence or two."""
    return " ".join((*_describe_played(findings), *_describe_shown(findings)))


def _describe_played(findings: Findings) -> list[str]:
    verdicts = {
        treatment: _verdict_of(findings.of_family(Family.RECALL, treatment))
        for treatment in findings.treatments
    }

    def having(verdict: Verdict) -> list[str]:
        return [name for name, own in verdicts.items() if own is verdict]

    if len(having(Verdict.UNTESTED)) == len(verdicts):
        return ["Too little was played after these pages to tell which are better."]
    about = "at showing what members played next"
    told = []
    for verdict, word in ((Verdict.BETTER, "better"), (Verdict.WORSE, "worse")):
        if names := having(verdict):
            told.append(
                f"{join_names(names)} {_is(names)} clearly {word} than {findings.control} "
                f"{about}."
            )
    if names := having(Verdict.DIFFERENT):
        told.append(
            f"{join_names(names)} {_is(names)} by some measures better {about}, and by others "
            "worse."
        )
    rest = [*having(Verdict.UNCLEAR), *having(Verdict.SAME), *having(Verdict.UNTESTED)]
    if rest and told:
        who = rest[0] if len(rest) == 1 else f"The other {len(rest)}"
        told.append(f"{who} {_is(rest)} not clearly either.")
    elif rest:
        subject = f"{rest[0]} is not" if len(rest) == 1 else "No treatment is"
        told.append(f"{subject} clearly better or worse than {findings.control} {about}.")
    return told


def _describe_shown(findings: Findings) -> list[str]:
    changing = [given.treatment for given in answer_all(findings) if given.clear]
    if not changing:
        return ["What is on the pages does not clearly change."]
    count = len(findings.treatments)
    if len(changing) == 1:
        return [f"{changing[0]} clearly changes what is on the pages."]
    if len(changing) == count:
        return ["Each clearly changes what is on the pages."]
    return [f"{len(changing)} of {count} treatments clearly change what is on the pages."]


def _verdict_of(played: tuple[Result, ...]) -> Verdict:
    """Return what differences amount to together; DIFFERENT stands for mixed."""
    found = {result.verdict for result in played}
    if {Verdict.BETTER, Verdict.WORSE} <= found:
        return Verdict.DIFFERENT
    for verdict in (Verdict.BETTER, Verdict.WORSE, Verdict.UNCLEAR, Verdict.SAME):
        if verdict in found:
            return verdict
    return Verdict.UNTESTED


def _sentence(played: tuple[Result, ...], verdict: Verdict) -> str:
    if verdict is Verdict.UNTESTED:
        return "Too little was played next to compare."
    if verdict is Verdict.SAME:
        return "What members played next stands where it stood, on every page."
    clear = [result for result in played if result.verdict in CLEAR]
    if clear:
        told = ", ".join(
            f"{VERDICTS[result.verdict][0]} {result.metric.title} {_with_half_width(result)}"
            for result in clear
        )
        word = {Verdict.BETTER: "Clearly better", Verdict.WORSE: "Clearly worse"}.get(
            verdict, "Better and worse"
        )
        return f"{word} at showing what members played next: {told}."
    first = next(result for result in played if result.verdict is Verdict.UNCLEAR)
    unit = first.metric.unit
    return (
        f"No clear difference in what members played next. {first.metric.title}: "
        f"{format_difference(first.difference, unit, first.half_width)}; these pages allow "
        f"for anything from {format_interval(first.ci_low, first.ci_high, unit)}."
    )


def _changed(findings: Findings, treatment: str) -> str:
    changed = findings.of_treatment("changed_pages", treatment)
    return "" if changed is None else format_value(changed.mean, changed.metric.unit)


def _with_half_width(result: Result) -> str:
    unit, half_width = result.metric.unit, result.half_width
    text = format_difference(result.difference, unit, half_width)
    return text if half_width is None else f"{text} {format_half_width(half_width, unit)}"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
