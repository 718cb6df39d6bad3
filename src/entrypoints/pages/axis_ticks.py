"""Ticks of a time axis: a few, evenly spaced, on round times of the clock or the calendar."""

from datetime import UTC, datetime, timedelta

MOST = 4
"""The number of labels that fit side by side on a phone."""

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_CLOCK = (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR)
_DAYS = (_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY)
_MONTHS = (1, 3, 6, 12, 24, 60, 120, 300, 600, 1_200, 3_000, 6_000, 12_000, 30_000)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def ticks(since: datetime, until: datetime) -> list[tuple[datetime, str]]:
    """Return at most `MOST` ticks and their labels.

    A span without a round time gets one tick at its start.
    """
    for every in _CLOCK + _DAYS:
        if until - since <= MOST * every:
            times = _turns_of_a_clock(since, until, every)[:MOST]
            name = _date if every in _DAYS else _hour
            return [(time, name(time)) for time in times] or [(since, _moment(since))]
    for months in _MONTHS:
        times = _turns_of_a_calendar(since, until, months)
        if len(times) <= MOST:
            break
    return [(time, f"{time:%Y}" if months >= 12 else f"{time:%b %Y}") for time in times]


def _turns_of_a_clock(since: datetime, until: datetime, every: timedelta) -> list[datetime]:
    first = _MONDAY - (_MONDAY - since) // every * every
    return [first + n * every for n in range(MOST + 1) if first + n * every <= until]


def _turns_of_a_calendar(since: datetime, until: datetime, months: int) -> list[datetime]:
    first = -(-_months(since) // months) * months
    times = [
        datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        for month in range(first, _months(until) + 1, months)
    ]
    return [time for time in times if since <= time <= until]


def _months(time: datetime) -> int:
    """Return the number of months since the year 0."""
    return 12 * time.year + time.month - 1


def _hour(time: datetime) -> str:
    return f"{time:%H:%M}"


def _date(time: datetime) -> str:
    return f"{time:%b} {time.day}"


def _moment(time: datetime) -> str:
    return f"{_date(time)}, {_hour(time)}"
