"""Where a search lies while it runs: a folder beside its final place, which becomes the final one when all is there.

``searches/NAME.unfinished`` holds ``run.toml`` from the start, what the search found so far, and in ``state/`` what it needs
to go on. Nothing of ``searches/NAME`` is touched before the new search is whole, so that an older one stays until then, and
whoever looks sees a finished search or none.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nas.errors import OutputError, ResumeError
from nas.searching.journal import Journal
from nas.training.checkpoint import SECONDS_BETWEEN, Checkpoint, Stream
from nas.writing import writing
from parsers.atomic import written_whole

RUN_FILE = "run.toml"
"""A folder that holds it is a search."""

_UNFINISHED = ".unfinished"
_STATE = "state"
_REPLACED = "replaced"


class Workspace:
    """The folder of a search that is not finished.

    Args:
        final: where the search will lie.
        seconds: between two writes of a training's state; else :data:`nas.training.checkpoint.SECONDS_BETWEEN`.
    """

    def __init__(self, final: Path, *, seconds: float | None = None) -> None:
        self.final, self._seconds = final, SECONDS_BETWEEN if seconds is None else seconds
        self.folder = final.with_name(final.name + _UNFINISHED) if final.name else final
        self._state = self.folder / _STATE

    @property
    def run_file(self) -> Path:
        """What started the search."""
        return self.folder / RUN_FILE

    @property
    def begun(self) -> bool:
        """Whether there is an unfinished search."""
        return self.run_file.is_file()

    @property
    def finished(self) -> bool:
        """Whether there is a finished search in the final place."""
        return (self.final / RUN_FILE).is_file()

    def check(self) -> None:
        """Refuse a place that cannot become a search's, before anything is computed.

        Raises:
            OutputError: it holds something else, or its parent cannot be written.
        """
        if self.final.name in {"", ".."}:
            raise OutputError(f"{self.final} names no folder of its own. Name another one with -o.")
        for folder, is_search in ((self.final, self.finished), (self.folder, self.begun or self._state.is_dir())):
            if folder.exists() and not (folder.is_dir() and (is_search or not any(folder.iterdir()))):
                raise OutputError(f"{folder} is there already and is no search folder. Name another one with -o.")
        parent = next(folder for folder in self.final.absolute().parents if folder.exists())
        with writing(self.final.parent), tempfile.TemporaryFile(dir=parent):
            pass

    @contextlib.contextmanager
    def opened(self, run_toml: str) -> Iterator[Workspace]:
        """Hold the folder for this process, making it where there is none; nobody else works on it meanwhile.

        Raises:
            ResumeError: another process holds it.
            OutputError: it cannot be written.
        """
        with self._held():
            with writing(self.folder):
                for part in self.folder.glob(f".{RUN_FILE}.*"):  # of a process that was killed
                    part.unlink()
                if not self.begun:
                    with written_whole(self.run_file) as file:
                        file.write(run_toml.encode())
            yield self

    def discard(self) -> None:
        """Throw an unfinished search away.

        Raises:
            ResumeError: another process works on it.
            OutputError: it cannot be removed.
        """
        if self.folder.exists():
            with self._held(), writing(self.folder):
                shutil.rmtree(self.folder)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            with writing(self.folder):
                self._state.mkdir(parents=True, exist_ok=True)
                lock = held.enter_context((self._state / "lock").open("ab"))
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    message = (
                        f"Another process is at work in {self.folder}. Wait for it, or name another folder with -o."
                    )
                    raise ResumeError(message) from None
            yield

    def journal(self) -> Journal:
        """Open the records of the queries so far."""
        return Journal(self._state / "journal.jsonl")

    def checkpoint(self, name: str, *, stream: Stream | None = None) -> Checkpoint:
        """Say where a training is kept.

        Args:
            name: of the training.
            stream: a random stream that it draws from beside torch's.
        """
        return Checkpoint(self._state / f"{name}.safetensors", stream=stream, seconds=self._seconds)

    def publish(self) -> None:
        """Put the folder, now whole, into its final place; an older search there is gone afterwards.

        A process that is killed meanwhile leaves a folder that can be gone on with, or the finished one with a rest of
        ``state/`` in it, which :meth:`tidy` takes away.

        Raises:
            OutputError: the final place cannot be written.
        """
        with writing(self.final):
            if self.final.exists():
                replaced = self._state / _REPLACED
                if replaced.exists():
                    shutil.rmtree(replaced)
                self.final.rename(replaced)
            self.folder.rename(self.final)
        self.tidy()

    def tidy(self) -> None:
        """Take away what only an unfinished search needs."""
        with writing(self.final):
            if (self.final / _STATE).is_dir():
                shutil.rmtree(self.final / _STATE)
