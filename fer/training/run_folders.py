"""Which folders training may write to, and a run that a new one replaces, which is kept aside until it can go."""

import shutil
from pathlib import Path

from fer.errors import ModelError
from fer.files import convert_errors
from fer.runs import Run


def check_name(run: Run) -> None:
    """Raise a :class:`~fer.errors.ModelError` if the folder would be taken for a single saved network."""
    if run.model == run.folder:
        raise ModelError(
            f"The name of a run folder must not end in {run.folder.suffix}, as files do. Received: {run.folder}."
            " Remedy: name another with --run."
        )


def check_free(run: Run) -> None:
    """Raise a :class:`~fer.errors.ModelError` if a new run would replace a run or other files in the folder."""
    if run.is_finished or run.is_begun:
        kind, remedy = ("a finished", "") if run.is_finished else ("an unfinished", "resume it with --resume, ")
        raise ModelError(
            f"A run folder holds one run. Received: {run.folder}, which holds {kind} one."
            f" Remedy: {remedy}name another with --run, or replace it with --overwrite."
        )
    others = [] if run.is_run else run.list_files()
    if others:
        raise ModelError(
            f"A new run must not replace other files. Received: {run.folder}, which holds {others[0].name} but no"
            " run. Remedy: name another folder with --run."
        )


def check_new(run: Run, overwrite: bool) -> None:
    """Raise a :class:`~fer.errors.ModelError` unless a new run may be written to the folder."""
    check_name(run)
    if overwrite:
        check_replaceable(run)
    else:
        check_free(run)


def check_resumable(run: Run) -> None:
    """Raise a :class:`~fer.errors.ModelError` unless the folder holds an unfinished training."""
    if run.is_finished or not run.is_begun:
        received = "a finished run" if run.is_finished else "none"
        raise ModelError(
            f"Only an unfinished run can be resumed. Received: {run.folder}, which holds {received}."
            " Remedy: drop --resume, or name another run with --run."
        )


def check_replaceable(run: Run) -> None:
    """Raise a :class:`~fer.errors.ModelError` if the folder holds files but no run."""
    is_empty = not run.folder.exists() or (
        run.folder.is_dir() and not any(path != run.lock for path in run.folder.iterdir())
    )
    if not (is_empty or run.is_run):
        raise ModelError(
            f"--overwrite replaces a run. Received: {run.folder}, which holds other files."
            " Remedy: name another folder with --run."
        )


def move_aside(run: Run) -> None:
    """Move the files of the run into its folder ``replaced``, until the new run has its first checkpoint.

    Raises:
        OutputError: a file cannot be moved.
    """
    remove_replaced(run)
    with convert_errors(run.replaced):
        # A folder of its own tells a move that was interrupted from a whole one.
        _move_files(run.list_files(), run.folder, run.moved)
        if run.moved.is_dir():
            run.moved.rename(run.replaced)


def restore_replaced(run: Run) -> None:
    """Move the files that :func:`move_aside` moved back, unless the new run has its first checkpoint.

    Raises:
        OutputError: a file cannot be moved.
    """
    with convert_errors(run.folder):
        if run.replaced.is_dir() and not (run.is_begun or run.is_finished):
            for path in run.list_files():
                path.unlink()
            run.replaced.rename(run.moved)
        if run.moved.is_dir():
            _move_files([path for path in run.moved.rglob("*") if path.is_file()], run.moved, run.folder)
            shutil.rmtree(run.moved)


def remove_replaced(run: Run) -> None:
    """Remove the files that :func:`move_aside` moved."""
    for path in Run(run.replaced).list_files():
        path.unlink()
    for folder in (run.replaced / run.state.name, run.replaced):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _move_files(paths: list[Path], source: Path, target: Path) -> None:
    """Move files from one folder to another, with their subfolders."""
    for path in paths:
        moved = target / path.relative_to(source)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.replace(moved)
