"""Formats of moments: the directives of strptime, read without a guess.

strptime itself fills in what a format leaves open (1900, January, before noon), drops the
names of zones, and shifts digits that are written without leading zeros.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn
from zoneinfo import ZoneInfo, available_timezones

from core.errors import InvalidInput
from core.moments import OFFSET_PATTERN, UTC_NAMES, parse_fraction, parse_offset
from timetravel.errors import InvalidFact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_WIDTHS: Final[Mapping[str, tuple[int, int]]] = {
    "Y": (4, 4),
    "G": (4, 4),
    "y": (2, 2),
    **dict.fromkeys("mdHIMSUWV", (1, 2)),
    "j": (1, 3),
    "f": (1, 9),
    "u": (1, 1),
    "w": (1, 1),
}
"""Fewest and most digits of the numeric directives."""
_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "a": [name[:3] for name in _DAYS],
    "A": _DAYS,
    "b": [name[:3] for name in _MONTHS],
    "B": _MONTHS,
    "p": ["AM", "PM"],
}
_ZONES: Final[Mapping[str, str]] = {"z": f"Z|{OFFSET_PATTERN}", "Z": "[A-Z]{1,6}"}
_LANGUAGE_BOUND: Final = frozenset("cxX")
_MICROSECOND_DIGITS: Final = 6
_FIRST_YEAR_OF_1900: Final = 69
_NOON: Final = 12
_SUNDAY: Final = 7
_UTC_WORDS: Final = UTC_NAMES | {"UT", "UCT", "UNIVERSAL", "ZULU"}
_CLOCKS: Final[Mapping[str, frozenset[str]]] = {
    f"{letter}T": frozenset({f"{letter}ST", f"{letter}DT"}) for letter in "ECMP"
}
"""What clocks in North America are called in winter and summer, by a name for both."""
_ZONE_NAME: Final = re.compile(r"[A-Z_]+(?:/[A-Z_-]+)+|\b[A-Z]{4,}\b")
_LITERAL_OFFSET: Final = re.compile(r"[-+\u2212][0-9]")
_TOKENS: Final = re.compile(
    r"%(?P<directive>.)|(?P<space>\s+)|(?P<word>[A-Za-z]+)|(?P<other>.)"
)
_EXAMPLE: Final = "Write e.g. '%Y-%m-%d %H:%M:%S'."


class _Token(NamedTuple):
    kind: str
    text: str

    def is_digits(self, *, at_its_end: bool) -> bool:
        """Return whether digits stand here, which run on into those of a neighbour."""
        if self.kind == "directive":
            return self.text in _WIDTHS
        return self.text[-1 if at_its_end else 0].isdigit()


class MomentFormat:
    """How texts of moments are written, in the directives of Python's strptime.

    Args:
        text: The format.

    Raises:
        InvalidInput: It does not determine a moment, or has a directive that is not read.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        tokens = list(_tokenise(text))
        directives = [token.text for token in tokens if token.kind == "directive"]
        _check_directives(directives)
        self._directives = frozenset(directives) - {"%"}
        _check_date(self._directives)
        _check_time(self._directives)
        _check_literals(tokens)
        self.zone_name = _find_zone_name(tokens)
        """Key of the zone that the format names, e.g. Europe/Paris; None if it names none."""
        self._zone_word = None if self.zone_name else _find_zone_word(tokens)
        if self._zone_word is not None and self._directives & {"z", "Z"}:
            _refuse("It names two zones.", "Keep one of them.")
        self._offset_follows_name = "%Z%z" in text
        self._pattern = re.compile(
            "".join(_patterns(tokens)),
            re.IGNORECASE | re.ASCII if text.isascii() else re.IGNORECASE,
        )

    def read(self, text: str, zone: ZoneInfo | None) -> datetime:
        """Return the moment of a text; aware if the text, or the format, names a zone.

        Args:
            text: It.
            zone: Whose abbreviations may name it, e.g. CET of Europe/Berlin.

        Raises:
            InvalidFact: The text is written otherwise, contradicts itself, or names a zone
                that is not known to be meant.
        """
        found = self._pattern.fullmatch(text)
        if found is None:
            raise InvalidFact(
                f"This is not written as {self._text}.",
                remedy="Fix it, or the format in the mapping.",
            )
        values = found.groupdict()
        try:
            day = self._read_date(values)
            moment = datetime(  # noqa: DTZ001 - its zone, if any, is placed below
                day.year,
                day.month,
                day.day,
                _read_hour(values),
                int(values.get("M") or 0),
                int(values.get("S") or 0),
                parse_fraction(values.get("f") or ""),
            )
            if values.get("z"):
                moment = moment.replace(tzinfo=parse_offset(values["z"]))
        except InvalidInput as error:
            raise InvalidFact(error.problem, remedy=error.remedy) from None
        except ValueError:
            raise InvalidFact(
                "This is not a moment.", remedy="Fix it, or the format in the mapping."
            ) from None
        name = values.get("Z") or self._zone_word
        named = moment if name is None else self._name_zone(moment, name.upper(), zone)
        self._check_zone_name(named)
        return named

    def _check_zone_name(self, moment: datetime) -> None:
        if self.zone_name is None or moment.tzinfo is None:
            return
        if moment.utcoffset() != moment.astimezone(ZoneInfo(self.zone_name)).utcoffset():
            raise InvalidFact(
                f"This is not the time of {self.zone_name} then, which the format names.",
                remedy="Keep one of them.",
            )

    def _read_date(self, values: Mapping[str, str]) -> date:
        weekday = _read_weekday(values)
        if "G" in values:
            return date.fromisocalendar(int(values["G"]), int(values["V"]), _day_of(weekday))
        year = int(values["Y"]) if "Y" in values else _expand_year(int(values["y"]))
        if "d" in values:
            day = date(year, _read_month(values), int(values["d"]))
        elif "j" in values:
            day = date(year, 1, 1) + timedelta(days=int(values["j"]) - 1)
        else:
            week = "U" if "U" in values else "W"
            day = datetime.strptime(  # noqa: DTZ007 - only its date is taken
                f"{year} {values[week]} {_day_of(weekday)}", f"%Y %{week} %u"
            ).date()
        if day.year != year or weekday not in {None, day.isoweekday()}:
            raise ValueError(values)
        return day

    def _name_zone(self, moment: datetime, name: str, zone: ZoneInfo | None) -> datetime:
        if moment.tzinfo is not None:
            if name in _UTC_WORDS and moment.utcoffset() and not self._offset_follows_name:
                raise InvalidFact(
                    f"This names the zone {name} and another offset.",
                    remedy="Keep one of them.",
                )
            return moment
        if name in _UTC_WORDS:
            return moment.replace(tzinfo=UTC)
        if zone is None:
            raise InvalidFact(
                f"This names the zone {name}, which may be several.",
                remedy="Give UTC or an offset, or say in the mapping whose it is, e.g. "
                "time_zone: Europe/Berlin.",
            )
        meant = [
            placed
            for fold in (0, 1)
            for placed in [moment.replace(tzinfo=zone, fold=fold)]
            if str(placed.tzname()).upper() in _CLOCKS.get(name, {name})
            and placed.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment
        ]
        if len({placed.utcoffset() for placed in meant}) != 1:
            raise InvalidFact(
                f"This names the zone {name}, which is not the time of {zone.key} then.",
                remedy="Give UTC or an offset, or fix time_zone in the mapping.",
            )
        return meant[0]


def _tokenise(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        found = _TOKENS.match(text, place)
        if found is None:
            _refuse("A % stands at its end.", "Write %% for a percent sign.")
        place = found.end()
        kind = str(found.lastgroup)
        if kind == "other" and found[0] == "%":
            _refuse("A % stands at its end.", "Write %% for a percent sign.")
        yield _Token(kind, found["directive"] if kind == "directive" else found[0])


def _check_directives(directives: Sequence[str]) -> None:
    for directive in directives:
        if directive in _LANGUAGE_BOUND:
            _refuse(f"%{directive} depends on the language of a machine.", _EXAMPLE)
        if directive not in {*_WIDTHS, *_NAMES, *_ZONES, "%"}:
            _refuse(f"%{directive} is not a directive that is read.", _EXAMPLE)
        if directive != "%" and directives.count(directive) > 1:
            _refuse(f"It has %{directive} twice.", "Keep one of them.")


def _check_date(has: AbstractSet[str]) -> None:
    weekdays = has & set("aAuw")
    by_date = has & set("mbBd")
    weeks = has & set("UWV")
    if "G" in has or "V" in has:
        if not {"G", "V"} <= has or len(weekdays) != 1 or has & set("YyUWjmbBd"):
            _refuse(
                "A week of ISO 8601 is %G, %V and a day of the week (%u, %a or %A), and no "
                "more.",
                _EXAMPLE,
            )
        return
    if len(has & set("Yy")) != 1:
        _refuse("It does not name a year, once.", "Give %Y.")
    if weeks:
        if len(weeks) > 1 or len(weekdays) != 1 or by_date or "j" in has:
            _refuse(
                "A week (%U or %W) needs a day of the week (%u, %w, %a or %A), and no other "
                "day.",
                _EXAMPLE,
            )
        return
    if "j" in has:
        if by_date:
            _refuse("It names the day twice.", "Keep %j, or month and day.")
    elif len(has & set("mbB")) != 1 or "d" not in has:
        _refuse("It does not name a month and a day, each once.", "Give %m and %d.")
    if len(weekdays) > 1:
        _refuse("It names the day of the week twice.", "Keep one of them.")


def _check_time(has: AbstractSet[str]) -> None:
    if {"H", "I"} <= has:
        _refuse("It names the hour twice.", "Keep %H, or %I and %p.")
    if ("I" in has) != ("p" in has):
        _refuse("%I and %p need each other.", "Give both, or %H.")
    for smaller, larger in (("M", "HI"), ("S", "M"), ("f", "S")):
        if smaller in has and not has & set(larger):
            _refuse(f"%{smaller} needs {' or '.join(f'%{one}' for one in larger)}.", _EXAMPLE)


def _check_literals(tokens: Sequence[_Token]) -> None:
    if _LITERAL_OFFSET.search(_literals(tokens)):
        _refuse("It holds an offset, which would not be read.", "Write %z in its place.")


def _find_zone_name(tokens: Sequence[_Token]) -> str | None:
    words = set(_ZONE_NAME.findall(_literals(tokens).upper())) - _UTC_WORDS
    found = [_zone_names()[word] for word in words if word in _zone_names()]
    if len(found) > 1:
        _refuse("It names two zones.", "Keep one of them.")
    return found[0] if found else None


def _literals(tokens: Sequence[_Token]) -> str:
    """Return what is not a directive; a null stands for each of these."""
    return "".join("\0" if token.kind == "directive" else token.text for token in tokens)


def _find_zone_word(tokens: Sequence[_Token]) -> str | None:
    found: list[str] = []
    for token, after in pairwise([*tokens, _Token("end", "\n")]):
        if token.kind != "word":
            continue
        name = token.text.upper()
        if name in _UTC_WORDS:
            if after == ("directive", "z"):
                continue
            if after.text in {"+", "-"}:
                _refuse("It holds an offset.", "Write %z in its place.")
            found.append(name)
        elif name in _abbreviations() or token.text in _CLOCKS:
            found.append(name)
    if len(found) > 1:
        _refuse("It names two zones.", "Keep one of them.")
    return found[0] if found else None


@cache
def _zone_names() -> Mapping[str, str]:
    return {name.upper(): name for name in available_timezones()}


@cache
def _abbreviations() -> frozenset[str]:
    """Return what the clocks of the world are called, e.g. CET."""
    months = [datetime(year, month, 1) for year in (1995, 2010, 2024) for month in (1, 7)]  # noqa: DTZ001 - placed below
    names = {
        month.replace(tzinfo=ZoneInfo(zone)).tzname()
        for zone in available_timezones()
        for month in months
    }
    return frozenset(name.upper() for name in names if name is not None and name.isalpha())


def _patterns(tokens: Sequence[_Token]) -> Iterator[str]:
    ends = _Token("end", "\n")
    for before, token, after in zip([ends, *tokens], tokens, [*tokens[1:], ends], strict=False):
        if token.kind == "space":
            yield r"\s+"
        elif token.kind != "directive" or token.text == "%":
            yield re.escape(token.text)
        elif token.text in _WIDTHS:
            least, most = _WIDTHS[token.text]
            follows = before.is_digits(at_its_end=True)
            is_followed = after.is_digits(at_its_end=False)
            if token.text == "f":
                if is_followed:
                    least = most = _MICROSECOND_DIGITS
            elif follows or is_followed:
                least = most
            yield f"(?P<{token.text}>[0-9]{{{least},{most}}})"
        elif token.text in _NAMES:
            yield f"(?P<{token.text}>{'|'.join(_NAMES[token.text])})"
        else:
            yield f"(?P<{token.text}>{_ZONES[token.text]})"


def _read_month(values: Mapping[str, str]) -> int:
    if "m" in values:
        return int(values["m"])
    name = values.get("b") or values["B"]
    return _place_of(_NAMES["b"], name[:3]) + 1


def _read_weekday(values: Mapping[str, str]) -> int | None:
    """Return the day of the week that a text names, from Monday, 1; None if it names none."""
    if "u" in values:
        return int(values["u"])
    if "w" in values:
        number = int(values["w"])
        if number == _SUNDAY:
            raise ValueError(values)  # %w counts from 0, which is Sunday
        return number or _SUNDAY
    name = values.get("a") or values.get("A")
    return None if name is None else _place_of(_NAMES["a"], name[:3]) + 1


def _read_hour(values: Mapping[str, str]) -> int:
    if "I" not in values:
        return int(values.get("H") or 0)
    hour = int(values["I"])
    if not 1 <= hour <= _NOON:
        raise ValueError(values)
    return hour % _NOON + _NOON * (values["p"].upper() == "PM")


def _expand_year(year: int) -> int:
    """Return the year of its last two digits, as POSIX has it: 1969 to 2068."""
    return year + (1900 if year >= _FIRST_YEAR_OF_1900 else 2000)


def _day_of(weekday: int | None) -> int:
    if weekday is None:
        raise AssertionError("a format with a week has a day of the week")
    return weekday


def _place_of(names: Sequence[str], name: str) -> int:
    return [one.upper() for one in names].index(name.upper())


def _refuse(problem: str, remedy: str) -> NoReturn:
    raise InvalidInput(problem, remedy=remedy)
