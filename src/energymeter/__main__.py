"""Run the command line: `python -m energymeter`."""

from energymeter.cli.app import main

if __name__ == "__main__":
    main()
