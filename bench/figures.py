"""What a measurement of hutch by itself hands over."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number.

    Each module in ``bench.own`` has a function that gives them::

        def measure(place: Path, *, small: bool) -> list[Figure]: ...

    where ``place`` is an empty directory for whatever it needs, and ``small`` asks for
    a run of seconds that shows that it works.

    Attributes:
        name: What was measured, as the report's row.
        value: In the unit.
        unit: Such as ``s`` or ``MB/s``.
        target: What was asked for, such as ``≤ 2 s``; None means nothing was.
        note: What a reader has to know about how it was measured.
    """

    name: str
    value: float
    unit: str
    target: str | None = None
    note: str = ""
