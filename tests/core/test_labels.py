"""The class table: the ids, names and colours that files and front ends agree on."""

import numpy as np

from core.labels import CLASSES, NUM_CLASSES, ORGAN_NAMES, ORGANS, PALETTE, TITLES, class_table


def test_ids_names_and_colours_are_those_of_the_course() -> None:
    assert [(c.id, c.name, c.rgb) for c in CLASSES] == [
        (0, "background", (0, 0, 0)),
        (1, "stomach", (0, 0, 255)),
        (2, "small_bowel", (0, 255, 0)),
        (3, "large_bowel", (255, 0, 0)),
    ]


def test_organs_leave_background_out() -> None:
    assert ORGAN_NAMES == ("stomach", "small_bowel", "large_bowel")
    assert NUM_CLASSES == len(ORGANS) + 1 == 4


def test_palette_row_is_the_colour_of_its_class() -> None:
    np.testing.assert_array_equal(PALETTE, [[0, 0, 0], [0, 0, 255], [0, 255, 0], [255, 0, 0]])
    assert PALETTE.dtype == np.uint8


def test_hex_colours() -> None:
    assert [c.hex for c in CLASSES] == ["#000000", "#0000ff", "#00ff00", "#ff0000"]


def test_titles_know_the_classes_and_all_organs() -> None:
    assert [TITLES[name] for name in ("background", "large_bowel", "all", "macro")] == [
        "Background", "Large bowel", "All organs", "All organs",
    ]  # fmt: skip


def test_class_table_is_plain_json() -> None:
    assert class_table()[1] == {"id": 1, "name": "stomach", "rgb": [0, 0, 255]}
