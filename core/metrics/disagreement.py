"""Where two label volumes differ: which voxels are near the outline, what hangs together, and a place to look at."""

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.data.grid import Spacing
from core.data.masks import LabelMap
from core.labels import NUM_CLASSES
from core.metrics.surface import ROUNDING

Box = tuple[slice, slice, slice]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]


def box_of(reference: LabelMap, prediction: LabelMap) -> Box | None:
    """The smallest box that holds every organ voxel of either volume."""
    occupied = (reference | prediction) != 0
    box = []
    for axis in range(3):
        found = np.flatnonzero(occupied.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(found):
            return None
        box.append(slice(int(found[0]), int(found[-1]) + 1))
    return box[0], box[1], box[2]


MANY_OFFSETS = 20_000
"""Voxels in a ball from which distances over the whole box are the cheaper way; a tolerance of 3 mm at 1 mm has 123."""


class Ball:
    """The voxels around one whose centres lie within a radius; bounded by the box in which it is used."""

    def __init__(self, steps: Spacing, radius: float, box: tuple[int, ...]) -> None:
        """
        Args:
            steps: distance of voxel centres (z, y, x), in the radius's unit.
            box: shape of the box; what lies further than its sides is never looked at.
        """
        self.steps, self.radius = steps, radius
        reach = [int(min(radius / step * (1 + ROUNDING), side)) for step, side in zip(steps, box, strict=True)]
        self.offsets: Indices | None = None
        """(K, 3), nearest first; ``None`` where they would be very many."""
        self.margin: Indices = np.ones(3, np.int64)
        """Voxels by which the box is to be padded so that no offset leads out of it."""
        if math.prod(2 * r + 1 for r in reach) <= MANY_OFFSETS:
            offsets = np.array(list(product(*(range(-r, r + 1) for r in reach))), np.int64)
            squares = ((offsets * np.array(steps)) ** 2).sum(axis=1)
            order = np.argsort(squares, kind="stable")
            self.offsets = offsets[order[self.holds(squares[order])]]
            self.margin = np.maximum(np.abs(self.offsets).max(axis=0), 1)

    def holds(self, squares: NDArray[np.float64]) -> Flags:
        """Whether squared distances lie within, but for rounding."""
        within: Flags = squares <= self.radius**2 * (1 + ROUNDING) ** 2
        return within


NEIGHBOURS: Indices = np.array([offset for offset in product((-1, 0, 1), repeat=3) if any(offset)], np.int64)


class Grid:
    """Two label volumes in a padded box, and the voxels where they differ, as flat positions."""

    def __init__(self, reference: LabelMap, prediction: LabelMap) -> None:
        self.shape = reference.shape
        self.reference, self.prediction = reference, prediction
        self._strides: Indices = np.array([self.shape[1] * self.shape[2], self.shape[2], 1])
        self.points: Indices = np.flatnonzero(reference != prediction)
        self.wanted: LabelMap = reference.ravel()[self.points]
        self.drawn: LabelMap = prediction.ravel()[self.points]

    def near(self, ball: Ball) -> Flags:
        """Which voxels lie within the ball of the outline that they should follow."""
        extra, missing = np.flatnonzero(self.drawn), np.flatnonzero(self.wanted)
        near = np.ones(len(self.points), np.bool_)
        near[extra] = self._within(extra, self.reference, self.drawn, ball)
        missing = missing[near[missing]]
        near[missing] = self._within(missing, self.prediction, self.wanted, ball)
        missing = missing[near[missing]]
        near[missing] = self._within(missing, _surface(self.reference), self.wanted, ball)
        return near

    def attached(self, labels: Indices, core: Flags) -> Flags:
        """Which regions, missing or extra, touch their organ in the other volume, by face, edge or corner."""
        found = np.zeros(int(labels.max()) + 1, np.bool_)
        steps = NEIGHBOURS @ self._strides
        sides = ((self.reference, self.drawn, self.wanted), (self.prediction, self.wanted, self.drawn))
        for volume, classes, others in sides:
            flat = volume.ravel()
            left = np.flatnonzero(core & (classes > 0) & (others == 0))
            for step in steps:
                touching = flat[self.points[left] + step] == classes[left]
                found[labels[left[touching]]] = True
                # One voxel that touches speaks for its whole region.
                left = left[~found[labels[left]]]
        return found

    def label(self, near: Flags, ball: Ball) -> tuple[Indices, Flags]:
        """Each voxel's region, from 0; and which voxels are far or belong to something far."""
        pairs = (self.wanted * np.uint8(NUM_CLASSES) + self.drawn).astype(np.uint8)
        codes = np.zeros(self.reference.size, np.uint8)
        codes[self.points[~near]] = pairs[~near]
        core = ~near
        rim = np.flatnonzero(near)
        core[rim] = self._within(rim, codes, pairs, ball)
        codes[self.points] = pairs + np.uint8(NUM_CLASSES**2) * core
        return self._components(codes.reshape(self.shape)), core

    def _components(self, codes: NDArray[np.uint8]) -> Indices:
        labels = np.zeros(self.shape, np.int32)
        count = 0
        for code, box in enumerate(ndimage.find_objects(codes), start=1):
            if box is not None:
                found, regions = ndimage.label(codes[box] == code, np.ones((3, 3, 3)), output=np.int32)
                labels[box] += np.where(found > 0, found + np.int32(count), np.int32(0))
                count += regions
        return labels.ravel()[self.points].astype(np.int64) - 1

    def _within(self, chosen: Indices, volume: NDArray[np.uint8], classes: LabelMap, ball: Ball) -> Flags:
        """Whether each chosen voxel has a voxel of its class in ``volume`` within the ball."""
        hit, left = np.zeros(len(chosen), np.bool_), np.arange(len(chosen))
        points, classes, flat = self.points[chosen], classes[chosen], volume.ravel()
        if ball.offsets is None:
            for each in np.unique(classes):
                mine = classes == each
                if (flat == each).any():
                    apart = ndimage.distance_transform_edt((flat != each).reshape(self.shape), sampling=ball.steps)
                    hit[mine] = ball.holds(apart.ravel()[points[mine]] ** 2)
            return hit
        for step in ball.offsets @ self._strides:
            found = flat[points[left] + step] == classes[left]
            hit[left[found]] = True
            left = left[~found]
            if not len(left):
                break
        return hit


def _surface(labels: LabelMap) -> LabelMap:
    """The label volume with only the voxels kept that have a face neighbour of another class; its edge is background."""
    kept = np.zeros(labels.shape, np.bool_)
    for axis in range(3):
        along, marks = np.moveaxis(labels, axis, 0), np.moveaxis(kept, axis, 0)
        differs = along[1:] != along[:-1]
        marks[1:] |= differs
        marks[:-1] |= differs
    return labels * kept


def representatives(labels: Indices, voxels: Indices, z: Indices, y: Indices, x: Indices) -> Indices:
    """One voxel of each region, in whole numbers so that ties fall alike everywhere: `ErrorRegion.x` says which."""
    planes = int(z.max()) + 1
    keys, plane_of, sizes = np.unique(labels * planes + z, return_inverse=True, return_counts=True)
    region, plane = keys // planes, keys % planes
    centre = np.bincount(labels, weights=z)[region].astype(np.int64)
    order = np.lexsort((plane, np.abs(plane * voxels[region] - centre), -sizes, region))
    largest = order[np.unique(region[order], return_index=True)[1]]
    chosen = np.flatnonzero(np.isin(plane_of, largest))
    part = plane_of[chosen]
    squares = sum(
        (axis[chosen] * sizes[part] - np.bincount(part, weights=axis[chosen]).astype(np.int64)[part]) ** 2 for axis in (y, x)
    )
    order = np.lexsort((x[chosen], y[chosen], squares, labels[chosen]))
    picked: Indices = chosen[order[np.unique(labels[chosen][order], return_index=True)[1]]]
    return picked
