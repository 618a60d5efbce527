"""Figures of Matplotlib and Plotly: their image, and the points in it. No script of theirs reaches a page."""

from __future__ import annotations

import io
import itertools
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, BinaryIO

from chat.parts.tables import SHOWN_ROWS, Again, Table

logger = logging.getLogger(__name__)

DPI = 144
MAX_CELLS = 100_000  # of a map of heat that is told
AXES = (  # of Plotly's traces
    *("x", "y", "z", "labels", "parents", "values", "r", "theta", "lat", "lon", "locations"),
    *("open", "high", "low", "close"),
)


@dataclass(frozen=True)
class Drawing:
    """A figure, as an image in PNG and as its points."""

    image: BinaryIO | None  # None: what draws it is not on this machine
    points: Table | None  # one a row; None where there are none to tell


def drawing_of(thing: Any) -> Drawing | None:
    """The figure that a thing is; None for anything else. Imports neither library. May take seconds."""
    figure = _of_matplotlib(thing)
    if figure is not None:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight")
        return Drawing(file, _table(list(itertools.chain.from_iterable(map(_series, figure.axes)))))
    plotly = sys.modules.get("plotly.basedatatypes")
    if not (plotly and isinstance(thing, plotly.BaseFigure)):
        return None
    points = _traces(thing)
    try:
        return Drawing(io.BytesIO(thing.to_image(format="png", scale=2)), points)
    except Exception as error:  # what draws it is a browser that may not be there, and fails in its own ways
        logger.warning("a figure of Plotly is shown as its data, it takes kaleido and Chromium to draw it: %s", error)
        return Drawing(None, points)


def _of_matplotlib(thing: Any) -> Any:
    """A figure of Matplotlib: itself, of its axes, or of several of these, as pandas gives them back."""
    if "matplotlib.figure" not in sys.modules:
        return None
    if (numpy := sys.modules.get("numpy")) and isinstance(thing, numpy.ndarray) and thing.size:
        thing = thing.flat[0]
    if isinstance(thing, sys.modules["matplotlib.axes"].Axes):
        thing = thing.get_figure(root=True)
    return thing if isinstance(thing, sys.modules["matplotlib.figure"].Figure) else None


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
            places = _names_of(axes.yaxis)(bar.get_y() + bar.get_height() / 2 for bar in bars)
            yield _label(bars), [bar.get_width() for bar in bars], places
        elif isinstance(bars, bar_container):
            yield _label(bars), named(bar.get_x() + bar.get_width() / 2 for bar in bars), [b.get_height() for b in bars]
    for wedge in axes.patches:
        if isinstance(wedge, sys.modules["matplotlib.patches"].Wedge):
            yield _label(wedge), ["share"], [round((wedge.theta2 - wedge.theta1) / 360, 6)]
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


def _traces(figure: Any) -> Table | None:
    """The points of a Plotly figure, one a row."""
    traces = [(trace.name or at, _axes(trace)) for at, trace in enumerate(figure.data, start=1)]
    names = list(dict.fromkeys(axis for _, axes in traces for axis in axes))
    total = sum(min(map(len, axes.values())) for _, axes in traces if axes)

    def rows() -> Iterator[Sequence[Any]]:
        for label, axes in traces:
            for values in zip(*axes.values(), strict=False):
                known = dict(zip(axes, values, strict=True))
                yield [label, *(known.get(name) for name in names)]

    return Table(["trace", *names], Again(rows), total) if total else None


def _axes(trace: Any) -> dict[str, Sequence[Any]]:
    """What a trace has for each point; of a map of heat or heights each of its cells."""
    axes = {name: trace[name] for name in AXES if name in trace and trace[name] is not None}
    grid = axes.get("z")
    if grid is None or not len(grid) or isinstance(grid[0], str) or not isinstance(grid[0], Sized):
        return axes
    xs, ys = axes.get("x", range(len(grid[0]))), axes.get("y", range(len(grid)))
    cells = ((x, y, z) for y, row in zip(ys, grid, strict=False) for x, z in zip(xs, row, strict=False))
    told = zip(*itertools.islice(cells, MAX_CELLS), strict=True)
    return dict(zip(("x", "y", "z"), told, strict=False))
