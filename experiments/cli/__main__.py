"""The pagesim command: `pagesim --help`."""

from __future__ import annotations

import os
import sys

# Before anything loads numpy: pages are made by many processes, not by many threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click

from experiments.cli.database import database
from experiments.cli.page import page
from experiments.cli.run import run
from experiments.cli.serve import serve
from experiments.cli.services import services
from experiments.cli.terminal import console, print_error
from experiments.cli.validate import validate
from experiments.cli.worlds import import_, world
from mesh.errors import PagesimError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pagesim")
def cli() -> None:
    """Simulate homepages at a past moment, under a change that nobody has shipped.

    To begin: `pagesim world generate`, `pagesim db upgrade`, `pagesim world live`, then
    `pagesim run EXPERIMENT.yaml`.
    """


for _command in (import_, world, database, run, validate, page, serve, services):
    cli.add_command(_command)


def main() -> None:
    """Run the command; say what is wrong in one message."""
    try:
        # Without standalone mode click returns the exit code of `context.exit`.
        sys.exit(cli(standalone_mode=False))
    except PagesimError as error:
        print_error(error)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        console.print("Interrupted.")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
