"""``python -m training.reference``: write the tables of options in README.md anew from the parsers of the commands."""

from training.tools.reference import main

if __name__ == "__main__":
    main()
