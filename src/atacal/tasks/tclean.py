"""The task tclean."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

log = logging.getLogger("atacal")

_STOP_CODES = {
    "no iterations asked for": 3, "niter": 1, "threshold": 2, "the peak residual does not change": 4,
    "the peak residual grows: CLEAN diverges": 5, "the mask is empty": 7, "nsigma": 8, "nmajor": 9,
}  # fmt: skip


def tclean(
    vis: str | Sequence[str],
    selectdata: bool = True,
    field: str | Sequence[str] = "",
    spw: str | Sequence[str] = "",
    timerange: str | Sequence[str] = "",
    uvrange: str | Sequence[str] = "",
    antenna: str | Sequence[str] = "",
    scan: str | Sequence[str] = "",
    observation: str | int = "",
    intent: str | Sequence[str] = "",
    datacolumn: str = "corrected",
    imagename: str = "",
    imsize: int | Sequence[int] = (100,),
    cell: str | float | Sequence[str] | Sequence[float] = (),
    phasecenter: int | str = "",
    stokes: str = "I",
    projection: str = "SIN",
    startmodel: str = "",
    specmode: str = "mfs",
    reffreq: str = "",
    nchan: int = -1,
    start: str = "",
    width: str = "",
    outframe: str = "LSRK",
    veltype: str = "radio",
    restfreq: Sequence[str] = (),
    interpolation: str = "linear",
    perchanweightdensity: bool = True,
    gridder: str = "standard",
    facets: int = 1,
    psfphasecenter: str = "",
    wprojplanes: int = 1,
    vptable: str = "",
    mosweight: bool = True,
    aterm: bool = True,
    psterm: bool = False,
    wbawp: bool = True,
    conjbeams: bool = False,
    cfcache: str = "",
    usepointing: bool = False,
    computepastep: float = 360.0,
    rotatepastep: float = 360.0,
    pointingoffsetsigdev: Sequence[float] = (),
    pblimit: float = 0.2,
    normtype: str = "flatnoise",
    deconvolver: str = "hogbom",
    scales: Sequence[int] = (),
    nterms: int = 2,
    smallscalebias: float = 0.0,
    fusedthreshold: float = 0.0,
    largestscale: int = -1,
    restoration: bool = True,
    restoringbeam: str | Sequence[str] = (),
    pbcor: bool = False,
    outlierfile: str = "",
    weighting: str = "natural",
    robust: float = 0.5,
    noise: str = "1.0Jy",
    npixels: int = 0,
    uvtaper: str | Sequence[str] = ("",),
    niter: int = 0,
    gain: float = 0.1,
    threshold: str | float = 0.0,
    nsigma: float = 0.0,
    cycleniter: int = -1,
    cyclefactor: float = 1.0,
    minpsffraction: float = 0.05,
    maxpsffraction: float = 0.8,
    interactive: bool = False,
    nmajor: int = -1,
    fullsummary: bool = False,
    usemask: str = "user",
    mask: str | Sequence[str] = "",
    pbmask: float = 0.0,
    sidelobethreshold: float = 3.0,
    noisethreshold: float = 5.0,
    lownoisethreshold: float = 1.5,
    negativethreshold: float = 0.0,
    smoothfactor: float = 1.0,
    minbeamfrac: float = 0.3,
    cutthreshold: float = 0.01,
    growiterations: int = 75,
    dogrowprune: bool = True,
    minpercentchange: float = -1.0,
    verbose: bool = False,
    fastnoise: bool = True,
    restart: bool = True,
    savemodel: str = "none",
    calcres: bool = True,
    calcpsf: bool = True,
    psfcutoff: float = 0.35,
    parallel: bool = False,
    overwrite: bool = False,
    pictures: bool = True,
) -> dict[str, Any]:
    """Make a continuum image and clean it.

    One plane of Stokes I of all selected channels (specmode mfs), written as FITS images ``<imagename>.image.fits``,
    ``.residual``, ``.model``, ``.psf``, ``.mask``, ``.pb`` and ``.sumwt``, with a PNG picture of each but the last. It
    needs the library ducc0 (``pip install atacal[images]``).

    Parameters
    ----------
    vis : str or list of str
        MeasurementSets.
    selectdata : bool
        False ignores the selection parameters timerange to intent.
    field : str or list of str
        Fields; a list has one selection for each MeasurementSet, here and in the other selection parameters.
    spw : str or list of str
        Spectral windows and channels.
    timerange : str or list of str
        Time range.
    uvrange : str or list of str
        uv distances.
    antenna : str or list of str
        Antennas and baselines.
    scan : str or list of str
        Scans.
    observation : str or int
        Observation ids.
    intent : str or list of str
        Intents.
    datacolumn : str
        corrected (DATA where there is none, with a warning) or data.
    imagename : str
        Beginning of the files' names.
    imsize : int or list of int
        Pixels along right ascension and declination, even, 32 at least.
    cell : str or list
        Width of a pixel: 0.1arcsec; a number is in arcsec. Pixels are square.
    phasecenter : int or str
        Centre of the image: a field, or ``J2000 19h30m00 -40d00m00``; by default that of the first selected field.
    stokes : str
        I (visibilities with a flagged correlation are left out) or pseudoI (made of what is there).
    projection : str
        Only SIN.
    startmodel : str
        Not supported.
    specmode : str
        Only mfs.
    reffreq : str
        Not supported.
    nchan : int
        Has no effect on mfs.
    start : str
        Has no effect on mfs.
    width : str
        Has no effect on mfs.
    outframe : str
        Only LSRK.
    veltype : str
        Has no effect on mfs.
    restfreq : list of str
        Has no effect on mfs.
    interpolation : str
        Has no effect on mfs.
    perchanweightdensity : bool
        Has no effect on mfs.
    gridder : str
        standard, widefield or wproject: w is taken into account in all of them, where it matters.
    facets : int
        Only 1.
    psfphasecenter : str
        Not supported.
    wprojplanes : int
        Has no effect: there are as many planes as accuracy asks for.
    vptable : str
        Not supported.
    mosweight : bool
        Has no effect.
    aterm : bool
        Has no effect.
    psterm : bool
        Only False.
    wbawp : bool
        Has no effect.
    conjbeams : bool
        Has no effect.
    cfcache : str
        Has no effect.
    usepointing : bool
        Only False.
    computepastep : float
        Has no effect.
    rotatepastep : float
        Has no effect.
    pointingoffsetsigdev : list of float
        Has no effect.
    pblimit : float
        Images are blank where the primary beam is lower; a negative value blanks nothing.
    normtype : str
        Only flatnoise.
    deconvolver : str
        hogbom or clark.
    scales : list of int
        Has no effect on hogbom and clark.
    nterms : int
        Has no effect on hogbom and clark.
    smallscalebias : float
        Has no effect on hogbom and clark.
    fusedthreshold : float
        Has no effect on hogbom and clark.
    largestscale : int
        Has no effect on hogbom and clark.
    restoration : bool
        Only True.
    restoringbeam : str or list of str
        Only that of the point spread function.
    pbcor : bool
        Write the image divided by the primary beam, too: ``.image.pbcor.fits``.
    outlierfile : str
        Not supported.
    weighting : str
        natural, uniform or briggs.
    robust : float
        For briggs, -2 to 2.
    noise : str
        Has no effect on these weightings.
    npixels : int
        Only 0: the density of samples is counted on the image's own uv grid.
    uvtaper : list of str
        Not supported.
    niter : int
        Iterations at most; 0 makes a dirty image.
    gain : float
        Loop gain.
    threshold : str or float
        Level to stop at: 1mJy; a number is in Jy/beam.
    nsigma : float
        The same in units of the residual's robust rms (1.4826 MAD).
    cycleniter : int
        Iterations of a minor cycle at most.
    cyclefactor : float
        Multiplies the highest sidelobe for the fraction of the peak that a minor cycle goes down to.
    minpsffraction : float
        That fraction at least.
    maxpsffraction : float
        That fraction at most.
    interactive : bool
        Only False.
    nmajor : int
        Major cycles after the first at most.
    fullsummary : bool
        Has no effect.
    usemask : str
        user, pb or auto-multithresh.
    mask : str or list of str
        For user: regions in pixels (``circle[[120pix,120pix],10pix]``, ``box[[100pix,100pix],[140pix,140pix]]``), or a
        FITS image of the image's shape.
    pbmask : float
        For pb: level of the primary beam above which is cleaned.
    sidelobethreshold : float
        Of auto-multithresh: level in units of the highest sidelobe times the peak.
    noisethreshold : float
        Of auto-multithresh: level in units of the noise.
    lownoisethreshold : float
        Of auto-multithresh: level down to which masks grow, in units of the noise.
    negativethreshold : float
        Of auto-multithresh: level of negative regions, in units of the noise; 0 for none.
    smoothfactor : float
        Of auto-multithresh: width that masks are smoothed to, in beams.
    minbeamfrac : float
        Of auto-multithresh: smallest region, in beams.
    cutthreshold : float
        Of auto-multithresh: level at which smoothed masks are cut.
    growiterations : int
        Of auto-multithresh: pixels that masks grow by at most.
    dogrowprune : bool
        Of auto-multithresh: whether small regions are taken out of grown masks.
    minpercentchange : float
        Of auto-multithresh: change in percent below which the mask is left as it is; negative for never.
    verbose : bool
        Has no effect.
    fastnoise : bool
        Of auto-multithresh: the noise is told from all pixels; False leaves out the mask and outliers.
    restart : bool
        Has no effect: every image is made anew.
    savemodel : str
        Only none.
    calcres : bool
        Only True.
    calcpsf : bool
        Only True.
    psfcutoff : float
        Level of the point spread function above which the beam is fitted.
    parallel : bool
        Has no effect.
    overwrite : bool
        Replace files of the same names.
    pictures : bool
        Draw the PNG pictures.

    Returns
    -------
    dict
        iterdone, nmajordone, stopcode, stopDescription as in CASA; beam, peak, rms, sensitivity, dynamic range and the
        other numbers of the image; files.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, MissingColumn, SelectionError, EmptySelection, TableExists, WriteError
    """
    given = dict(locals())
    from atacal.images import make_image, write_products
    from atacal.images.products import check_products
    from atacal.plots.style import check_free
    from atacal.tasks._imaging import draw, image_spec, picture_paths

    spec = image_spec(given)
    check_products(imagename, pbcor=pbcor, overwrite=overwrite)
    pngs = picture_paths(imagename, pbcor=pbcor) if pictures else {}
    for path in pngs.values():
        check_free(path, overwrite=overwrite)
    result = make_image(spec)
    files = list(write_products(result, imagename, pbcor=pbcor, overwrite=overwrite).values())
    for name, path in pngs.items():
        files.append(draw(result, name, path, overwrite=overwrite))
    log.info(
        "tclean: %s: peak %.5g Jy/beam, rms %.4g, beam %.4g x %.4g arcsec, %.1f deg; %d iterations, stopped: %s",
        imagename, result.peak_jy, result.rms_jy, result.beam.major_arcsec, result.beam.minor_arcsec,
        result.beam.pa_deg, result.niter_done, result.stop_reason,
    )  # fmt: skip
    return {
        "iterdone": result.niter_done, "nmajordone": result.nmajor_done,
        "stopcode": _STOP_CODES[result.stop_reason], "stopDescription": result.stop_reason,
        **result.numbers(), "files": [str(f) for f in files],
    }  # fmt: skip
