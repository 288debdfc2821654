"""From tissues to an MR picture: contrast, texture, partial volume, coil profile, Rician noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.phantom.body import LENGTH_MM, Body
from core.data.phantom.habitus import Habitus
from core.data.phantom.noise import Field, smooth_noise
from core.data.phantom.tissues import TEXTURE_OF, Tissue, among, signal_table

FAT_SIGNAL = 1500.0
"""Grey level of fat where the coil profile is 1."""
_FATTY = among(Tissue.FAT, Tissue.VISCERAL_FAT, Tissue.STRAND)
_SHARPNESS_MM = 1.6


def render(body: Body, habitus: Habitus, patient: np.random.Generator, day: np.random.Generator) -> NDArray[np.uint16]:
    """The picture, (Z, H, W) uint16. Contrast comes from the patient's generator, the rest from the day's."""
    table = signal_table(habitus.trufi_share, patient)
    signal = table[body.tissue]
    signal *= 1 + TEXTURE_OF[body.tissue] * _texture(body, day)
    signal = _blurred(signal, body, habitus.ink)
    signal *= _coil_profile(body, day)
    return _rician(signal, body.visit.noise, day)


def _extent(body: Body) -> tuple[float, float, float]:
    _, height, width = body.tissue.shape
    return LENGTH_MM, height * body.pixel_mm[0], width * body.pixel_mm[1]


def _texture(body: Body, rng: np.random.Generator) -> Field:
    fine = smooth_noise(rng, body.tissue.shape, _extent(body), (9.0, 3.6, 3.6))
    coarse = smooth_noise(rng, body.tissue.shape, _extent(body), (24.0, 14.0, 14.0))
    fine += coarse
    return fine


def _blurred(signal: Field, body: Body, ink: float) -> Field:
    """Partial volume, and the dark line where fat and water cancel each other in one voxel."""
    fatty = _FATTY[body.tissue].astype(np.float32)
    for axis in (2, 1):
        passes = 1 if body.pixel_mm[axis - 1] > _SHARPNESS_MM / 2 else 2
        for _ in range(passes):
            signal = _smooth_along(signal, axis, 0.23)
            fatty = _smooth_along(fatty, axis, 0.25)
    signal = _smooth_along(signal, 0, 0.1)
    signal *= 1 - ink * 4 * fatty * (1 - fatty) * (fatty > 0)
    return signal


def _smooth_along(field: Field, axis: int, side: float) -> Field:
    """A three-tap blur along one axis; the ends keep their value."""
    if field.shape[axis] < 3:
        return field
    moved = np.moveaxis(field, axis, 0)
    out = moved * np.float32(1 - 2 * side)
    out[1:-1] += np.float32(side) * (moved[:-2] + moved[2:])
    out[0] = moved[0]
    out[-1] = moved[-1]
    return np.moveaxis(out, 0, axis)


def _coil_profile(body: Body, rng: np.random.Generator) -> Field:
    """Smooth gain (Z, H, W): brighter by the coils front and back, fading at both ends, unequal between slices."""
    broad = smooth_noise(rng, body.tissue.shape, _extent(body), 130.0)
    near = np.exp(-np.clip(body.skin, 0, 80) / np.float32(26)).astype(np.float32)
    ends = np.clip(np.minimum(body.z, LENGTH_MM - body.z) / 45, 0.0, 1.0)
    slices = (0.72 + 0.28 * ends) * (1 + 0.02 * rng.standard_normal(len(body.z)))
    gain = 1 + np.float32(0.7) * broad
    gain += np.float32(0.55 * body.visit.coil) * near
    gain *= slices.astype(np.float32)[:, None, None]
    return np.asarray(gain, dtype=np.float32)


def _rician(signal: Field, noise: float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Magnitude of a complex signal with equal Gaussian noise in both parts (Gudbjartsson and Patz, 1995)."""
    sigma = np.float32(noise * FAT_SIGNAL)
    real = rng.standard_normal(signal.shape, dtype=np.float32)
    real *= sigma
    real += signal * np.float32(FAT_SIGNAL)
    imaginary = rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary *= sigma
    magnitude = np.sqrt(real * real + imaginary * imaginary)
    return np.rint(np.minimum(magnitude, 65535)).astype(np.uint16)
