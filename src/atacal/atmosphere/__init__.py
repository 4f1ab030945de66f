"""The air above the array: opacity, transmission and brightness of the sky from 1 to 1000 GHz, line by line."""

from atacal.atmosphere.profile import Profile, standard_profile
from atacal.atmosphere.transmission import Opacity, sky_brightness, transmission, zenith_opacity

__all__ = ["Opacity", "Profile", "sky_brightness", "standard_profile", "transmission", "zenith_opacity"]
