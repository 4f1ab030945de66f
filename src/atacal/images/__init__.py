"""Images of calibrators and targets: weights, gridding, CLEAN, beam, statistics, FITS."""

from atacal.heuristics.imaging import AutoMask
from atacal.images.fit import GaussianFit, fit_gaussian
from atacal.images.make import make_image
from atacal.images.products import write_products
from atacal.images.spec import Beam, ImageResult, ImageSpec

__all__ = [
    "AutoMask",
    "Beam",
    "GaussianFit",
    "ImageResult",
    "ImageSpec",
    "fit_gaussian",
    "make_image",
    "write_products",
]
