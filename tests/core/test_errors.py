"""The error tree and its one wording."""

import pytest

from core import errors
from core.errors import ConfigError, DatasetError, GutCheckError, ImageError, InputError, MaskError, ModelError

TREE = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, GutCheckError)]


def test_wording_is_what_value_todo() -> None:
    error = ImageError("The picture is empty", value="a.png", todo="export it again")
    assert str(error) == "The picture is empty: a.png; export it again."


def test_wording_without_a_value() -> None:
    assert str(ModelError("There is no model", todo="train one")) == "There is no model; train one."


def test_a_value_of_zero_is_shown() -> None:
    assert str(ConfigError("Too few slices", value=0, todo="give more")) == "Too few slices: 0; give more."


def test_parts_can_be_read() -> None:
    error = MaskError("a", value=3, todo="b")
    assert (error.what, error.value, error.todo) == ("a", 3, "b")


@pytest.mark.parametrize("kind", [ImageError, MaskError, DatasetError, ConfigError])
def test_what_people_give_us_is_an_input_error(kind: type[GutCheckError]) -> None:
    assert issubclass(kind, InputError)


@pytest.mark.parametrize("kind", TREE)
def test_every_error_stands_in_the_drawing_at_the_top(kind: type[GutCheckError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
