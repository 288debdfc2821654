"""``show``: image, reference, prediction and overlay of a few slices, side by side in one picture."""

from collections.abc import Sequence
from pathlib import Path

from core.cli.options import Parser, words_of
from core.config import InferenceConfig, pick
from core.data.index import load_index
from core.errors import ConfigError, WorkspaceError
from core.runs.registry import find_run
from core.storage.files import write_whole
from core.storage.workspace import Workspace
from training.run.arguments import find_dataset


def parser() -> Parser:
    """The options of ``show``."""
    made = Parser("python -m training show", "Draw image, reference, prediction and overlay of slices, by the best checkpoint.")
    made.add_argument("--config", action="config", help="YAML file with options; those after it on the command line win")
    made.add_argument("--run", required=True, type=str, help="a run's name or folder, or a .ckpt file")
    made.add_argument("--data", required=True, type=str, help="a data set's folder, or its name in the workspace")
    made.add_argument("--split", type=str, default="valid", help="train or valid")
    made.add_argument("--slices", type=str, default="", help="show exactly these: case1_day0_slice_0007,case1_day0_slice_0008")
    made.add_argument("--count", type=int, default=4, help="otherwise, draw so many at random")
    made.add_argument("--seed", type=int, default=42, help="seed of that draw")
    made.add_argument("--out", required=True, type=str, help="the picture, a PNG file; an earlier one is replaced")
    made.add_argument("--workspace", type=str | None, default=None, help="default: GUTCHECK_WORKSPACE, else ./workspace")
    made.add_class_arguments(InferenceConfig, skip={"flips", "flip_agreement"})
    return made


def main(argv: Sequence[str]) -> None:
    """Run the command; see `training.run.panels` for what it raises."""
    options = parser().read(argv)
    config, out = pick(InferenceConfig, options), Path(options["out"])
    if options["count"] <= 0:
        raise ConfigError("There is nothing to show", value=f"--count {options['count']}", todo="give 1 or more")
    if out.suffix.lower() != ".png":
        raise ConfigError("The picture is to be a PNG file", value=out, todo="let --out end in .png")
    workspace = Workspace.locate(options["workspace"])
    source = find_source(options["run"], workspace)
    index = load_index(find_dataset(workspace, options["data"]))

    import torch

    from core.data.images import encode_png
    from core.model.torch_engine import choose_device
    from training.run.panels import choose_slices, inference_and_visualize, load_best

    if config.threads:
        torch.set_num_threads(config.threads)
    split = options["split"]
    names = choose_slices(index, split, names=words_of(options["slices"]), count=options["count"], seed=options["seed"])
    model = load_best(source, choose_device(config.device))
    figure = inference_and_visualize(model, index, names, split=split, opacity=config.opacity, batch_size=config.batch_size)
    write_whole(out, encode_png(figure))
    print(f"Slices: {', '.join(names)}")
    print(f"Picture: {out.resolve()}")


def find_source(name: str, workspace: Workspace) -> Path:
    """The ``.ckpt`` file or the run's folder that ``--run`` means.

    Raises:
        WorkspaceError: there is no such run.
    """
    if name.endswith(".ckpt"):
        if not Path(name).is_file():
            raise WorkspaceError("The checkpoint does not exist", value=name, todo="check the path, or train first")
        return Path(name)
    return find_run(workspace, name).paths.root
