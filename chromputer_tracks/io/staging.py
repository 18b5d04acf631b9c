"""Several files of a folder that appear together or not at all."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from chromputer_tracks.io.atomic import PARTIAL, check_folder, output_errors


class Staging:
    """A hidden folder in ``out`` where files are made; they move up together or not at all."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._names: list[str] | None = None

    def __enter__(self) -> Staging:
        out = self._out
        check_folder(out)
        self._made = not out.exists()
        with output_errors(out):
            out.mkdir(exist_ok=True)
            try:
                self.folder = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=out))
            except OSError:
                self._remove_made()
                raise
        return self

    def publish_when_done(self, names: list[str]) -> None:
        """Publish ``names`` when everything entered after this folder has closed well."""
        self._names = names

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._names is not None:
                self._publish(self._names)
                self._made = False
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._remove_made()

    def _remove_made(self) -> None:
        """Remove the folder if it was made here; it stays when something else is in it."""
        if self._made:
            with suppress(OSError):
                self._out.rmdir()

    def _publish(self, names: list[str]) -> None:
        """Move the files to their names; on an error put back what was there."""
        aside = self.folder / ".earlier"
        with ExitStack() as undo, output_errors(self._out):
            for name in names:
                final = self._out / name
                if not final.parent.is_dir():
                    final.parent.mkdir()
                    undo.callback(final.parent.rmdir)
                if final.exists():
                    kept = aside / name
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    final.replace(kept)
                    undo.callback(kept.replace, final)
                    (self.folder / name).replace(final)
                else:
                    (self.folder / name).replace(final)
                    undo.callback(final.unlink)
            undo.pop_all()
