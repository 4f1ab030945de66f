"""CASA's tasks by what they are for, so that a call of one that is not here can be told apart.

Names of CASA 3.4 to 6.7 (its task lists). A *picture*, *report* or *image* changes nothing that the calibration needs;
everything else does.
"""

from __future__ import annotations

PICTURE, REPORT, IMAGE, DATA, PIPELINE, UTILITY = "picture", "report", "image", "data", "pipeline", "utility"
LEFT_OUT = frozenset({PICTURE, REPORT, IMAGE, UTILITY})
"""Kinds that a script can do without: left out, and said, when the call's result is not used."""

_TASKS: dict[str, str] = {
    PICTURE: """plotms plotcal plotbandpass plotants plotxy plotuv plotweather plotprofilemap imview viewer msview
        clearplot browsetable calanalysis_plot ssoflux""",
    REPORT: """listobs listcal listvis listfits listhistory listpartition listsdm asdmsummary vishead visstat visstat2
        calstat imhead imstat imval imhistory apparentsens taskhelp tasklist toolhelp startup inp help par.vis
        clearstat splattotable slsearch""",
    IMAGE: """tclean clean mosaic widefield deconvolve boxit csvclean msclean feather sdintimaging simobserve simanalyze
        simalma exportfits importfits imbaseline imcollapse imcontsub imdev imfit immath immoments impbcor impv imrebin
        imreframe imregrid imsmooth imsubimage imtrans makemask rmfit specfit specflux specsmooth spxfit
        widebandpbcor sdimaging tsdimaging autoclean ia.close hifa_imageprecheck hif_checkproductsize""",
    DATA: """accor applycal bandpass blcal clearcal clearcal concat conjugatevis cvel cvel2 defintent delmod exportasdm
        exportuvfits fixplanets fixvis flagautocorr flagcmd flagdata flagdata2 flagmanager fluxscale fringefit ft
        gaincal gencal getantposalma getcalmodvla getephemtable hanningsmooth hanningsmooth2 importasap importasdm
        importatca importevla importfitsidi importgmrt importmiriad importnro importoldasdm importuvfits importvla
        initweights listsdm mstransform mstransform2 msmoments msuvbin nrobeamaverage oldsplit oldhanningsmooth
        oldstatwt partition peel phaseshift polcal polfromgain predictcomp rerefant rmtables sdatmcor sdbaseline
        sdbaseline2 sdcal sdcal2 sdfit sdfixscan sdgaincal sdpolaverage sdsidebandsplit sdsmooth sdtimeaverage setjy
        smoothcal split split2 statwt statwt2 testconcat tflagdata uvcontsub uvcontsub2 uvcontsub3 uvcontsub_old
        uvmodelfit uvsub virtualconcat vpmanager wvrgcal fixsyscaltimes tsysspwmap""",
    PIPELINE: """hifa_importdata hifa_flagdata hifa_fluxcalflag hif_rawflagchans hif_refant h_tsyscal hifa_tsyscal
        hifa_tsysflag hifa_tsysflagcontamination hifa_antpos hifa_wvrgcalflag hif_lowgainflag hif_gainflag hif_setjy
        hif_setmodels hifa_bandpass hif_bandpass hifa_bandpassflag hifa_spwphaseup hifa_gfluxscale
        hifa_gfluxscaleflag hifa_timegaincal hif_applycal hifa_renorm hifa_targetflag hif_makeimlist hif_makeimages
        hif_exportdata hifa_exportdata hif_mstransform hifa_flagtargets hif_findcont hif_uvcontfit hif_uvcontsub
        hif_makecutoutimages hifa_diffgaincal hifa_polcal hifa_session_refant
        hifa_lock_refant hifa_polcalflag hif_selfcal hif_analyzealpha hif_transformimagedata hifa_restoredata
        hif_restoredata hsd_importdata hsd_flagdata hsd_tsyscal h_tsysflag hsd_tsysflag hsd_skycal hsd_k2jycal
        hsd_applycal hsd_baseline hsd_blflag hsd_imaging hsd_exportdata hsd_restoredata""",
}  # fmt: skip
TASKS: dict[str, str] = {name: kind for kind, names in _TASKS.items() for name in names.split()}
"""Every task of CASA and of ALMA's pipeline: name -> kind."""

PIPELINE_PREFIXES = ("hif_", "hifa_", "hifv_", "hsd_", "hsdn_", "h_")
"""What the names of the ALMA and VLA pipelines' tasks begin with."""

TOOLS = {
    "tb": "table", "ms": "ms", "msmd": "msmetadata", "qa": "quanta", "me": "measures", "ia": "image",
    "cb": "calibrater", "im": "imager", "sm": "simulator", "vp": "vpmanager", "rg": "regionmanager", "cs": "coordsys",
    "cl": "componentlist", "at": "atmosphere", "af": "agentflagger", "tp": "tableplot", "mt": "mstransformer",
    "po": "imagepol", "sd": "singledish", "sl": "spectralline", "fn": "functional", "cu": "utils", "ca": "calanalysis",
    "dc": "deconvolver", "imd": "imagemetadata", "mp": "msplot", "pm": "plotms", "sdms": "singledishms",
}  # fmt: skip
"""CASA's tools: the object in the shell -> its class."""

CHANGING_UTILITIES = frozenset({
    "fixForCSV2555", "fixForCSV2555inFDMspws", "fixForSCOPS291", "correctMyAntennaNames", "editIntents",
    "addFieldFlags", "runCleanSeries", "generateReducScript", "makeTsysTable", "replaceTsysScan", "convertSMA",
})  # fmt: skip
"""Functions of analysisUtils that change data or write what later steps read."""

MODULES = frozenset({
    "casadef", "casalith", "taskinit", "tasks", "casac", "casatasks", "casatools", "casaplotms", "casaviewer",
    "casashell", "recipes", "recipes.almahelpers", "almahelpers_localcopy", "analysisUtils", "analysis_scripts",
    "analysis_scripts.analysisUtils", "casa_stack_manip", "taskutil", "__casac__", "tasktools", "pipeline",
})  # fmt: skip
"""CASA's modules that scripts import."""


def kind_of(name: str) -> str | None:
    """Tell what a name of CASA's shell is for; None if CASA has no such name."""
    if name in TASKS:
        return TASKS[name]
    if name.startswith(PIPELINE_PREFIXES) or name in ("h_init", "h_save", "h_resume"):
        return PIPELINE
    return None
