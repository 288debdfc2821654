"""The one error tree: every failure that a person can cause or mend is one of these.

GutCheckError
├── InputError           a value, file or folder that someone gave us
│   ├── ImageError       a picture that cannot be used
│   ├── MaskError        a label map that cannot be used
│   ├── DatasetError     a data set whose files do not fit together
│   └── ConfigError      a setting out of range, or two that contradict each other
├── ModelError           weights that are missing, unsafe or of another architecture
├── WorkspaceError       a run, evaluation or folder of the workspace that is missing or cannot be written
│   └── BusyError        somebody else has held its lock for too long
├── ReviewError          a review event that the store refuses
└── JobError             a training process that cannot be started or stopped

Each is raised with what happened, the value at fault and what to do, and reads as one sentence. The command line,
the dashboard and the demo all show ``str(error)`` and nothing else.
"""

from functools import partial
from typing import Any


class GutCheckError(Exception):
    """Base of the tree; ``str(error)`` is the sentence that people see."""

    def __init__(self, what: str, *, value: object = None, todo: str) -> None:
        self.what, self.value, self.todo = what, value, todo
        shown = "" if value is None else f": {value}"
        super().__init__(f"{what}{shown}; {todo}.")

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors come back from other processes; by default they would be rebuilt from the sentence alone.
        return partial(type(self), self.what, value=self.value, todo=self.todo), ()


class InputError(GutCheckError):
    """A value, file or folder that someone gave us cannot be used."""


class ImageError(InputError):
    """A picture cannot be read, or is not of a kind or size that we can segment."""


class MaskError(InputError):
    """A label map cannot be read, has another size than its image, or holds an unknown class."""


class DatasetError(InputError):
    """The files of a data set do not fit together."""


class ConfigError(InputError):
    """A setting is out of range, or two settings contradict each other."""


class ModelError(GutCheckError):
    """Model weights are missing, unsafe to load, or of another architecture."""


class WorkspaceError(GutCheckError):
    """Something in the workspace is missing, damaged or cannot be written."""


class BusyError(WorkspaceError):
    """Somebody else has held a lock for too long."""


class ReviewError(GutCheckError):
    """The review store refuses an event."""


class JobError(GutCheckError):
    """A training process cannot be started or stopped."""
