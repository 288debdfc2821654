"""What is drawn once for a patient (the build) and once for a day (the visit)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Habitus:
    """A patient's build. Lengths in mm; scales are relative to a standard adult."""

    width_scale: float
    depth_scale: float
    fat_mm: float
    wall_mm: float
    belly: float
    """How far the front wall bulges around the navel, 0 to 1."""
    liver_drop_mm: float
    left_lobe_mm: float
    kidney_drop_mm: float
    kidney_scale: float
    spleen_scale: float
    spine_mm: tuple[float, float]
    """Offset of the spine, x and y."""
    disc_phase: float
    transverse_sag_mm: float
    colon_scale: float
    sigmoid_side_mm: float
    stomach_shift_mm: tuple[float, float, float]
    stomach_scale: float
    bowel_length_mm: float
    bowel_radius_mm: float
    fluid_level: float
    """Share of the stomach that gas usually takes, 0 to 1."""
    trufi_share: float
    """0 is a T1-like contrast, 1 a TRUFI-like one."""
    ink: float
    """Strength of the dark line between fat and water, 0 to 1."""
    arms: bool


@dataclass(frozen=True)
class Visit:
    """What differs from day to day. Lengths in mm, angles in radians."""

    shift_mm: tuple[float, float]
    breath_mm: float
    turn_rad: float
    filling: float
    gas_share: float
    food: float
    """Lumpiness of the stomach's content: above 0 it is food, below it is fluid."""
    colon_gas: float
    bowel_gas: float
    noise: float
    """Standard deviation of the complex noise relative to fat."""
    coil: float


def draw_habitus(rng: np.random.Generator) -> Habitus:
    """Draw a patient's build. The order of the draws is part of the result."""
    u = rng.uniform
    stout = u()
    return Habitus(
        width_scale=0.9 + 0.16 * stout + u(-0.03, 0.03),
        depth_scale=0.88 + 0.2 * stout + u(-0.06, 0.06),
        fat_mm=7 + 17 * stout * u(0.5, 1.0),
        wall_mm=u(8, 12),
        belly=u(0, 0.6) + 0.4 * stout,
        liver_drop_mm=u(-12, 25),
        left_lobe_mm=u(-25, 25),
        kidney_drop_mm=u(-10, 14),
        kidney_scale=u(0.88, 1.1),
        spleen_scale=u(0.8, 1.15),
        spine_mm=(u(-4, 4), u(-3, 4)),
        disc_phase=u(),
        transverse_sag_mm=u(-8, 32),
        colon_scale=u(0.8, 1.12),
        sigmoid_side_mm=u(-18, 18),
        stomach_shift_mm=(u(-8, 6), u(-6, 6), u(-6, 8)),
        stomach_scale=u(0.86, 1.08),
        bowel_length_mm=u(1500, 2300),
        bowel_radius_mm=u(9.5, 12.5),
        fluid_level=u(0.08, 0.4),
        trufi_share=u(0.1, 0.75),
        ink=u(0.0, 0.75),
        arms=bool(u() < 0.3),
    )


def draw_visit(rng: np.random.Generator, habitus: Habitus) -> Visit:
    """Draw a day. The order of the draws is part of the result."""
    u = rng.uniform
    return Visit(
        shift_mm=(u(-3, 3), u(-2, 2)),
        breath_mm=u(-4, 4),
        turn_rad=float(np.deg2rad(u(-1.2, 1.2))),
        filling=u(0.62, 1.08),
        gas_share=float(np.clip(habitus.fluid_level + u(-0.1, 0.15), 0.05, 0.6)),
        food=u(-0.6, 0.4),
        colon_gas=u(-0.85, 0.1),
        bowel_gas=u(-0.75, -0.25),
        noise=u(0.010, 0.028),
        coil=u(0.5, 1.0),
    )
