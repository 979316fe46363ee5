"""Charts as SVG, drawn by ourselves: lines over two logarithmic axes, and bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from xml.sax.saxutils import escape

__all__ = ["bars", "lines"]

Point = tuple[float, float]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 420, 90, 190, 46, 56


def lines(
    title: str,
    x_name: str,
    y_name: str,
    series: Mapping[str, Sequence[Point]],
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
) -> str:
    """One line a series over logarithmic axes; all values must be above 0.

    The first three series are drawn whole, the next three dashed in the same colours.
    """
    points = [point for one in series.values() for point in one]
    x = _Axis([p[0] for p in points], _LEFT, _WIDTH - _RIGHT)
    y = _Axis([p[1] for p in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [_text(_LEFT, 24, title, size=16, weight="bold")]
    parts += [_grid_x(x.place(value), x_text(value)) for value in sorted({p[0] for p in points})]
    parts += [_grid_y(y.place(value), y_text(value)) for value in y.ticks()]
    parts += [
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x_name, anchor="middle"),
        _text(12, _TOP - 8, y_name),
    ]
    for number, (name, values) in enumerate(series.items()):
        drawn = [(x.place(a), y.place(b)) for a, b in values]
        parts += _line(drawn, number)
        parts += _legend(number, name)
    return _svg(_HEIGHT, parts)


def bars(
    title: str, groups: Mapping[str, Mapping[str, float]], text: Callable[[float], str]
) -> str:
    """Groups of horizontal bars on one linear scale, the group's name at the left."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    step, left = 14, 250
    most = max((value for group in groups.values() for value in group.values()), default=1.0) or 1.0
    parts, top = [_text(12, 24, title, size=16, weight="bold")], 64.0
    for number, name in enumerate(names):
        parts += [_box(12 + number * 180, 36, 12, 10, number), _text(30 + number * 180, 45, name)]
    for group, values in groups.items():
        middle = top + step * len(values) / 2 + 4
        parts.append(_text(left - 8, middle, group, anchor="end"))
        for name, value in values.items():
            width = (_WIDTH - left - 70) * value / most
            parts.append(_box(left, top, max(width, 0.5), step - 3, names.index(name)))
            parts.append(_text(left + width + 4, top + step - 4, text(value), size=10))
            top += step
        top += 8
    return _svg(int(top) + 12, parts)


class _Axis:
    """A logarithmic scale from whole decade to whole decade."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.start, self.end = start, end

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def _line(points: Sequence[Point], number: int) -> list[str]:
    colour = _COLOURS[number % 3]
    dash = ' stroke-dasharray="6 4"' if number >= 3 else ""
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>',
        *(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in points),
    ]


def _legend(number: int, name: str) -> list[str]:
    x, y = _WIDTH - _RIGHT + 20, _TOP + 20 * number
    sample = _line([(x, y), (x + 28, y)], number)[0]
    return [sample, _text(x + 36, y + 4, name)]


def _grid_x(x: float, label: str) -> str:
    return _rule(x, _TOP, x, _HEIGHT - _BOTTOM) + _text(
        x, _HEIGHT - _BOTTOM + 18, label, anchor="middle"
    )


def _grid_y(y: float, label: str) -> str:
    return _rule(_LEFT, y, _WIDTH - _RIGHT, y) + _text(_LEFT - 8, y + 4, label, anchor="end")


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _box(x: float, y: float, width: float, height: float, number: int) -> str:
    fill = _COLOURS[number % len(_COLOURS)]
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>'
    )


def _text(
    x: float, y: float, words: str, anchor: str = "start", size: int = 12, weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="#222">{escape(words)}</text>'
    )


def _svg(height: int, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>\n{body}\n</svg>\n'
    )
