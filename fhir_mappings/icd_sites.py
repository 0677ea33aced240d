"""Body regions that ICD-10 codes carry in themselves: the chapter blocks of injuries and burns and, in ICD-10-CM, the site character of M61."""

from __future__ import annotations

from .mappings import ICD10CM

# ICD-10-CM, chapter 13, site characters of M61 (fifth character): 1 shoulder, 2 upper arm, 3 forearm, 4 hand, 5 pelvic region and thigh,
# 6 lower leg, 7 ankle and foot, 8 other, 9 multiple sites. Shoulder is read as periarticular, where tumoral calcinosis lies.
MUSCLE_SITES = {"1": "periarticular", "2": "upper_limb", "3": "upper_limb", "4": "upper_limb", "5": "leg", "6": "leg", "7": "leg", "9": "multiple"}
# ICD-10-CM, chapter 19, blocks by region, and burns by region.
BLOCKS = {
    "S0": "head_neck",
    "S1": "head_neck",
    "S2": "trunk",
    "S3": "trunk",
    "S4": "upper_limb",
    "S5": "upper_limb",
    "S6": "upper_limb",
    "S7": "leg",
    "S8": "leg",
    "S9": "leg",
    "T20": "head_neck",
    "T21": "trunk",
    "T22": "upper_limb",
    "T23": "upper_limb",
    "T24": "leg",
    "T25": "leg",
    "L97": "leg",
    "I83": "leg",
    "I87": "leg",
    "Z930": "head_neck",
    "J950": "head_neck",
}


def region_of(system: str, dotless: str) -> str:
    """The body region that an ICD-10 code (without its dot) names, or ''. The WHO's site digits of M61 mean other sites, and are not read."""
    if dotless.startswith("M61"):
        return MUSCLE_SITES.get(dotless[4:5], "") if system == ICD10CM else ""
    return next((region for block, region in BLOCKS.items() if dotless.startswith(block)), "")
