"""Inputs of ``predict`` read once before anything is predicted, so that what is wrong with one is said at once."""

from dataclasses import dataclass

from core.cli.progress import ReportProgress, silent
from core.data.identity import MAX_NAMED
from core.data.readers.pictures import read_picture
from core.errors import GutCheckError, ImageError
from training.commands.inputs import Inputs, PictureInput, VolumeInput


@dataclass(frozen=True)
class Checked:
    """Inputs that can be used, and what is wrong with the others."""

    pictures: tuple[PictureInput, ...]
    volumes: tuple[VolumeInput, ...]
    problems: tuple[tuple[str, GutCheckError], ...] = ()
    """With what messages call the input."""

    @property
    def count(self) -> int:
        return len(self.pictures) + len(self.volumes)

    @property
    def sentences(self) -> list[str]:
        """The problems in words."""
        return [f"{shown}: {error.what[:1].lower()}{error.what[1:]}" for shown, error in self.problems]


def check_inputs(inputs: Inputs, *, progress: ReportProgress = silent) -> Checked:
    """Decode every picture and read every volume."""
    good: list[PictureInput | VolumeInput] = []
    problems = []
    given: tuple[PictureInput | VolumeInput, ...] = (*inputs.pictures, *inputs.volumes)
    for done, each in enumerate(given):
        progress(done, len(given), each.shown)
        try:
            if isinstance(each, VolumeInput):
                each.read()
            else:
                read_picture(each.path)
        except GutCheckError as error:
            problems.append((each.shown, error))
            continue
        good.append(each)
    pictures = tuple(each for each in good if isinstance(each, PictureInput))
    return Checked(pictures, tuple(each for each in good if isinstance(each, VolumeInput)), tuple(problems))


def refuse_problems(checked: Checked) -> None:
    """Stop if any input cannot be used.

    Raises:
        GutCheckError: the only input's own.
        ImageError: of several, all are counted and the first few named.
    """
    if not checked.problems:
        return
    if checked.count == 0 and len(checked.problems) == 1:
        raise checked.problems[0][1]
    problems = checked.sentences
    more = f"; and {len(problems) - MAX_NAMED} more" if len(problems) > MAX_NAMED else ""
    what = "One input cannot be used" if len(problems) == 1 else f"{len(problems)} inputs cannot be used"
    todo = "replace them, or leave them out with --skip_bad"
    raise ImageError(what, value="; ".join(problems[:MAX_NAMED]) + more, todo=todo)
