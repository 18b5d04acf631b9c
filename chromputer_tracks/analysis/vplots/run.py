"""A whole run of ``chromputer vplot``: from files to a picture, its numbers and their record."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from chromputer_tracks.analysis.vplots.aggregate import FINE_LENGTH_EDGES
from chromputer_tracks.analysis.vplots.figures import FigureText, check_suffix, save_vplots
from chromputer_tracks.analysis.vplots.fragments import (
    Background,
    Compare,
    Means,
    Normalise,
    bed_background,
    fragment_means,
    genome_background,
    input_means,
    locus_table,
    random_background,
    sites_table,
)
from chromputer_tracks.analysis.vplots.images import (
    CHANGE,
    CONTRIBUTION,
    INPUT,
    PRIOR,
    VplotAxes,
    VplotRow,
    VplotTable,
    label_title,
    mean_image,
    sum_image,
    write_vplot_tsv,
)
from chromputer_tracks.analysis.vplots.sites import (
    ALL,
    Centre,
    VplotSites,
    only_classes,
    oriented,
    present_classes,
    read_sites,
    thinned,
)
from chromputer_tracks.analysis.vplots.states import (
    explain_states,
    explained_table,
    predicted_bins,
    state_bins,
    states_head,
    vplot_input,
    with_predicted_states,
    with_states,
)
from chromputer_tracks.data.features import DEFAULT_BIN, Features
from chromputer_tracks.data.labels import MODEL_STATES, UNKNOWN, Mask, read_mask, read_states
from chromputer_tracks.errors import FormatError, InputError, counted
from chromputer_tracks.inference.explain import Method, open_explainer
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.run import RUN_JSON, Checksums, versions
from chromputer_tracks.inference.sample import announce, assay_files, open_sample
from chromputer_tracks.inference.session import ProviderChoice, open_session
from chromputer_tracks.intervals import ChromSizes, Interval, format_region, parse_region
from chromputer_tracks.io.assays import open_assay
from chromputer_tracks.io.atomic import atomic_path, check_parent
from chromputer_tracks.io.bed import read_tss
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.run import Report
from chromputer_tracks.io.text import parse_int32
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.spec import HeadSpec

# ---- What a V-plot is drawn of, and how: the options of a run, checked against each other.

GENOME, RANDOM = "genome", "random"

_MOST_BINS = 10_000
"""Position bins of a picture; a V-plot of more cannot be seen."""
_POSITION = re.compile(r"(?P<chrom>\S+):(?P<position>[0-9][0-9,]*)")


@dataclass(frozen=True, slots=True)
class VplotOptions:
    """A run of ``chromputer vplot``.

    Attributes:
        out: the picture; the numbers (``.tsv``) and the record (``.json``) get its name.
        sample: the genome and the fragments; None where explained sites are drawn.
        regions: BED of sites.
        site: one locus, as a browser shows it, or one position; in place of ``regions``.
        centre: what lies at 0; see :func:`~.vplots.sites.read_sites`.
        by: column of ``regions`` that tells classes apart.
        chroms: contigs that sites may lie on; empty: all.
        exclude: BED; sites whose centre lies inside are left out.
        orient: BED of genes or start sites; sites are turned by the nearest one's strand.
        orient_within: bp within which a start site counts.
        window: bp; None: 2,000, or the model's.
        bin_size: bp per position bin; None: 10, or the model's.
        edges: fragment-length class edges in bp; None: 20 to 400 by 10, or the model's.
        normalise: ``none``: fragments per site and pixel; ``depth``: per million fragments, too;
            ``lengths``: over the genome's mean of each length class; ``model``: as the model reads
            them.
        background: compared with: ``genome`` (its mean), ``random`` (places) or a BED's name.
        compare: with the background.
        prior: fragments that draw a ratio towards 1.
        seed: of random places and of a model's references.
        model: a model folder, an ``.onnx`` file or a shipped model's name.
        input: name of the model's V-plot; None: the only one.
        states: BED of true states; None: the model's predictions.
        only: names of the classes to draw; empty: all.
        max_sites: of a state at most, evenly spaced; explaining takes time.
        min_sites: a state with fewer sites is left out.
        contributions: folder that ``chromputer explain`` wrote.
        method: of explaining.
        references: dinucleotide shuffles a window.
        provider: where the model runs.
        threads: CPU threads; None: those that the process may use.
        title: of the picture.
        zero: what lies at 0, for the axis; empty: by ``centre``.
        smooth: pixels of the Gaussian that smooths the picture.
        command: the command line, for the record.
    """

    out: Path
    sample: SampleFiles | None = None
    regions: Path | None = None
    site: str | None = None
    centre: Centre = "summit"
    by: str | None = None
    chroms: tuple[str, ...] = ()
    exclude: Path | None = None
    orient: Path | None = None
    orient_within: int = 1000
    window: int | None = None
    bin_size: int | None = None
    edges: tuple[int, ...] | None = None
    normalise: Normalise = "none"
    background: str | None = None
    compare: Compare = "log2"
    prior: float = PRIOR
    seed: int = 0
    model: str | Path | None = None
    input: str | None = None
    states: Path | None = None
    only: tuple[str, ...] = ()
    max_sites: int = 100
    min_sites: int = 10
    contributions: Path | None = None
    method: Method = "deeplift"
    references: int = 5
    provider: ProviderChoice = "auto"
    threads: int | None = None
    title: str = ""
    zero: str = ""
    smooth: float = 1.0
    command: tuple[str, ...] = ()

    @property
    def by_state(self) -> bool:
        """Whether a model's states are explained."""
        return self.model is not None and self.contributions is None and self.normalise != "model"

    @property
    def at_zero(self) -> str:
        """What lies at 0, for the axis."""
        return self.zero or (self.centre if self.centre in ("start", "end") else "site")

    def files(self) -> SampleFiles:
        """The genome and the fragments.

        Raises:
            InputError: none are given.
        """
        if self.sample is None:
            raise InputError(
                "give the genome with --fasta and fragments with --fragments, or explained sites "
                "with --contributions and --model"
            )
        return self.sample

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            InputError: they do not; says what to do.
        """
        for value, allowed, name in (
            (self.normalise, get_args(Normalise), "--normalise"),
            (self.compare, get_args(Compare), "--compare"),
        ):
            if value not in allowed:
                raise InputError(f"{name} {value!r} is not one of {', '.join(allowed)}")
        given = {
            "--site": self.site,
            "--regions": self.regions,
            "--by": self.by,
            "--background": self.background,
            "--orient": self.orient,
            "--states": self.states,
            "--exclude": self.exclude,
            "--model": self.model,
            "--window": self.window,
            "--bin": self.bin_size,
            "--lengths": self.edges,
        }
        refused: tuple[str, ...] = ()
        why = ""
        if self.contributions is not None:
            refused = ("--site", "--regions", "--background", "--states", "--exclude", "--orient")
            refused += ("--window", "--bin", "--lengths")
            why = "--contributions draws the sites of that folder"
            if self.model is None:
                raise InputError(
                    "--contributions needs the model that was explained: name it with --model"
                )
        elif self.site is not None:
            refused = ("--regions", "--by", "--background", "--orient", "--states", "--model")
            why = "--site draws the fragments of one locus"
            if self.normalise != "none":
                raise InputError(f"{why}: leave --normalise {self.normalise} out")
        elif self.by_state:
            refused = ("--by", "--background", "--window", "--bin", "--lengths")
            why = "--model draws its own states and pixels"
            if self.normalise != "none":
                raise InputError(f"{why}: leave --normalise {self.normalise} out")
        else:
            refused = ("--states",)
            why = "true states are drawn with a model (--model), or by --regions FILE --by name"
            if self.regions is None:
                raise InputError("give sites with --regions, or one locus with --site")
        if self.normalise == "model":
            refused += ("--bin", "--lengths")
            why = "--normalise model draws the model's own pixels"
            if self.model is None:
                raise InputError("--normalise model needs a model: name it with --model")
            if self.background == GENOME or (self.background and self.compare == "log2"):
                raise InputError(
                    "what a model reads is compared with --background random or a BED, by "
                    "--compare difference"
                )
        for name in refused:
            if given[name] is not None:
                raise InputError(f"{why}: leave {name} out")

    def own_axes(self) -> tuple[int, int, tuple[int, ...]]:
        """Window, bin and length edges where no model gives them.

        Raises:
            InputError: they cannot be drawn.
        """
        bin_size = DEFAULT_BIN if self.bin_size is None else self.bin_size
        return (
            checked_window(2000 if self.window is None else self.window, bin_size),
            bin_size,
            FINE_LENGTH_EDGES if self.edges is None else self.edges,
        )


def checked_window(window: int, bin_size: int) -> int:
    """The window itself when it can be drawn.

    Raises:
        InputError: it is no even multiple of the bin, or of too many bins.
    """
    if bin_size < 1 or window < bin_size or window % 2 or window % bin_size:
        raise InputError(
            f"a V-plot's window of {window:,} bp must be even and a multiple of its bin of "
            f"{bin_size} bp"
        )
    if window > _MOST_BINS * bin_size:
        raise InputError(
            f"a V-plot of {window:,} bp in bins of {bin_size} bp has more than {_MOST_BINS:,} "
            "bins: draw less, or in larger bins"
        )
    return window


def parse_lengths(text: str) -> tuple[int, ...]:
    """Length class edges from ``FIRST:LAST:STEP`` or a list such as ``20,100,180,247``, in bp.

    Raises:
        InputError: the text is neither, or the edges do not ascend.
    """
    parts = text.split(":")
    numbers = [parse_int32(part.strip()) for part in (parts if len(parts) > 1 else text.split(","))]
    known = [number for number in numbers if number is not None and number >= 0]
    if len(known) < len(numbers) or len(parts) not in (1, 3):
        raise InputError(f"lengths {text!r}: write FIRST:LAST:STEP or edges such as 20,100,180,247")
    edges = tuple(known)
    if len(parts) == 3:
        first, last, step = known
        if step < 1 or last <= first or (last - first) % step:
            raise InputError(
                f"lengths {text!r}: the step must divide the stretch from first to last"
            )
        edges = tuple(range(first, last + 1, step))
    if len(edges) < 2 or any(b <= a for a, b in zip(edges, edges[1:], strict=False)):
        raise InputError(f"lengths {text!r}: at least two edges, ascending")
    return edges


def parse_locus(text: str, sizes: ChromSizes, window: int, bin_size: int) -> Interval:
    """The stretch to draw of a locus, in whole bins.

    Args:
        text: ``chrI:1,001-2,000`` (1-based, inclusive) for all of it, its end moved right to a
            whole bin; ``chrI:1,500`` for the window around that base.
        sizes: the genome's contigs.
        window: bp around a single base.
        bin_size: bp.

    Raises:
        InputError: it cannot be read, leaves its contig, or is too long.
    """
    found = _POSITION.fullmatch(text.strip())
    if found and text.strip() not in sizes:
        size = sizes.require(found["chrom"], f"--site {text}")
        position = int(found["position"].replace(",", ""))
        if not 1 <= position <= size:
            raise InputError(f"--site {text}: {found['chrom']} has the bases 1 to {size:,}")
        return Interval.centred(found["chrom"], position - 1, checked_window(window, bin_size))
    try:
        region = parse_region(text, sizes)
    except FormatError as error:
        error.add_note("or as chrI:1,500 for the window around a base")
        raise
    bins = -(-len(region) // bin_size)
    if bins > _MOST_BINS:
        raise InputError(
            f"--site {text}: {len(region):,} bp in bins of {bin_size} bp are more than "
            f"{_MOST_BINS:,} bins: draw less, or in larger bins with --bin"
        )
    return Interval(region.chrom, region.start, region.start + bins * bin_size)


# ---- The run: a table drawn, its numbers and its record written.

_RECORDED = tuple(
    field.name
    for field in fields(VplotOptions)
    if field.name not in ("out", "sample", "command", "threads", "provider")
)


@dataclass(frozen=True, slots=True)
class VplotResult:
    """What a run wrote.

    Attributes:
        outputs: the picture; its numbers, see :func:`~.vplots.images.write_vplot_tsv`; the record.
        table: what was drawn.
        record: what the JSON holds.
    """

    outputs: tuple[Path, Path, Path]
    table: VplotTable
    record: dict[str, Any]


def draw_vplots(options: VplotOptions, report: Report) -> VplotResult:
    """Draw V-plots, and write their numbers (``.tsv``) and record (``.json``) beside the picture.

    Options are checked before files are read.

    Raises:
        InputError: options that do not go together, or a file that cannot be used.
        SpecError: the model cannot be used.
        ProviderError: the provider does not work here.
        OutputError: something cannot be written.
    """
    check_suffix(options.out)
    options.check()
    check_parent(options.out)
    with ExitStack() as stack:
        model = None if options.model is None else load_model(options.model)
        checksums = stack.enter_context(Checksums(_roles(options, model)))
        if model is not None and options.contributions is not None:
            item = vplot_input(model.spec, options.input)
            table = explained_table(
                options.contributions, model.spec, item, options.only, options.by, options.chroms
            )
        elif model is not None and options.by_state:
            table = _state_table(options, model, stack, report)
        else:
            table = _fragments_table(options, model, stack, report)
        report.note(f"drawing {options.out}")
        numbers, described = (options.out.with_suffix(suffix) for suffix in (".tsv", ".json"))
        title = options.title
        if len(table.rows) == 1 and table.rows[0].name == ALL:
            # One class that has no name of its own takes the picture's title.
            stem = "" if options.regions is None else options.regions.name.partition(".")[0]
            row = replace(table.rows[0], title=title or stem)
            table, title = replace(table, rows=(row,)), ""
        save_vplots(options.out, table, FigureText(title, options.at_zero), options.smooth)
        write_vplot_tsv(numbers, table)
        record = {
            "command": shlex.join(options.command),
            "versions": versions(),
            "inputs": checksums.result(),
            "options": {name: _plain(getattr(options, name)) for name in _RECORDED},
            "fragments": None
            if options.sample is None
            else asdict(options.sample.fragment_options),
            "classes": [
                {"name": row.name, "title": row.title, "sites": row.sites} for row in table.rows
            ],
            "quantities": {quantity.name: quantity.unit for quantity in table.quantities},
        }
        with atomic_path(described) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return VplotResult((options.out, numbers, described), table, record)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _roles(options: VplotOptions, model: Model | None) -> dict[str, Path]:
    """Files whose checksums are recorded, by what they are."""
    roles: dict[str, Path | None] = {
        "model": None if model is None else model.path,
        "regions": options.regions,
        "states": options.states,
        "exclude": options.exclude,
        "orient": options.orient,
    }
    if options.contributions is not None:
        record = options.contributions / RUN_JSON
        roles["contributions"] = record if record.is_file() else None
    elif options.sample is not None:
        roles["fasta"] = options.sample.fasta
        roles["fragments"] = options.sample.fragments
        roles |= {f"assay {name}": path for name, path in options.sample.assays.items()}
    if options.background not in (None, GENOME, RANDOM):
        roles["background"] = Path(str(options.background))
    return {role: path for role, path in roles.items() if path is not None}


# ---- Fragments of sites or of a locus.


def _fragments_table(
    options: VplotOptions, model: Model | None, stack: ExitStack, report: Report
) -> VplotTable:
    files = options.files()
    fasta = stack.enter_context(Fasta(files.fasta))
    sizes = fasta.sizes
    if options.site is not None:
        window, bin_size, edges = options.own_axes()
        locus = parse_locus(options.site, sizes, window, bin_size)
        store = _store(options, stack, sizes, report)
        title = options.title or format_region(locus)
        return locus_table(store, locus, bin_size, edges, title)
    excluded = read_mask(options.exclude, sizes)
    sites = _region_sites(options, sizes, excluded, report)
    sites = present_classes(only_classes(sites, options.only, str(options.regions)))
    if model is None:
        axes = VplotAxes.around_site(*options.own_axes())
        store = _store(options, stack, sizes, report)
        means = fragment_means(store, sizes, axes)
    else:
        item = vplot_input(model.spec, options.input)
        window = checked_window(options.window or model.spec.window, item.bin)
        axes = VplotAxes.around_site(window, item.bin, item.length_edges)
        assay_files(model, files)
        sample = open_sample(stack, model, fasta, files, report)
        source = sample.assays[item.assay]
        if not isinstance(source, FragmentStore):
            raise InputError(
                f"the assay {item.assay} of model {model.name} is no file of fragments"
            )
        store, means = source, input_means(sample.features, item, axes)
    return sites_table(
        means,
        store,
        sites,
        axes,
        str(options.regions),
        normalise=options.normalise,
        background=_background(options, means, store, sites, sizes, axes, excluded),
        compare=options.compare,
        prior=options.prior,
    )


def _store(
    options: VplotOptions, stack: ExitStack, sizes: ChromSizes, report: Report
) -> FragmentStore:
    files = options.files()
    if files.fragments is None:
        raise InputError("give a BAM, fragment file or BEDPE with --fragments")
    source = open_assay(
        stack,
        files.fragments,
        sizes,
        files.fragment_options,
        lambda kept: report.progress("reading", kept, None, "fragments"),
        files.scratch,
    )
    if not isinstance(source, FragmentStore):
        raise InputError(f"{files.fragments} is a bigWig; a V-plot needs fragments")
    report.note(f"{source.total:,} fragments, {source.density:.3g} per kb")
    return source


def _background(
    options: VplotOptions,
    means: Means,
    store: FragmentStore,
    sites: VplotSites,
    sizes: ChromSizes,
    axes: VplotAxes,
    excluded: Mask,
) -> Background | None:
    if options.background is None:
        return None
    if options.background == GENOME:
        return genome_background(store, axes)
    if options.background == RANDOM:
        return random_background(means, sites, sizes, axes, excluded, options.seed)
    return bed_background(Path(options.background), means, sizes, options.centre, excluded)


# ---- Which sites are drawn: kept or left out, and turned, as the options say.


def _region_sites(
    options: VplotOptions, sizes: ChromSizes, excluded: Mask, report: Report
) -> VplotSites:
    """The sites of ``regions``.

    Raises:
        InputError: none are given or left, or a file cannot be used.
    """
    if options.regions is None:
        raise InputError("give sites with --regions")
    sites = read_sites(options.regions, sizes, options.centre, options.by)
    return _turned(options, _kept(options, sites, sizes, excluded, report), sizes, report)


def _kept(
    options: VplotOptions, sites: VplotSites, sizes: ChromSizes, excluded: Mask, report: Report
) -> VplotSites:
    """The sites that lie where they are asked for, and not where they are excluded.

    Raises:
        InputError: none is left.
    """
    there = np.ones(len(sites), dtype=bool)
    if options.chroms:
        wanted = Mask.from_intervals(parse_region(text, sizes) for text in options.chroms)
        there = sites.inside(wanted)
    hidden = sites.inside(excluded)
    kept = sites.take(there & ~hidden)
    what = str(options.regions or options.states or "the genome's bins")
    reasons = {
        f"not on {', '.join(options.chroms)}": int((~there).sum()),
        f"in {options.exclude}": int((there & hidden).sum()),
    }
    left_out = "; ".join(f"{count:,} {why}" for why, count in reasons.items() if count)
    if not len(kept):
        raise InputError(f"{what}: no site is left of {len(sites):,} ({left_out})")
    report.note(
        f"{counted(len(kept), 'site')} of {what}" + (f" (not: {left_out})" if left_out else "")
    )
    return kept


def _turned(
    options: VplotOptions, sites: VplotSites, sizes: ChromSizes, report: Report
) -> VplotSites:
    """Sites turned by the nearest gene's strand where ``orient`` is given, else as they are."""
    if options.orient is None:
        return sites
    found, near = oriented(sites, read_tss(options.orient, sizes), options.orient_within)
    report.note(
        f"{near:,} of {len(sites):,} sites are turned by the strand of a start site within "
        f"{options.orient_within:,} bp; the others stay as they are"
    )
    return found


# ---- A model's states: their sites found, explained, and made a table.


def _state_table(
    options: VplotOptions, model: Model, stack: ExitStack, report: Report
) -> VplotTable:
    """A row for each state with enough sites, each with three images.

    They are what the model reads there, the mean contributions to the state's logit, and the mean
    change of its probability.
    """
    spec, files = model.spec, options.files()
    head, item = states_head(spec), vplot_input(spec, options.input)
    fasta = stack.enter_context(Fasta(files.fasta))
    sizes = fasta.sizes
    assay_files(model, files)
    known = None
    if options.states is not None:
        known = read_states(options.states, head.labels, sizes, MODEL_STATES)
    explainer = open_explainer(
        model,
        options.method,
        references=options.references,
        seed=options.seed,
        provider=options.provider,
        threads=options.threads,
    )
    candidates = None
    if options.regions is not None or known is not None:
        candidates = _candidates(options, sizes, spec.label_bin, report)
    announce(model, explainer.session, sizes, files, report)
    features = open_sample(stack, model, fasta, files, report).features
    if candidates is not None and known is not None:
        sites = with_states(candidates, known, head)
    else:
        sites = _predicted(options, model, head, features, sizes, candidates, report)
    sites = _enough(options, only_classes(sites, options.only, f"model {model.name}"), report)
    sites = _turned(options, thinned(sites, options.max_sites), sizes, report)
    images = explain_states(
        explainer,
        features,
        sites,
        spec,
        head,
        item,
        lambda done: report.progress("explaining", done, len(sites), "sites"),
    )
    rows = tuple(
        VplotRow(
            label.name,
            label_title(label),
            int(images.sites[code]),
            (
                mean_image(images.values[code]),
                sum_image(images.contributions[code]),
                mean_image(images.changes[code]),
            ),
            label.color,
        )
        for code, label in enumerate(head.labels)
        if images.sites[code]
    )
    axes = VplotAxes.around_site(spec.window, item.bin, item.length_edges)
    return VplotTable(axes, (INPUT, CONTRIBUTION, CHANGE), rows)


def _contigs(options: VplotOptions, sizes: ChromSizes) -> list[str]:
    """Contigs on which bins are taken."""
    if not options.chroms:
        return list(sizes)
    return list(dict.fromkeys(parse_region(text, sizes).chrom for text in options.chroms))


def _candidates(options: VplotOptions, sizes: ChromSizes, width: int, report: Report) -> VplotSites:
    """The regions, or all whole label bins, that are not excluded."""
    excluded = read_mask(options.exclude, sizes)
    if options.regions is not None:
        return _region_sites(options, sizes, excluded, report)
    bins = state_bins(sizes, _contigs(options, sizes), width)
    return _kept(options, bins, sizes, excluded, report)


def _predicted(
    options: VplotOptions,
    model: Model,
    head: HeadSpec,
    features: Features,
    sizes: ChromSizes,
    regions: VplotSites | None,
    report: Report,
) -> VplotSites:
    """Sites in classes by the model's own states."""
    session = open_session(model.path, options.provider, options.threads)
    if regions is not None:
        report.note("predicting the states of the sites")
        return with_predicted_states(session, features, regions, model.spec, head)
    contigs = _contigs(options, sizes)
    report.note(f"predicting the states of {', '.join(contigs)}")
    bins = predicted_bins(session, features, sizes, contigs, model.spec, head)
    return _kept(options, bins, sizes, read_mask(options.exclude, sizes), report)


def _enough(options: VplotOptions, sites: VplotSites, report: Report) -> VplotSites:
    """Sites of the states that have enough of them."""
    count = sites.counts()
    few = (count < options.min_sites) & (count > 0)
    listed = ", ".join(
        f"{name} ({n:,})"
        for name, n, is_few in zip(sites.classes, count, few, strict=True)
        if is_few
    )
    if not (count >= max(1, options.min_sites)).any():
        where = options.states or f"the predictions of {options.model}"
        raise InputError(
            f"no state of {where} has {counted(options.min_sites, 'site')} or more"
            + (f": {listed}; lower --min-sites" if listed else "")
        )
    if listed:
        report.note(f"left out, with fewer than {counted(options.min_sites, 'site')}: {listed}")
    return sites.take((sites.code != UNKNOWN) & ~few[sites.code])
