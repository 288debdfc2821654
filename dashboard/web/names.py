"""The name under which somebody signs in: the reader's whom it means, and none that only looks like another's."""

import os

from core.errors import ReviewError
from core.reviews.store.database import URL_VARIABLE
from core.reviews.store.events import check_reader
from core.reviews.store.readers import check_scripts
from core.reviews.store.shared import shared_store


def name_to_sign_in(name: str) -> str:
    """The reader whom a name means, in the spelling that the workspace's reviews saw first; a new name, as it is.

    Raises:
        ReviewError: an impossible name, one that mixes scripts within a word, or one that looks like another reader's.
    """
    from dashboard.state import workspace  # Streamlit comes with it, which the demo alone does without

    name, database = check_reader(name), workspace().reviews_db
    if not database.is_file() and not os.environ.get(URL_VARIABLE):
        return check_scripts(name)
    try:
        store = shared_store(database)
    except ReviewError:
        # The pages say what is wrong with the reviews; the store checks the name again before it takes a word.
        return check_scripts(name)
    return store.reader_named(name)
