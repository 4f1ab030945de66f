"""From a MeasurementSet's rows to points: stream, average, evaluate the axes, sort into panels and colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, EmptySelection
from atacal.memory import for_data
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selected import Selected
from atacal.ms.stream import Block, stream
from atacal.plots.averaging import RowAverager, channel_sums
from atacal.plots.axes import CHAN, CORR, SKY_AXES, Axis
from atacal.plots.cells import Averaging, Cells, bin_means, channel_bins, values
from atacal.plots.classes import Classes, colour_classes, panel_classes
from atacal.plots.density import Collector
from atacal.plots.sky import sky_angles

DATA_COLUMNS = {
    "data": ("DATA", ""), "corrected": ("CORRECTED_DATA", ""), "model": ("MODEL", ""), "float": ("FLOAT_DATA", ""),
    "residual": ("CORRECTED_DATA", "-"), "corrected-model": ("CORRECTED_DATA", "-"), "data-model": ("DATA", "-"),
    "corrected/model": ("CORRECTED_DATA", "/"), "data/model": ("DATA", "/"),
}  # fmt: skip
"""What a data column name means: a main-table column, and how the model is combined with it."""


def data_column(name: str, *, parameter: str) -> str:
    """Return the canonical name of a data column (CASA's ``_vector`` endings are understood).

    Raises
    ------
    ArgumentError
    """
    key = (name or "data").strip().lower().replace("_vector", "").replace("corrected_data", "corrected")
    key = key.removesuffix("_data")
    if key not in DATA_COLUMNS:
        raise ArgumentError(f"{parameter}={name!r} is not known; possible are {', '.join(DATA_COLUMNS)}")
    return key


@dataclass(frozen=True)
class Request:
    """What is wanted of the visibilities.

    Attributes
    ----------
    x, y : Axis
    x_column, y_column : str
        Names in `DATA_COLUMNS`, for axes made of data.
    colour, iterate : str
        Axis names, or empty.
    averaging : Averaging
    flagged : bool
        Show flagged data too, in a class of their own.
    """

    x: Axis
    y: Axis
    x_column: str = "data"
    y_column: str = "data"
    colour: str = ""
    iterate: str = ""
    averaging: Averaging = field(default_factory=Averaging)
    flagged: bool = False

    @property
    def data_columns(self) -> list[str]:
        """The data columns that are read, without repetition."""
        pairs = ((self.x, self.x_column), (self.y, self.y_column))
        return sorted({column for axis, column in pairs if axis.of_data})

    @property
    def shows_all(self) -> bool:
        """Whether the flag itself is plotted, so that no datum may be hidden."""
        return "flag" in (self.x.name, self.y.name)


@dataclass(eq=False)
class Gathered:
    """Points and what their panels and classes are called."""

    request: Request
    collector: Collector
    panels: Classes
    classes: Classes


def gather(
    ms: MeasurementSet,
    selected: Selected,
    request: Request,
    *,
    window: tuple[float, float, float, float] | None = None,
    cells: Callable[[int], tuple[int, int]] = lambda npanel: (512, 384),
    max_points: int | None = None,
) -> Gathered:
    """Read the selected visibilities once and collect the points that a picture needs.

    Parameters
    ----------
    ms : MeasurementSet
    selected : Selected
    request : Request
    window : (xmin, xmax, ymin, ymax), optional
        Only points inside are kept; nan for a side without bound.
    cells : function of the number of panels
        Size of the grid (nx, ny) that a panel can show.
    max_points : int, optional
        From how many points on a density is made.

    Returns
    -------
    Gathered

    Raises
    ------
    EmptySelection
        If no row is selected, or everything selected is flagged.
    MissingColumn, ArgumentError, ModelError
    """
    check(request)
    if len(selected.runs) == 0 or not selected.channels:
        raise EmptySelection(f"{ms.path}: nothing is selected")
    panels = panel_classes(ms, selected, request.iterate)
    classes = colour_classes(ms, selected, request.colour)
    nclass = len(classes) + (1 if request.flagged else 0)
    options = {} if max_points is None else {"max_points": max_points}
    collector = Collector(len(panels), nclass, window=window, cells=cells(len(panels)), **options)
    for batch in batches(ms, selected, request):
        _collect(batch, request, panels, classes, collector, nant=ms.metadata.nant)
    if collector.total.sum() == 0:
        raise EmptySelection(_why_empty(ms, request, collector))
    return Gathered(request, collector, panels, classes)


def _why_empty(ms: MeasurementSet, request: Request, collector: Collector) -> str:
    if collector.outside:
        return f"{ms.path}: none of the {collector.outside} selected points lies within plotrange"
    if collector.not_finite:
        return f"{ms.path}: all {collector.not_finite} selected points of {request.y.name} are not finite numbers"
    return f"{ms.path}: everything selected is flagged; customflaggedsymbol=True shows flagged data too"


def check(request: Request) -> None:
    """Refuse axes that an average leaves without a meaning.

    Raises
    ------
    ArgumentError
    """
    averaging = request.averaging
    lost = {"antenna", "antenna1", "antenna2", "baseline"} if averaging.baseline else set()
    if averaging.antenna:
        lost = {"antenna2", "baseline"}
    if averaging.spw:
        lost |= {"spw"}
    if averaging.baseline and averaging.antenna:
        raise ArgumentError("avgbaseline and avgantenna exclude each other: choose one")
    pairs = (
        ("xaxis", request.x.name), ("yaxis", request.y.name), ("coloraxis", request.colour),
        ("iteraxis", request.iterate),
    )  # fmt: skip
    for parameter, name in pairs:
        if name in lost:
            raise ArgumentError(f"{parameter}={name!r} has no meaning after averaging over it; drop that average")


def batches(ms: MeasurementSet, selected: Selected, request: Request) -> Iterator[Cells]:
    """Yield the selected values, averaged as asked, batch after batch."""
    averaging = request.averaging
    # half for the averages of open bins (with room for baselines in both orders of their antennas, of which hardly ever
    # more than one is used), a quarter for the blocks (the points of one take ten times its size); closed bins, the
    # counts of points and the picture take the rest
    half = for_data() // 2
    averager = RowAverager(averaging, selected.runs, selected.baselines, memory=half) if averaging.of_rows else None
    model = None
    if any(DATA_COLUMNS[c][0] == "MODEL" or DATA_COLUMNS[c][1] for c in request.data_columns):
        from atacal.ms.models import SkyModel

        model = SkyModel.of(ms)
    for block in stream(ms, selected, _columns(ms, request), memory=half // 2):
        cut = _Cut(ms, selected, block, averaging.channels)
        if len(cut.row) == 0 or len(cut.channels) == 0 or len(cut.corrs) == 0:
            cells, vis = None, {}
        else:
            cells = cut.cells(request)
            vis = {c: cut.visibilities(c, model) for c in request.data_columns}
        sums = None
        if cells is not None and averaging.any:
            sums = channel_sums(vis, cut.flag(), cut.weights(), cut.starts, scalar=averaging.scalar)
        if averager is not None:
            # rows that were read but not wanted complete a time bin too
            yield from _sky(ms, request, averager.add(cells, sums, block.run[cut.row], block.run))
        elif cells is not None:
            if sums is not None:
                cells.vis, cells.flag = sums.means()
                cells.weight_spectrum = sums.weight
            else:
                cells.vis, cells.flag = vis, cut.flag()
            yield from _sky(ms, request, iter((cells,)))
    if averager is not None:
        yield from _sky(ms, request, averager.rest())


def _sky(ms: MeasurementSet, request: Request, batch: Iterator[Cells]) -> Iterator[Cells]:
    wanted = SKY_AXES & {request.x.name, request.y.name}
    for cells in batch:
        if wanted:
            cells.sky = sky_angles(ms.metadata, cells.rows["time"], cells.rows["field"])
        yield cells


def _columns(ms: MeasurementSet, request: Request) -> list[str]:
    columns = ["FLAG"]
    for column in request.data_columns:
        name = DATA_COLUMNS[column][0]
        if name != "MODEL":
            ms.require(name)
            columns.append(name)
    for axis in (request.x, request.y):
        columns += [need for need in axis.needs if need != "DATA"]
    if request.averaging.any:
        columns += ["WEIGHT", "WEIGHT_SPECTRUM"] if ms.has("WEIGHT_SPECTRUM") else ["WEIGHT"]
        columns = [c for c in columns if c != "SIGMA"]
    if "WEIGHT_SPECTRUM" in columns:
        ms.require("WEIGHT_SPECTRUM")
    return list(dict.fromkeys(columns))


class _Cut:
    """The selected part of one block."""

    def __init__(self, ms: MeasurementSet, selected: Selected, block: Block, per_bin: int) -> None:
        self.block = block
        spw = ms.metadata.spws[block.spw]
        self.row = np.flatnonzero(block.wanted)
        self.corrs = np.flatnonzero(selected.corrs[block.pol])
        wanted = selected.channels[block.spw]
        self.channels, self.starts = channel_bins(wanted, per_bin)
        self.number = bin_means(np.arange(spw.nchan), self.channels, self.starts)
        self.freq_hz = bin_means(spw.chan_freq_hz, self.channels, self.starts)
        self.codes = np.array(ms.metadata.pols[block.pol].corr_types)[self.corrs]

    def _take(self, cube: NDArray) -> NDArray:
        """Return the selected rows, channels and correlations of a cube; the cube itself where that is everything."""
        for axis, index in ((0, self.row), (1, self.channels), (2, self.corrs)):
            if cube.shape[axis] in (1, len(index)):  # all of it, or the same for all
                continue
            if index[-1] - index[0] + 1 == len(index):
                cut = [slice(None)] * 3
                cut[axis] = slice(int(index[0]), int(index[-1]) + 1)
                cube = cube[tuple(cut)]
            else:
                cube = np.take(cube, index, axis=axis)
        return cube

    def flag(self) -> NDArray[np.bool_]:
        return self._take(self.block["FLAG"])

    def weights(self) -> NDArray:
        """Return WEIGHT_SPECTRUM, or WEIGHT for all channels, or ones."""
        if "WEIGHT_SPECTRUM" in self.block.data:
            spectrum = self._take(self.block["WEIGHT_SPECTRUM"])
            if spectrum.any():  # some writers leave it at zero
                return spectrum
        return self._take(self.block["WEIGHT"][:, None, :])

    def visibilities(self, column: str, model: object) -> NDArray:
        """Return a data column, combined with the model as its name says."""
        source, how = DATA_COLUMNS[column]
        predicted = None
        if source == "MODEL" or how:
            predicted = self._take(model.block(self.block))  # type: ignore[attr-defined]
        shape = (len(self.row), len(self.channels), len(self.corrs))
        if source == "MODEL":
            assert predicted is not None
            return np.broadcast_to(predicted, shape)
        observed = self._take(self.block[source])
        if predicted is None:
            return observed
        if how == "-":
            return observed - predicted
        with np.errstate(divide="ignore", invalid="ignore"):
            return observed / predicted

    def cells(self, request: Request) -> Cells:
        """Return everything but visibilities and flags."""
        block, data = self.block, self.block.data
        names = ("time", "interval", "scan", "field", "obs", "state", "antenna1", "antenna2")
        rows = {n: getattr(block, n)[self.row] for n in names}
        rows["spw"] = np.full(len(self.row), block.spw, np.int32)
        axes = {request.x.name, request.y.name}
        cells = Cells(
            rows, self.number, self.freq_hz, self.codes, {}, np.zeros((0, 0, 0), bool),
            uvw_m=data["UVW"][self.row] if "UVW" in data else None,
            weight=self._take(data["WEIGHT"][:, None, :]) if "WEIGHT" in data else None,
            sigma=self._take(data["SIGMA"][:, None, :]) if "SIGMA" in data else None,
        )  # fmt: skip
        if "wtsp" in axes:
            cells.weight_spectrum = self._take(data["WEIGHT_SPECTRUM"])
        return cells


def _collect(
    cells: Cells, request: Request, panels: Classes, classes: Classes, collector: Collector, *, nant: int
) -> None:
    """Evaluate the axes of a batch and give its points to the collector."""
    x = values(request.x, cells, request.x_column, nant=nant)
    y = values(request.y, cells, request.y_column, nant=nant)
    klass = classes.codes(cells)
    full = (len(cells.rows["time"]), len(cells.channel), len(cells.corrs))
    for panel in panels.several_codes(cells):
        parts = (x, y, klass, panel)
        shape = tuple(max(p.shape[k] for p in parts) if full[k] else 0 for k in range(3))
        # without a channel (correlation) axis, a point is good where any of its channels is
        good: NDArray = ~cells.flag
        for k in (CHAN, CORR):
            if shape[k] != full[k]:
                good = np.asarray(good.any(axis=k, keepdims=True))
        if request.shows_all:
            good = np.ones_like(good)
        good = np.broadcast_to(good, shape)
        seen = np.broadcast_to((panel >= 0) & (klass >= 0), shape)
        # an average without unflagged members has no value to be shown
        kept = seen if request.flagged and not request.averaging.any else seen & good
        out = [np.broadcast_to(p, shape)[kept] for p in parts]
        if request.flagged:
            out[2] = np.where(good[kept], out[2], len(classes))
        collector.add(out[3], out[2], out[0], out[1])
