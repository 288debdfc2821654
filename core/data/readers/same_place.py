"""Whether two volumes have the same voxels in the same places."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from core.data.grid import Grid
from core.errors import MaskError

SAME_PLACE_MM = 0.1
"""Two volumes lie in the same place if no corner of one is further than this from the other's."""
RESAMPLE = "resample one to the other, or mend its header"


def corners(shape: Sequence[int]) -> NDArray[np.float64]:
    """Indices (8, 4) of a volume's corner voxels, each with a 1."""
    return np.array([[*corner, 1] for corner in product(*((0, side - 1) for side in shape))], np.float64)


def check_same_place(
    ours: Grid, our_shape: Sequence[int], theirs: Grid, their_shape: Sequence[int], *, value: object, names: tuple[str, str]
) -> None:
    """Check that two volumes (Z, H, W) have the same voxels in the same places.

    Args:
        value: the files, for the sentence.
        names: what each is, such as truth and prediction.

    Raises:
        MaskError: they differ in shape; a corner of one lies more than `SAME_PLACE_MM` from the other's; only one says where
            it lies; or neither does and their spacings differ.
    """
    both = f"{names[0]} and {names[1]}"
    if tuple(our_shape) != tuple(their_shape):
        sizes = " and ".join("×".join(map(str, tuple(shape)[::-1])) for shape in (our_shape, their_shape))
        raise MaskError(f"The volumes of {both} differ in shape ({sizes})", value=value, todo="resample one to the other")
    if (ours.affine is None) != (theirs.affine is None):
        which, other = names if ours.affine is None else names[::-1]
        what = f"The {which} does not state where it lies and the {other} does"
        raise MaskError(what, value=value, todo=f"copy the header's place from the {other}")
    if ours.affine is None:
        steps = ours.spacing_mm, theirs.spacing_mm
        if None not in steps and not np.allclose(*steps, rtol=1e-3):  # type: ignore[arg-type]
            said = " and ".join("×".join(f"{step:.4g}" for step in each or ()) for each in steps)
            raise MaskError(f"The volumes of {both} differ in spacing ({said} mm)", value=value, todo=RESAMPLE)
        return
    apart = float(np.linalg.norm((corners(our_shape) @ (ours.matrix - theirs.matrix).T)[:, :3], axis=1).max())
    if apart > min(SAME_PLACE_MM, 0.5 * min(ours.spacing_mm or (1.0,))):
        what = f"The volumes of {both} do not lie in the same place (corners up to {apart:.3g} mm apart)"
        raise MaskError(what, value=value, todo=RESAMPLE)
