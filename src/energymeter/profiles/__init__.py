"""A meter as data: the model, loading, and the library of shipped and own profiles."""

from energymeter.profiles.library import ProfileLibrary
from energymeter.profiles.load import load_profile, parse_profile
from energymeter.profiles.model import AddressRange, Point, Profile, ScaleSource

__all__ = [
    "AddressRange",
    "Point",
    "Profile",
    "ProfileLibrary",
    "ScaleSource",
    "load_profile",
    "parse_profile",
]
