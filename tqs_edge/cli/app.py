"""The `tqs-edge` program: verbs, exit statuses, error lines."""

from __future__ import annotations

import sys
import traceback

import typer
from typer.exceptions import TyperException

from tqs_edge import __version__
from tqs_edge.cli import bench, boards, build, demo, inspect, measure, ship, weights
from tqs_edge.cli.console import complain
from tqs_edge.errors import TqsError

EXIT_USAGE = 2
EXIT_INTERNAL = 70  # EX_SOFTWARE: a defect of tqs-edge itself
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="tqs-edge",
    help="Score, plan, compile and verify time-series models that run in a loop on Arm cores.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("check")(inspect.check)
app.command("score")(measure.score)
app.command("plan")(measure.plan)
app.command("compile")(build.compile_)
app.command("simulate")(build.simulate)
app.command("verify")(build.verify)
app.command("weights")(weights.weights)
app.command("flash")(ship.flash)
app.command("models")(inspect.models)
app.command("doctor")(inspect.doctor)
app.add_typer(boards.app, name="boards")
app.add_typer(bench.app, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tqs-edge {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True),
    debug: bool = typer.Option(False, "--debug", help="Show a traceback with an error."),
) -> None:
    """Global options; --debug is read by `main`, and may stand anywhere."""


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits.

    0: done; 1: verification failed; 2: bad input; 3: a tool is missing.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    sys.exit(_run([w for w in words if w != "--debug"], debug))


def _run(words: list[str], debug: bool) -> int:
    try:
        status = app(words, standalone_mode=False)
        return status if isinstance(status, int) else 0
    except TqsError as error:
        if debug:
            traceback.print_exc()
        complain(str(error))
        return error.exit_status
    except TyperException as error:
        if error.format_message():  # none where help was printed instead
            complain(error.format_message())
        return EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted; nothing half-written was kept")
        return EXIT_INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        complain(
            f"internal error ({type(error).__name__}: {_first_line(error)}); this is a defect of "
            "tqs-edge, please report it with the output of the same command with --debug"
        )
        return EXIT_INTERNAL


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "no message")
