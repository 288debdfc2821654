"""``python -m training.demo_weights --out core/demo/run``: train the small model that ships with the embedded demo."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from core.cli.options import Parser
from core.cli.progress import progress_bar
from core.config import PhantomConfig, SplitConfig
from core.data.index import load_index
from core.data.prepare.phantoms import prepare_phantom
from core.errors import ModelError
from core.runs.settings import RunSettings, read_settings
from core.storage.files import new_folder, read_json, write_json
from core.storage.workspace import RunPaths

RECIPE = Path(__file__).parents[1] / "recipes" / "demo.yaml"
PATIENTS = PhantomConfig(first_patient=101, patients=24)
"""Other phantoms than those of the demo's own data set, which begin at 1: the demo's scores are patient-clean."""
SPLIT = SplitConfig(valid_fraction=0.2)
DATASET = "phantoms-101-124"
MAX_BYTES = 8_000_000


def main(argv: Sequence[str]) -> None:
    """Make the phantoms, train, and write the run without its checkpoints, its weights in half precision.

    Raises:
        ModelError: the run gave no model, or a larger one than a repository should hold.
        WorkspaceError: the disk refuses.
    """
    parser = Parser("python -m training.demo_weights", "Train the embedded demo's model on phantoms.")
    parser.add_argument("--out", required=True, type=str, help="folder of the run; an earlier one is replaced")
    parser.add_argument("--config", dest="recipe", type=str, default=str(RECIPE), help="the recipe, a YAML file")
    parser.add_argument("--patients", type=int, default=PATIENTS.patients, help="phantoms to train and validate on")
    options = parser.read(argv)
    settings = read_settings(Path(options["recipe"]), {})
    phantoms = replace(PATIENTS, patients=options["patients"])
    with tempfile.TemporaryDirectory() as scratch:
        run = train(Path(scratch), phantoms, settings)
        size = package(run, Path(options["out"]))
    print(f"Demo run: {options['out']} ({size / 1e6:.1f} MB)")


def train(scratch: Path, phantoms: PhantomConfig, settings: RunSettings) -> RunPaths:
    """Make the phantoms and train on them, below ``scratch``."""
    from training.run.fit import fit

    with progress_bar("Making phantoms") as progress:
        prepare_phantom(scratch / DATASET, config=phantoms, split=SPLIT, progress=progress)
    result = fit(load_index(scratch / DATASET), RunPaths(scratch / "demo"), settings.training, settings.input_recipe)
    if result.checkpoint is None:
        raise ModelError("The run gave no model", value=result.state, todo="let it validate once")
    return result.paths


def package(run: RunPaths, out: Path) -> int:
    """Write the run to ``out``, whole, and return its bytes: no checkpoints, no paths or process ids of this machine.

    Raises:
        ModelError: more than `MAX_BYTES`.
        WorkspaceError: the disk refuses.
    """
    from core.model.segformer import load_model, save_model

    network, recipe = load_model(run.model)
    with new_folder(out, replace=True) as folder:
        made = RunPaths(folder)
        save_model(network, made.model, recipe, half=True)
        made.config.write_text(yaml.safe_dump(_settings(run), sort_keys=False), encoding="utf-8")
        write_json(made.manifest, _manifest(run))
        write_json(made.status, _status(run))
        made.metrics.write_bytes(run.metrics.read_bytes())
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size > MAX_BYTES:
            raise ModelError("The demo's run is too large", value=f"{size:,} bytes", todo="train a smaller model")
    return size


def _settings(run: RunPaths) -> dict[str, Any]:
    return dict(yaml.safe_load(run.config.read_text(encoding="utf-8"))) | {"data": DATASET}


def _manifest(run: RunPaths) -> dict[str, Any]:
    content = read_json(run.manifest)
    content["dataset"]["root"] = DATASET
    # The phantoms can be made again from their numbers; thousands of hashes of files that are gone say nothing.
    for split in content["splits"].values():
        split["files"] = {}
    return dict(content)


def _status(run: RunPaths) -> dict[str, Any]:
    content = read_json(run.status)
    return dict(content) | {"pid": None, "process_created_at": None, "heartbeat_at": None}
