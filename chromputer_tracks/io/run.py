"""A command's run: its folder, its record, its time and memory, and the publication of its results.

::

    with run("predict", options, report) as work:
        work.read({"fasta": options.sample.fasta})   # checksums, in a thread
        with work.stages.phase("predicting"):
            ...                                      # write files into work.folder
        work.describe(results)                       # what the record says of them
    work.record                                      # as run.json holds it

The files are made in a hidden folder beside ``out`` and appear under their names, together with
``run.json`` and without anything of an earlier run, in one step: the hidden folder changes places
with ``out``. Where that cannot be done (``out`` is the current folder or a mount point, cannot be
renamed, or holds other files) they are moved one by one, the record last; a run that was killed
meanwhile is rolled back by the next one. Folders of a run's working state follow right behind, into
the new ``out``; where a run was killed before, the next one brings them. Whatever fails, the
earlier results stay.

A record may come from anybody, as a folder that was downloaded. So a run removes or writes over a
file only where size and SHA-256 in the record show that a run made it (:class:`_Own`), or where
``force`` says so and the run makes a file of that name. What a killed run left is undone only in
the folder that it was to go to.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import platform
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from secrets import token_hex
from typing import Any

from chromputer_tracks.errors import FormatError, InputError, OutputError
from chromputer_tracks.io.atomic import PARTIAL, check_folder, made_parents, output_errors, sync
from chromputer_tracks.io.outputs import OutputFile, is_unchanged, output_files
from chromputer_tracks.io.record import (
    RUN_JSON,
    Checksums,
    EarlierRun,
    ModelRecord,
    Report,
    RunRecord,
    Stages,
    peak_mb,
    versions,
)
from chromputer_tracks.io.scratch import clean_scratch
from chromputer_tracks.options.fields import RunOptions, recorded
from chromputer_tracks.records import from_plain, to_plain

_PLAN = f"{PARTIAL}plan.json"
"""In the folder of an unfinished run that another may go on with: what it does."""
_WORTH_KEEPING = 5.0
"""Seconds; a shorter run that fails leaves nothing to go on with."""
_JOURNAL = "publishing.json"
_EARLIER = ".earlier"


def _write(path: Path, text: str) -> None:
    with output_errors(path):
        path.write_text(text, encoding="utf-8")


class Run:
    """A run while it goes on; see the module's docstring.

    Attributes:
        out: where the results will lie.
        folder: where they are made.
        earlier: the results that are to be replaced; None where there are none.
        stages: time and memory.
        unfinished: plans of runs of the same folder that were killed or stopped, where they are to
            be gone on with: files, each in its run's folder.
        is_worth_keeping: asked when the run fails: whether another is to go on with it.
        checksums: what was read, by role.
        record: what was written of this run, when its block has ended.
    """

    record: RunRecord

    def __init__(
        self,
        kind: str,
        options: RunOptions,
        folder: Path,
        earlier: EarlierRun | None,
        own: _Own,
    ) -> None:
        self.kind, self.options, self.out = kind, options, options.out
        self.folder, self.earlier, self._own = folder, earlier, own
        self.unfinished: tuple[Path, ...] = ()
        self.is_worth_keeping: Callable[[], bool] = bool
        self._kept: bool | None = None
        self.stages = Stages()
        self.checksums = Checksums()
        self._started = datetime.now(UTC)
        self._described: dict[str, Any] = {}
        self._results: dict[str, Any] = {}

    def read(self, files: Mapping[str, Path | None]) -> None:
        """Files that the results depend on, by what they are; None: not given."""
        self.checksums.add({role: path for role, path in files.items() if path is not None})

    def plan(self, text: str) -> None:
        """Let another run find what this one left, should it be killed, and know what it is of."""
        _write(self.folder / f"{_PLAN}.new", text)
        with output_errors(self.folder):
            (self.folder / f"{_PLAN}.new").replace(self.folder / _PLAN)

    def is_kept(self) -> bool:
        """Whether what was made stays for another run when this one fails."""
        if self._kept is None:
            lasted = (datetime.now(UTC) - self._started).total_seconds()
            is_planned = (self.folder / _PLAN).is_file()
            self._kept = is_planned and lasted >= _WORTH_KEEPING and self.is_worth_keeping()
        return self._kept

    def go_on_with(self, folder: Path | None) -> None:
        """Keep the folder of one unfinished run until this one is done; the others go."""
        self.unfinished = tuple(plan for plan in self.unfinished if plan.parent != folder)
        self.remove_unfinished()
        self.unfinished = () if folder is None else (folder / _PLAN,)

    def remove_unfinished(self) -> None:
        """Remove what was left of the runs that this one has gone on with."""
        for plan in self.unfinished:
            _discard(plan.parent)

    def describe(self, results: Any = None, **parts: Any) -> None:
        """Say what the record holds beside what every record does.

        Args:
            results: dataclass or mapping of the command's own keys.
            **parts: ``provider``, ``model``, ``genome``, ``assays``; or another field of the record
                that is to say something else.
        """
        self._described |= parts
        if results is not None:
            self._results |= to_plain(results)

    def finish(self, name: str | None) -> None:
        """Make the record, now that all is there, and write it under a name; None: do not."""
        inputs = self.checksums.result()
        model = self._described.get("model")
        if model is not None and "model" in inputs:
            # The model's own files are told with the model.
            graph = inputs.pop("model")
            model = ModelRecord(
                model.name, graph.path, graph.bytes, graph.sha256, model.spec,
                inputs.pop("explain", None),
            )  # fmt: skip
        outputs = tuple(sorted(_files(self.folder)))
        with output_errors(self.folder):
            checksums = output_files(self.folder, outputs)
        record = RunRecord(
            self.kind,
            shlex.join(self.options.command),
            str(Path.cwd()),
            self._started.isoformat(timespec="seconds"),
            round((datetime.now(UTC) - self._started).total_seconds(), 3),
            versions(),
            recorded(self.options),
            inputs,
            outputs,
            round(self.stages.peak_mb() or peak_mb(), 1),
            self.stages.report(),
            checksums,
            results=self._results,
        )
        self.record = replace(record, **(self._described | {"model": model}))
        if name is not None:
            _write(self.folder / name, self.record.to_json())


@contextmanager
def run(
    kind: str,
    options: RunOptions,
    report: Report,
    *,
    keep: tuple[str, ...] = (),
    resume: bool = False,
) -> Iterator[Run]:
    """Run a command whose results are a folder.

    Args:
        kind: the command, as ``run.json`` says; results of another are never written over.
        options: the command's.
        report: told when earlier results are replaced.
        keep: folders of ``out`` that are the run's working state and stay as they are: names, or
            patterns of names, that no result has.
        resume: find what runs that were killed or stopped left (:attr:`Run.unfinished`), which is
            removed when this one is done; else it is removed now.

    Raises:
        OutputError: the folder cannot be made or written into, is being written into, or holds
            other things (and no ``force``).
    """
    out = options.out
    check_folder(out)
    clean_scratch()
    place = _real(out)
    with made_parents(out), _lock(place, out):
        with output_errors(out):
            unfinished = _recover(place, place, keep, resume=resume)
            earlier = _earlier(out, kind, keep, force=options.force)
            own = _own_files(place, earlier, RUN_JSON, out, force=options.force)
            made = bool(keep) and not place.exists()
            if keep:
                place.mkdir(exist_ok=True)
            folder = _staged(place)
        if earlier is not None:
            report.note(
                f"note: {out} holds the results of an earlier `chromputer {kind}` "
                f"({earlier.started}), which this run replaces"
            )
        work = Run(kind, options, folder, earlier, own)
        work.unfinished = tuple(unfinished)
        kept = False
        try:
            with _final_names(work, out):
                yield work
                work.finish(RUN_JSON)
                with output_errors(out):
                    _publish(work, place, own, keep)
            work.remove_unfinished()
        except BaseException:
            kept = work.is_kept()
            raise
        finally:
            if not kept:
                _discard(folder, keep)
            if made:
                # It stays when something was put there.
                with suppress(OSError):
                    place.rmdir()


@contextmanager
def run_files(
    kind: str, options: RunOptions, report: Report, *, record: bool = True
) -> Iterator[Run]:
    """Run a command whose results are a file and others beside it with the same stem.

    Args:
        kind: the command.
        options: the command's; ``out`` is the file.
        report: told when the results of an earlier run are replaced.
        record: write the record, with the file's stem and ``.json``.

    Raises:
        OutputError: the files cannot be written, or are being written.
    """
    out = options.out
    check_folder(out.parent)
    parent = _real(out.parent)
    name = out.with_suffix(".json").name
    with made_parents(out), _lock(parent / out.name, out):
        earlier = None
        with output_errors(out):
            _recover(parent / out.name, parent)
            with suppress(InputError):
                found = EarlierRun.read(out.with_name(name))
                earlier = found if found.kind == kind and out.name in found.outputs else None
            # Of files beside others only those that the user named are written over.
            own = _own_files(parent, earlier, name, out.parent, force=True)
            folder = _new_folder(parent, out.name)
        work = Run(kind, options, folder, earlier, own)
        try:
            with _final_names(work, out.parent):
                yield work
                work.finish(name if record else None)
                with output_errors(out):
                    _move_in_place(work, parent, own, name)
        finally:
            _discard(folder)


@contextmanager
def only_run(out: Path) -> Iterator[None]:
    """Keep other runs from writing a file and its companions, and remove what killed ones left.

    Args:
        out: made by :func:`~chromputer_tracks.io.atomic.atomic_path` inside the block.

    Raises:
        OutputError: the file is being written.
    """
    clean_scratch()
    place = _real(out.parent) / out.name
    with _lock(place, out):
        with output_errors(out):
            left = f"{PARTIAL}{'[0-9a-f]' * 8}-{escape(place.name)}"
            for pattern in (left, f"{left}.[tc][bs]i"):
                for path in place.parent.glob(pattern):
                    path.unlink()
        yield


@contextmanager
def _final_names(work: Run, out: Path) -> Iterator[None]:
    """Compute checksums; errors name files where they are to be, not where they are made."""
    try:
        with work.checksums:
            yield
    except OutputError as error:
        error.args = tuple(str(part).replace(str(work.folder), str(out)) for part in error.args)
        raise


def _real(path: Path) -> Path:
    """The absolute path without links, which is one however a folder is called."""
    with output_errors(path):
        return Path(os.path.realpath(path))


def _discard(folder: Path, keep: tuple[str, ...] = ()) -> None:
    """Remove what was made, but not earlier results or working state that could not be put back."""
    if not (folder / _JOURNAL).exists() and not _working(folder, keep):
        shutil.rmtree(folder, ignore_errors=True)


def _working(folder: Path, keep: tuple[str, ...]) -> list[str]:
    """Names of the folders of working state in a folder."""
    found = {path.name for name in keep for path in folder.glob(name) if path.is_dir()}
    return sorted(found)


def _bring(folder: Path, place: Path, keep: tuple[str, ...]) -> None:
    """Move the working state to the folder of results, but nothing over what is there."""
    for name in _working(folder, keep):
        if not os.path.lexists(place / name):
            (folder / name).rename(place / name)


def _files(folder: Path) -> list[str]:
    """The files below a folder, relative to it, without hidden ones of runs."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if (path.is_file() or path.is_symlink())
        and not path.relative_to(folder).parts[0].startswith(PARTIAL)
    ]


# The folder of results before the run.


@contextmanager
def _lock(place: Path, out: Path) -> Iterator[None]:
    """Keep other runs out of a place; the system lets go when the process ends, however it ends.

    Args:
        place: resolved, so that it is the same by whatever name runs call it.
        out: what messages call it.
    """
    folder = place.parent if os.access(place.parent, os.W_OK | os.X_OK) else place
    path = folder / f"{PARTIAL}{place.name}.lock"
    while True:
        with output_errors(out):
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(number, 1000).decode(errors="replace")
            os.close(number)
            raise OutputError(
                f"{out} is being written by another run ({holder or 'just started'}): wait for "
                "it, or name another folder"
            ) from None
        except OSError:
            break  # a file system without locks
        # Its holder may have removed the file since it was opened: then nobody else sees this one.
        with suppress(OSError):
            if path.stat().st_ino == os.fstat(number).st_ino:
                break
        os.close(number)
    try:
        # On a full disk the lock holds without its holder's name.
        with suppress(OSError):
            os.ftruncate(number, 0)
            os.write(number, f"process {os.getpid()} on {platform.node()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(number)


def _earlier(out: Path, kind: str, keep: tuple[str, ...], *, force: bool) -> EarlierRun | None:
    """The earlier results in a folder; refuses what is not to be replaced."""
    if (out / RUN_JSON).is_file():
        try:
            record = EarlierRun.read(out / RUN_JSON)
        except InputError as error:
            raise OutputError(
                f"{error}: name another folder, or remove that file and pass --force"
            ) from error
        if record.kind != kind:
            raise OutputError(
                f"{out} holds the results of `chromputer {record.kind}`, which `chromputer {kind}` "
                "would replace: name another folder"
            )
        return record
    if not force and out.exists():
        others = [
            item.name
            for item in out.iterdir()
            if not item.name.startswith(PARTIAL)
            and not any(fnmatchcase(item.name, name) for name in keep)
        ]
        if others:
            raise OutputError(
                f"{out} holds files that are not of an earlier run (it has no {RUN_JSON}): name "
                "another folder, or pass --force"
            )
    return None


@dataclass(frozen=True, slots=True)
class _Own:
    """Files in a folder that an earlier run is known to have made.

    Attributes:
        files: by name, relative to the folder, what tells whether it was touched since.
        force: whether others of the same names may be written over.
    """

    files: dict[str, tuple[int, ...]] = field(default_factory=dict)
    force: bool = False

    def names(self, folder: Path) -> set[str]:
        """Those that nobody has touched since they were compared with the record."""
        return {name for name, seen in self.files.items() if _touched(folder / name) == seen}


def _touched(path: Path) -> tuple[int, ...]:
    """Differs when a file was written, replaced or removed."""
    try:
        found = path.lstat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _own_files(
    folder: Path, earlier: EarlierRun | None, record: str, out: Path, *, force: bool
) -> _Own:
    """The files of an earlier run in a folder, by their content, and its record.

    Args:
        folder: without links.
        earlier: what the record says; None where there is none.
        record: its name.
        out: what messages call the folder.
        force: leave alone what cannot be shown to be the earlier run's.

    Raises:
        OutputError: one cannot, and no ``force``.
    """
    if earlier is None:
        return _Own(force=force)
    files = {record: _touched(folder / record)}
    for name in earlier.outputs:
        made = earlier.checksums.get(name)
        seen = _touched(folder / name)
        # An edited record must not lead outside of the folder.
        if not (seen and _is_inside(folder, name)):
            continue
        if made is not None and is_unchanged(folder / name, made):
            files[name] = seen
        elif not force:
            raise OutputError(
                f"{out / name} is not the file that the earlier run made (by its SHA-256 in "
                f"{record}), so that it may be yours: move it elsewhere or name another folder; "
                "with --force it stays, unless this run makes a file of that name"
            )
    return _Own(files, force)


def _new_folder(parent: Path, name: str) -> Path:
    """An empty hidden folder for results of this name."""
    folder = _hidden(parent, name)
    folder.mkdir()
    return folder


def _hidden(parent: Path, name: str) -> Path:
    return parent / f"{PARTIAL}{token_hex(4)}-{name}"


def _staged(place: Path) -> Path:
    """Where results are made: beside their place if that can be exchanged for them, else in it."""
    if os.access(place.parent, os.W_OK | os.X_OK) and not _is_fixed(place):
        return _new_folder(place.parent, place.name)
    place.mkdir(exist_ok=True)
    return _new_folder(place, place.name)


def _is_fixed(place: Path) -> bool:
    """Whether a folder must stay the one that it is: a mount point, or one that is used."""
    here = Path.cwd().resolve()
    return place.exists() and (place.is_mount() or place in (here, *here.parents))


def _recover(
    place: Path, target: Path, keep: tuple[str, ...] = (), *, resume: bool = False
) -> list[Path]:
    """Undo what killed runs left: the earlier results come back, unfinished ones go.

    None of their hidden folders is in use while the lock holds. ``target`` is the folder that files
    were moved into. With ``resume`` folders of this user with a plan stay: their plans are
    returned.
    """
    plans: list[Path] = []
    pattern = f"{PARTIAL}{'[0-9a-f]' * 8}-{escape(place.name)}"
    folders = [*place.parent.glob(pattern), *place.glob(pattern)]
    for folder in filter(Path.is_dir, folders):
        _put_back(folder, target)
        plan = folder / _PLAN
        if resume and plan.is_file() and plan.stat().st_uid == os.getuid():
            plans.append(plan)
        elif not place.exists() and (folder / RUN_JSON).is_file() and not plan.exists():
            # Killed between the two steps of an exchange that the file system lacks.
            folder.rename(place)
        else:
            if place.is_dir():
                _bring(folder, place, keep)
            shutil.rmtree(folder, ignore_errors=True)
    return plans


# Publication.


def _publish(work: Run, place: Path, own: _Own, keep: tuple[str, ...]) -> None:
    """Put the results and their record where they belong, without anything of an earlier run."""
    folder = work.folder
    there = set(_files(place)) if place.exists() else set()
    working = set(_working(place, keep))
    results = {name for name in there if Path(name).parts[0] not in working}
    old = folder
    exchange = folder.parent != place and results <= own.names(place)
    if exchange:
        _sync(folder)
        (folder / _PLAN).unlink(missing_ok=True)
        try:
            if place.exists():
                shutil.copymode(place, folder)
                old = _exchange(folder, place)
            else:
                folder.rename(place)
        except OSError:
            # In a folder that has a sticky bit or a lower layer, only files may be renamed.
            if not place.exists():
                raise
            exchange = False
    if exchange:
        _bring(old, place, keep)
        _discard(old, keep)
        sync(place)
        sync(place.parent)
    else:
        _move_in_place(work, place, own, RUN_JSON)


def _exchange(folder: Path, place: Path) -> Path:
    """Let two folders change places, in one step if the system can; where the old one is now."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        # renameat2(AT_FDCWD, folder, AT_FDCWD, place, RENAME_EXCHANGE)
        failed = libc.renameat2(-100, os.fsencode(folder), -100, os.fsencode(place), 2)
        if not failed:
            return folder
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(number, os.strerror(number))
    except AttributeError:
        pass  # not Linux
    aside = _hidden(place.parent, place.name)
    place.rename(aside)
    try:
        folder.rename(place)
    except BaseException:
        aside.replace(place)
        raise
    return aside


@dataclass(frozen=True, slots=True)
class _Journal:
    """What is under way while files are moved one by one.

    Attributes:
        names: of all files that are moved.
        earlier: those among them that were in the folder before.
        folders: that were not.
        made: the new files.
    """

    names: tuple[str, ...]
    earlier: tuple[str, ...]
    folders: tuple[str, ...]
    made: dict[str, OutputFile]


def _move_in_place(work: Run, target: Path, own: _Own, record: str) -> None:
    """Move files one by one; on an error put back what was there.

    The old record goes first and the new one comes last: in between there is none, and no false
    one. A journal says what is under way, for the next run if this one is killed.

    Args:
        work: its folder holds the files.
        target: where they go.
        own: an earlier run's files in ``target``; those that do not come again go.
        record: name of the record.
    """
    folder = work.folder
    made = sorted(_files(folder), key=lambda name: name == record)
    inside = own.names(target)
    there = [name for name in {*made, *inside} if os.path.lexists(target / name)]
    there.sort(key=lambda name: name != record)
    for name in made:
        if not _is_inside(target, name):
            raise OutputError(
                f"cannot write {folder / name}: a link of this folder leads out of it: remove it"
            )
    for name in there:
        if (target / name).is_dir() and not (target / name).is_symlink():
            raise OutputError(f"cannot write {folder / name}: a folder has this name")
        if name not in inside and not own.force:
            raise OutputError(
                f"cannot write {folder / name}: somebody else has written a file of this name "
                "meanwhile"
            )
    parents = {parent for name in made for parent in Path(name).parents}
    journal = _Journal(
        (*made, *there),
        tuple(there),
        tuple(str(parent) for parent in parents if not (target / parent).exists()),
        {name: OutputFile.of(folder / name) for name in made if name == record}
        | work.record.checksums,
    )
    _sync(folder)
    _write(folder / f"{_JOURNAL}.new", json.dumps(to_plain(journal)))
    sync(folder / f"{_JOURNAL}.new")
    (folder / f"{_JOURNAL}.new").replace(folder / _JOURNAL)
    try:
        for name in there:
            kept = folder / _EARLIER / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            (target / name).replace(kept)
        for name in made:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).replace(target / name)
        sync(target)
        (folder / _JOURNAL).unlink()
    except BaseException:
        _put_back(folder, target)
        raise
    for parent in sorted({(target / name).parent for name in inside}, reverse=True):
        if parent != target:
            # It stays when anything else is in it.
            with suppress(OSError):
                parent.rmdir()


def _put_back(folder: Path, target: Path) -> None:
    """Undo the moves of which a folder's journal says that they were under way, if it has one.

    Args:
        folder: has the journal.
        target: where the files were moved to.

    Raises:
        OutputError: it is no journal of a run, or a file is neither the earlier nor the new one.
    """
    path = folder / _JOURNAL
    if not path.is_file():
        return
    try:
        journal = from_plain(_Journal, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError, FormatError) as error:
        raise OutputError(
            f"{path} is not what a run writes ({error}): remove {folder} and run again"
        ) from error
    for name in (*journal.names, *journal.folders):
        if not _is_inside(target, name):
            raise OutputError(f"{path} leads out of {target} ({name!r}): remove {folder}")
    for name in journal.names:
        kept, new = folder / _EARLIER / name, target / name
        if os.path.lexists(kept):
            if os.path.lexists(new) and not _was_made(journal, name, new):
                raise OutputError(
                    f"{new} is of no run, but in the place of {kept}, which a run that was killed "
                    "put aside: remove one of them and run again"
                )
            kept.replace(new)
        elif (
            name not in journal.earlier
            and not os.path.lexists(folder / name)
            and _was_made(journal, name, new)
        ):
            new.unlink()
    for name in sorted(journal.folders, reverse=True):
        # It stays when anything else is in it.
        with suppress(OSError):
            (target / name).rmdir()
    path.unlink()


def _was_made(journal: _Journal, name: str, path: Path) -> bool:
    made = journal.made.get(name)
    return made is not None and is_unchanged(path, made)


def _is_inside(folder: Path, name: str) -> bool:
    if ".." in Path(name).parts:
        return False
    # Where a link of this name leads does not matter: it is the link that is moved or removed.
    return (folder / name).parent.resolve().is_relative_to(folder.resolve())


def _sync(folder: Path) -> None:
    """Have a folder and all that is in it on the disk."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            sync(path)
