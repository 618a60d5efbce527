"""Figures of Matplotlib and Plotly: their image, and the points in it. No script of theirs reaches a page."""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from chat.parts.tables import SHOWN_ROWS, Table, table_of

DPI = 144


@dataclass(frozen=True)
class Drawing:
    """A figure, as an image in PNG and as its points."""

    image: BinaryIO | None  # None: what draws it is not on this machine
    points: Table | None  # one a row; None where there are none to tell


def drawing_of(thing: Any) -> Drawing | None:
    """The figure that a thing is; None for anything else. Imports neither library. May take seconds."""
    figure = sys.modules.get("matplotlib.figure")
    if figure and isinstance(thing, figure.Figure):
        file = io.BytesIO()
        thing.savefig(file, format="png", dpi=DPI, bbox_inches="tight")
        return Drawing(file, _table(list(itertools.chain.from_iterable(map(_series, thing.axes)))))
    plotly = sys.modules.get("plotly.basedatatypes")
    if not (plotly and isinstance(thing, plotly.BaseFigure)):
        return None
    points = table_of(_traces(thing))
    try:
        return Drawing(io.BytesIO(thing.to_image(format="png", scale=2)), points)
    except Exception:  # what draws it is a browser that may not be there, and fails in its own ways
        return Drawing(None, points)


Series = tuple[str, Sequence[Any], Sequence[Any]]  # its label, x and y


def _table(series: Sequence[Series]) -> Table | None:
    rows = ([label, x, y] for label, xs, ys in series for x, y in zip(xs, ys, strict=False))
    first = list(itertools.islice(rows, SHOWN_ROWS))
    return Table(["series", "x", "y"], first, sum(len(ys) for _, _, ys in series)) if first else None


def _series(axes: Any) -> Iterator[Series]:
    """The lines, bars and dots of Matplotlib's axes."""
    named = _names_of(axes.xaxis)
    for line in axes.get_lines():
        yield _label(line), list(line.get_xdata()), list(line.get_ydata())
    bar_container = sys.modules["matplotlib.container"].BarContainer
    for bars in axes.containers:
        if isinstance(bars, bar_container) and bars.orientation == "horizontal":
            yield _label(bars), [bar.get_width() for bar in bars], [bar.get_y() + bar.get_height() / 2 for bar in bars]
        elif isinstance(bars, bar_container):
            yield _label(bars), named(bar.get_x() + bar.get_width() / 2 for bar in bars), [b.get_height() for b in bars]
    for dots in axes.collections:
        offsets = dots.get_offsets()
        yield _label(dots), named(offsets[:, 0]), list(offsets[:, 1])


def _label(artist: Any) -> str:
    label = str(artist.get_label())
    return "" if label.startswith("_") else label  # that is how Matplotlib names what has none


def _names_of(axis: Any) -> Any:
    """What turns positions on an axis of categories into their names; it has a tick for each, once it was drawn."""
    if not isinstance(axis.get_major_locator(), sys.modules["matplotlib.category"].StrCategoryLocator):
        return list
    ticks = dict(zip(axis.get_ticklocs(), (label.get_text() for label in axis.get_ticklabels()), strict=False))

    def names(places: Iterable[float]) -> list[Any]:
        return [ticks.get(round(place, 6), place) for place in places]

    return names


def _traces(figure: Any) -> list[dict[str, Any]]:
    """The points of a Plotly figure, one a row."""
    rows: list[dict[str, Any]] = []
    for at, trace in enumerate(figure.data, start=1):
        axes = {axis: list(trace[axis]) for axis in ("x", "y", "z") if axis in trace and trace[axis] is not None}
        for values in zip(*axes.values(), strict=False):
            rows.append({"trace": trace.name or at, **dict(zip(axes, values, strict=True))})
    return rows
