"""``python -m core.reviews verify``: check the chain of hashes, and keep its head elsewhere."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core.cli.options import Parser
from core.errors import ReviewError
from core.reviews.store.chain import Head, read_head
from core.reviews.store.database import URL_VARIABLE
from core.reviews.store.store import ReviewStore
from core.storage.files import write_json
from core.storage.workspace import Workspace


def main(argv: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ReviewError: there is no store, or it does not hold; the sentence names the event.
    """
    parser = Parser("python -m core.reviews verify", "Check that no review was changed, removed or moved.")
    parser.add_argument("--workspace", type=str, default=None, help="folder; default: GUTCHECK_WORKSPACE, else ./workspace")
    parser.add_argument(
        "--head",
        type=str,
        default=None,
        help="file that keeps the last event, best on another machine: checked where it is there, then brought up to date",
    )
    options = parser.read(argv)
    file = Path(options["head"]) if options["head"] else None
    head = check(Workspace.locate(options["workspace"]), read_head(file) if file and file.exists() else None)
    if file:
        write_json(file, asdict(head))
    print(f"{head.sequence} review events, each as it was written. The last has the hash {head.hash}.")


def check(workspace: Workspace, kept: Head | None = None) -> Head:
    """Check a workspace's store and return its last event.

    Raises:
        ReviewError: see `main`.
    """
    database = workspace.reviews_db
    # Opening would make an empty one, and say that all is well.
    if not os.environ.get(URL_VARIABLE) and not database.is_file():
        raise ReviewError("There is no review store", value=database, todo="choose the --workspace that has one")
    store = ReviewStore.open(database)
    try:
        head = store.head()
        problem = store.verify(kept)
    finally:
        store.close()
    if problem:
        todo = "keep a copy of the database as it is, restore the last backup and find out who wrote to it"
        raise ReviewError(problem.rstrip("."), todo=todo)
    return head
