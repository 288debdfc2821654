"""``python -m training.reference``: make the generated tables of the documentation anew, see `tests.write_docs`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("tests.write_docs", run_name="__main__")
