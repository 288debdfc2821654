"""Every setting: frozen dataclasses with a line of explanation per field; the command line is made from them."""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from core.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DEFAULT_MODEL = "nvidia/segformer-b4-finetuned-ade-512-512"
QUICK_EPOCHS = 5

Schedule = Literal["none", "multistep", "cosine"]
Tracker = Literal["csv", "tensorboard", "wandb", "none"]
Engine = Literal["auto", "torch", "onnx"]
InputWindow = Literal["none", "scan"]
Config = TypeVar("Config")


def default_workers() -> int:
    """Loader processes by operating system: none on Windows (spawning costs more than it gains), else one a core."""
    return 0 if platform.system() == "Windows" else os.cpu_count() or 1


def _refuse(problems: list[str], config: object) -> None:
    # All problems at once: nobody should need one start per mistake.
    if problems:
        what = "Some settings are not possible" if len(problems) > 1 else "A setting is not possible"
        raise ConfigError(what, value="; ".join(problems), todo=f"correct the {type(config).__name__}")


@dataclass(frozen=True)
class InputRecipe:
    """How slices are brought to the network; exported with the model, so that prediction needs no flag."""

    image_size: int = 288
    """Side of the square that the network sees, in pixels; a multiple of 32."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Mean per channel, of pixels scaled to 0..1 (ImageNet's)."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Standard deviation per channel, of pixels scaled to 0..1 (ImageNet's)."""
    context_stride: int = 0
    """Show the network three slices as its channels: this many slices back, the slice itself, this many on; 0: it alone."""
    window: InputWindow = "none"
    """Grey window of 8-bit pictures: none shows them as they are; scan stretches each scan by the 0.5th and 99.5th percentiles
    of its whole volume, as pictures deeper than 8 bits always are. A single uploaded picture is a scan of its own."""

    def __post_init__(self) -> None:
        problems = []
        if self.context_stride < 0:
            problems.append(f"context_stride {self.context_stride} is negative")
        if self.image_size < 32 or self.image_size % 32:
            problems.append(f"image_size {self.image_size} is not a positive multiple of 32")
        if self.window not in get_args(InputWindow):
            problems.append(f"window {self.window} is not one of {', '.join(get_args(InputWindow))}")
        if min(self.std) <= 0:
            problems.append(f"std {self.std} holds a value that is not positive")
        _refuse(problems, self)


@dataclass(frozen=True)
class TrainingConfig:
    """How a run is trained."""

    model: str = DEFAULT_MODEL
    """b0 to b5, demo for the embedded one, a hub id, or a local folder with config.json and model.safetensors."""
    batch_size: int = 8
    """Slices a step."""
    learning_rate: float = 3e-4
    """AdamW's step size."""
    weight_decay: float = 1e-4
    """AdamW's decay of the weights."""
    epochs: int = 100
    """Passes over the training split."""
    max_minutes: float | None = None
    """Stop after the epoch in which this many minutes have passed, where the cosine then ends too; nothing means no limit."""
    max_steps: int | None = None
    """Stop after this many optimiser steps; nothing means no limit."""
    workers: int = default_workers()
    """Loader processes; 0 loads in the training process."""
    seed: int = 42
    """Seed of weights, shuffling and augmentation."""
    cache: bool = True
    """Load from a cache of resized grey slices, built once in the data set's folder, and normalise on the device; false reads
    and normalises every picture each time, in colour, as the course does."""
    holes_clear_mask: bool = False
    """Make dropped-out squares background in the label map too, as the course does; otherwise the network has to complete
    what it cannot see."""
    accelerator: str = "auto"
    """What to train on, in Lightning's words: auto, cpu, gpu, mps."""
    threads: int | None = None
    """Threads that torch uses on a CPU; nothing leaves torch's own choice."""
    quick: bool = False
    """A first look: at most 5 epochs, whatever `epochs` says."""
    accumulate: int = 1
    """Batches whose gradients make one optimiser step."""
    clip_norm: float | None = None
    """Largest norm of a step's gradient; longer ones are scaled down to it. Nothing means no limit."""
    schedule: Schedule = "none"
    """How the learning rate falls: not at all, to a tenth at each of the milestones, or along half a cosine to zero."""
    milestones: tuple[int, ...] = (50, 75)
    """Epochs after which `multistep` divides the learning rate by ten."""
    warmup_epochs: float = 0.0
    """Epochs, or a fraction of one, over which the learning rate first rises from near zero."""
    ema_decay: float | None = None
    """Validate and export an exponential moving average of the weights with this decay a step, such as 0.999."""
    patience: int | None = None
    """Stop after this many validations without a better score; nothing means never."""
    balanced: bool = False
    """Draw slices with and without organs equally often; an epoch keeps its length."""
    tracker: Tracker = "csv"
    """Where losses go every 10 steps and scores every epoch, beside metrics.csv: the run's folder tracker/ in one of these
    formats. wandb stays offline unless WANDB_API_KEY is set."""
    devices: int | str = "auto"
    """Devices of this machine to train on: auto, a number, or a list such as "0,1"; batch_size counts for each."""
    num_nodes: int = 1
    """Machines that train together."""
    strategy: str = "auto"
    """How several devices work together, in Lightning's words: auto, ddp."""
    onnx: bool = True
    """Write model.onnx beside the weights when the run has finished, for faster prediction on a CPU; takes up to a minute."""

    @property
    def planned_epochs(self) -> int:
        """Epochs that this run will make, `quick` considered."""
        return min(self.epochs, QUICK_EPOCHS) if self.quick else self.epochs

    def __post_init__(self) -> None:
        problems = [f"{name} {value} is not positive" for name, value in self._positive().items() if not value > 0]
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            problems.append(f"ema_decay {self.ema_decay} is not between 0 and 1")
        if not self.warmup_epochs >= 0:
            problems.append(f"warmup_epochs {self.warmup_epochs} is negative")
        if list(self.milestones) != sorted(set(self.milestones)) or min(self.milestones, default=1) < 1:
            problems.append(f"milestones {list(self.milestones)} do not rise from 1 or later")
        if self.strategy.startswith("ddp_"):
            problems.append(f"strategy {self.strategy} copies a model that cannot be copied to another process (use ddp)")
        if not self.weight_decay >= 0:
            problems.append(f"weight_decay {self.weight_decay} is negative")
        if self.workers < 0:
            problems.append(f"workers {self.workers} is negative")
        if self.seed < 0:
            problems.append(f"seed {self.seed} is negative")
        _refuse(problems, self)

    def _positive(self) -> dict[str, float]:
        wanted = {"batch_size": self.batch_size, "learning_rate": self.learning_rate, "epochs": self.epochs}
        wanted |= {"accumulate": self.accumulate, "num_nodes": self.num_nodes}
        optional = {"max_minutes": self.max_minutes, "max_steps": self.max_steps, "threads": self.threads}
        optional |= {"clip_norm": self.clip_norm, "patience": self.patience}
        return wanted | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True)
class InferenceConfig:
    """How a trained model is applied."""

    batch_size: int = 8
    """Slices predicted at once; bounds the memory."""
    device: str = "auto"
    """What to predict on: auto (a GPU where there is one), cpu, cuda, mps."""
    threads: int | None = None
    """Threads to predict with on a CPU; nothing leaves the engine's own choice."""
    engine: Engine = "auto"
    """What computes: auto takes ONNX Runtime on a CPU where the model's folder holds a model.onnx of its weights, else torch;
    torch or onnx insists on one."""
    opacity: float = 0.45
    """Weight of the organ colours in overlay pictures, 0 to 1."""
    flips: bool = False
    """Average over the slice and its mirror images (left-right, up-down, both): four times the work."""
    flip_agreement: bool = False
    """Store how well the outlines of the mirror images agree with the plain one, a measure of confidence: four times the work,
    or none beside `flips`."""

    def __post_init__(self) -> None:
        problems = []
        if self.batch_size <= 0:
            problems.append(f"batch_size {self.batch_size} is not positive")
        if not 0 <= self.opacity <= 1:
            problems.append(f"opacity {self.opacity} is outside 0 to 1")
        if self.threads is not None and self.threads <= 0:
            problems.append(f"threads {self.threads} is not positive")
        if self.engine == "onnx" and self.device not in ("auto", "cpu"):
            problems.append(f"engine onnx predicts on a cpu, but device says {self.device}")
        _refuse(problems, self)


@dataclass(frozen=True)
class ScoringConfig:
    """How predictions are scored."""

    tolerances_mm: tuple[float, ...] = (1.5, 3.0)
    """Tolerances of the NSD in mm: how far a surface may be off and still count as right."""
    nnunet: bool = False
    """Write the scores as nnU-Net v2's summary.json too."""

    def __post_init__(self) -> None:
        problems = [f"tolerance {value} mm is not positive" for value in self.tolerances_mm if not 0 < value < float("inf")]
        if not self.tolerances_mm or len(set(self.tolerances_mm)) < len(self.tolerances_mm):
            problems.append(f"tolerances_mm {list(self.tolerances_mm)} are not one or more different lengths")
        _refuse(problems, self)


@dataclass(frozen=True)
class SplitConfig:
    """How `prepare` divides patients between training and validation."""

    valid_fraction: float = 0.2
    """Share of the patients (or of each patient's slices) held out for validation, above 0; with 1 all are, to evaluate on."""
    seed: int = 42
    """Seed of the draw."""
    valid_patients: tuple[str, ...] = ()
    """Hold out exactly these patients instead of drawing."""
    split_by: Literal["patient", "slice"] = "patient"
    """Hold out whole patients, or slices shuffled inside each patient as the course does: every patient is then on both
    sides, and scores carry the badge "leaked"."""

    def __post_init__(self) -> None:
        problems = []
        if not 0 < self.valid_fraction <= 1:
            problems.append(f"valid_fraction {self.valid_fraction} is not above 0 and at most 1")
        if self.valid_patients and self.split_by == "slice":
            problems.append("valid_patients holds out whole patients, but split_by says slice")
        _refuse(problems, self)


ADDRESS_VARIABLE = "GUTCHECK_UWM_ADDRESS"


@dataclass(frozen=True)
class ArchiveConfig:
    """Where `prepare uw-madison` gets the public archive, and what it accepts.

    The course fetches its copy from Dropbox, by a link that its own page gives; the mirror on Kaggle is
    ``learnopencvblog/uwm-gi-tract-segmentation-img-msk-split``.
    """

    address: str | None = os.environ.get(ADDRESS_VARIABLE)
    """Web address of the zip, such as the course's Dropbox link; by default that in GUTCHECK_UWM_ADDRESS."""
    archive: str | None = None
    """A zip that is here already, instead of an address."""
    sha256: str | None = None
    """SHA-256 that the zip must have, in hexadecimal; without it only the zip's own checksums are compared."""
    max_gb: float = 20.0
    """Largest size, of the zip and of what it unpacks to, in GB."""

    def __post_init__(self) -> None:
        problems = []
        if not self.max_gb > 0:
            problems.append(f"max_gb {self.max_gb} is not positive")
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", self.sha256):
            problems.append(f"sha256 {self.sha256} is not 64 hexadecimal digits")
        _refuse(problems, self)


@dataclass(frozen=True)
class PhantomConfig:
    """Which synthetic scans `prepare phantom` makes."""

    patients: int = 10
    """Number of synthetic patients; every second one has two days."""
    first_patient: int = 1
    """Number of the first patient; another number means other anatomies."""
    slices: int = 40
    """Slices a scan; they share 320 mm."""
    size: int = 224
    """Side of a slice in pixels; it spans 358 mm."""

    def __post_init__(self) -> None:
        problems = [
            f"{name} {value} is below {least}"
            for name, value, least in (
                ("patients", self.patients, 2),
                ("first_patient", self.first_patient, 0),
                ("slices", self.slices, 8),
                ("size", self.size, 48),
            )
            if value < least
        ]
        _refuse(problems, self)


RAY_VARIABLE = "GUTCHECK_RAY_ADDRESS"


def _ray_address() -> str | None:
    return os.environ.get(RAY_VARIABLE) or None


@dataclass(frozen=True)
class ClusterConfig:
    """A Ray cluster and what a run takes of it.

    Its machines must see the workspace, the data set and GutCheck's folder under the same paths as this one: shared storage.
    """

    ray_address: str | None = field(default_factory=_ray_address)
    """Web address of the cluster's Jobs API, such as http://head:8265; by default that in GUTCHECK_RAY_ADDRESS."""
    ray_workers: int = 1
    """Processes that train or predict together; batch_size counts for each."""
    cpus_per_worker: int = 1
    """Processor cores that the cluster keeps for each of them."""
    gpus_per_worker: int = 0
    """GPUs that the cluster keeps for each of them: 0 or 1."""
    ray_project: str | None = None
    """GutCheck's folder on the cluster's machines; by default where it is here."""
    ray_python: str | None = None
    """Python with GutCheck's packages and Ray on the cluster's head; by default the one that runs here."""

    def __post_init__(self) -> None:
        problems = [
            f"{name} {value} is below {least}"
            for name, value, least in (("ray_workers", self.ray_workers, 1), ("cpus_per_worker", self.cpus_per_worker, 1))
            if value < least
        ]
        if self.gpus_per_worker not in (0, 1):
            problems.append(f"gpus_per_worker {self.gpus_per_worker} is neither 0 nor 1")
        if self.ray_address is None:
            problems.append(f"ray_address is missing (or {RAY_VARIABLE})")
        elif not re.fullmatch(r"https?://[^\s/]+/?", self.ray_address):
            problems.append(f"ray_address {self.ray_address} is no address such as http://head:8265")
        _refuse(problems, self)


def pick(kind: type[Config], options: Mapping[str, Any]) -> Config:
    """The dataclass with its fields taken from the options, and its defaults where a command has no such option.

    Raises:
        ConfigError: a value out of range.
    """
    return kind(**{field.name: options[field.name] for field in fields(kind) if field.name in options})  # type: ignore[arg-type]


def changed(*configs: "DataclassInstance") -> dict[str, Any]:
    """The settings that are not the defaults, as JSON and YAML have them: those of another machine may have others."""
    kept = {}
    for config in configs:
        for setting in fields(config):
            value = getattr(config, setting.name)
            default = setting.default if setting.default_factory is MISSING else setting.default_factory()
            if value != default and value is not None:
                kept[setting.name] = list(value) if isinstance(value, tuple) else value
    return kept
