"""The pagesim command: `pagesim --help`."""

from __future__ import annotations

import os
import sys

# Before anything loads numpy: pages are made by many processes, not by many threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import click

from core.errors import PagesimError
from experiments.cli.lazy import LazyCommand, LazyGroup
from experiments.cli.terminal import console, guard_screens, print_error

INTERRUPTED = 130


COMMANDS = {
    "import": LazyCommand(
        "experiments.cli.worlds", "import_", "Import your own data as a world."
    ),
    "world": LazyCommand(
        "experiments.cli.worlds", "world", "Generate and show worlds, and live them forward."
    ),
    "db": LazyCommand(
        "experiments.cli.db.database", "database", "Create and maintain a store."
    ),
    "ingest": LazyCommand(
        "experiments.cli.ingest", "ingest", "Load facts from CSV, JSON Lines or Parquet."
    ),
    "plan": LazyCommand(
        "experiments.cli.runs.plan", "plan", "Show what a run would make, and what it takes."
    ),
    "run": LazyCommand("experiments.cli.runs.run", "run", "Run an experiment, to its report."),
    "status": LazyCommand("experiments.cli.runs.status", "status", "Show how far a run is."),
    "metrics": LazyCommand(
        "experiments.cli.runs.metrics", "metrics", "Measure the pages of a run again."
    ),
    "validate": LazyCommand(
        "experiments.cli.validate", "validate", "Compare simulated pages with logged ones."
    ),
    "page": LazyCommand("experiments.cli.page", "page", "Show single pages."),
    "history": LazyCommand(
        "experiments.cli.history", "history", "Show every version of the facts about an entity."
    ),
    "serve": LazyCommand(
        "experiments.cli.serve", "serve", "Serve homepages at one moment until Ctrl-C."
    ),
    "server": LazyCommand(
        "experiments.cli.server", "server", "Run the experiments of many people until Ctrl-C."
    ),
    "experiment": LazyCommand(
        "experiments.cli.experiment.experiment",
        "experiment",
        "Submit experiments to a server, and look at them.",
    ),
    "mesh": LazyCommand("experiments.cli.mesh.mesh", "mesh", "Inspect a running mesh."),
    "services": LazyCommand(
        "experiments.cli.services", "services", "Run one service by hand until Ctrl-C."
    ),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="pagesim")
def cli() -> None:
    """Simulate homepages at a past moment, under a change that has not shipped yet.

    Getting started: `pagesim world generate`, `pagesim db upgrade`, `pagesim world live`, then
    `pagesim run EXPERIMENT.yaml`.
    """


def main() -> None:
    """Run the command; say what is wrong in one message."""
    guard_screens()
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
