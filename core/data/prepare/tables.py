"""Tables that people write themselves: comma or semicolon, with or without a byte order mark, any line ends."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from core.errors import DatasetError


def read_columns(path: Path, needed: Sequence[str], what: str) -> pd.DataFrame:
    """A table's cells as text without blanks around them; an empty cell is an empty text.

    Args:
        needed: columns that it must have, each cell of them filled.
        what: the table, for people.

    Raises:
        DatasetError: the file is missing, is no table, or lacks a column or a value.
    """
    todo = f"give a CSV file with the columns {', '.join(needed)}"
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        rows = pd.read_csv(
            path, sep=";" if ";" in header and "," not in header else ",", dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:
        raise DatasetError(f"{what} cannot be read", value=path, todo=todo) from error
    rows.columns = [str(name).strip().casefold() for name in rows.columns]
    rows = pd.DataFrame({name: cells.str.strip() for name, cells in rows.items()})
    lacking = [name for name in needed if name not in rows.columns]
    if lacking or rows.empty:
        raise DatasetError(f"{what} has no {'rows' if not lacking else ' and no '.join(lacking)}", value=path, todo=todo)
    for name in needed:
        if (empty := rows[name] == "").any():
            # As an editor counts lines, the header's being the first.
            value = f"{path}, line {int(empty.to_numpy().argmax()) + 2}"
            raise DatasetError(f"{what} has a row without {name}", value=value, todo=todo)
    return rows
