"""The questions of a quiz: what is asked, of which sites, and what is shown of them."""

from __future__ import annotations

from base64 import b64encode
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from chromputer_tracks.analysis.vplots.aggregate import FINE_LENGTH_EDGES, aggregate_by_class
from chromputer_tracks.data.features import DEFAULT_BIN, probabilities, vplot
from chromputer_tracks.data.labels import (
    MODEL_STATES,
    UNKNOWN,
    LabelSet,
    Mask,
    PeakLabels,
    read_states,
)
from chromputer_tracks.errors import InputError, meant
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.inference.session import Model
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.text import read_state_table
from chromputer_tracks.spec import InputSpec, Label, ModelSpec

Int64 = NDArray[np.int64]

# ---- What is asked: chromatin states, or whether a label is there.

_GREY = (150, 150, 150)


@dataclass(frozen=True, slots=True)
class QuizSubject:
    """What is asked.

    Attributes:
        title: what it is, such as ``chromatin states`` or ``Reb1 peaks``.
        question: as the page asks it.
        classes: the possible answers.
        labels: which class a site is of.
        rows: the model's outputs that speak of it: all states, or one binary label.
    """

    title: str
    question: str
    classes: tuple[Label, ...]
    labels: LabelSet
    rows: slice

    @property
    def binary(self) -> bool:
        """Whether it is one binary label: the classes are *other* and the label."""
        return bool(self.labels.binary)

    @property
    def states(self) -> int:
        """How many states there are; 0 for a binary label."""
        return 0 if self.binary else len(self.classes)

    def output(self, spec: ModelSpec, code: int) -> str:
        """The output that speaks for a class (the one, of a binary label), as ``HEAD.LABEL``."""
        names = [f"{head.name}.{label.name}" for head in spec.heads for label in head.labels]
        return names[self.rows][0 if self.binary else code]

    def truth(self, sites: LabelledSites) -> Int64:
        """Class of each site, ``UNKNOWN`` where it is not known; int64 (n,)."""
        return sites.binary[0] if self.binary else sites.states

    def probabilities(self, logits: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.float32]:
        """Calibrated probability of each class, as ``predict`` writes it; float32 (classes, n).

        Logits are float32 (outputs, n), in the order of the model's outputs.
        """
        rows = probabilities(logits, spec.heads)[self.rows]
        return np.concatenate([1 - rows, rows]) if self.binary else rows


def states_subject(
    spec: ModelSpec, bed: Path, table: Path | None, sizes: ChromSizes, masked: Sequence[Interval]
) -> QuizSubject:
    """The chromatin states of a BED, whose names are the model's.

    ``table`` has names and colours of the states, None for the model's own; ``masked`` regions are
    left out.

    Raises:
        InputError: the model has no states, or not those of a file.
        FormatError: a file is malformed, or segments overlap.
    """
    head = spec.states_head
    if head is None:
        raise InputError(
            f"model {spec.name} predicts no states; ask for one of its labels with --label"
        )
    codes = {label.name: code for code, label in enumerate(head.labels)}
    classes = head.labels
    if table is not None:
        named = {label.name: label for label in read_state_table(table)}
        if named.keys() != codes.keys():
            raise InputError(
                f"{table} names the states {', '.join(named)}, but model {spec.name} has "
                f"{', '.join(codes)}"
            )
        classes = tuple(named[name] for name in codes)
    states = read_states(bed, head.labels, sizes, MODEL_STATES)
    rows = spec.head_slices()[head.name]
    labels = LabelSet(states, (), Mask.from_intervals(masked))
    question = "Which chromatin state is this site in?"
    return QuizSubject("chromatin states", question, classes, labels, rows)


def binary_subject(
    spec: ModelSpec, name: str, peaks: Path, sizes: ChromSizes, masked: Sequence[Interval]
) -> QuizSubject:
    """Whether a site has a binary label, by its peaks (BED or narrowPeak).

    A site has it where a peak's centre lies in the ``label_bin`` bp around it; one with a centre in
    the ``label_bin`` bp beyond on either side is not asked. Nothing is known of a contig without
    any peak, nor of masked regions.

    Raises:
        InputError: the model has no such label, or the file cannot be used.
    """
    rows = {
        label.name: (row, label)
        for head in spec.heads
        if head.kind == "binary"
        for row, label in enumerate(head.labels, spec.head_slices()[head.name].start)
    }
    if name not in rows:
        raise InputError(
            f"--label {name}: model {spec.name} has no such binary label; it has "
            f"{', '.join(rows) or 'none'}{meant(name, rows)}"
        )
    row, label = rows[name]
    centres = read_bed(peaks, sizes).places
    silent = [Interval(chrom, 0, sizes[chrom]) for chrom in set(sizes) - {c for c, _ in centres}]
    found = PeakLabels.from_peaks(centres, spec.label_bin, spec.label_bin)
    classes = (Label("other", f"no {name} peak", _GREY), label)
    return QuizSubject(
        f"{name} peaks",
        f"Is there a {name} peak at this site?",
        classes,
        LabelSet(None, (found,), Mask.from_intervals([*masked, *silent])),
        slice(row, row + 1),
    )


def shown_assay(model: Model) -> str:
    """The assay whose fragments are shown: that of the first V-plot, else of a signal of them.

    Raises InputError where the model reads no fragments.
    """
    signals = [item for item in model.spec.inputs if item.measure not in ("", "values")]
    for item in (shown_vplot(model.spec), *signals):
        if item is not None:
            return item.assay
    raise InputError(f"model {model.name} reads no fragments, so that there is no V-plot to show")


def shown_vplot(spec: ModelSpec) -> InputSpec | None:
    """The model's V-plot whose fragments are shown; None where it reads only signals."""
    return next((item for item in spec.inputs if item.kind == "vplot"), None)


# ---- V-plots as plain values for the page, which draws them itself: the fragments of each site,
# not an image of them, some hundred bytes a site. A pixel is 10 bp of midpoint by 10 bp of length.

EDGES = FINE_LENGTH_EDGES
"""Fragment-length class edges in bp."""

_MOST_FRAGMENTS = 3_000
"""Fragments of one picture; more could not be told apart, and would make the page heavy."""
_MOST_SITES = 5_000
"""Sites of a class that its mean is drawn from."""
_TRIMMED = 0.05
"""Share of a class's sites, at either end of the order by fragments, that its mean leaves out."""
_OUTLIER = 3.5
"""Modified z-score from which a site is an outlier (Iglewicz and Hoaglin 1993)."""
_EXAMPLES = 3
"""Single sites of a class to learn from."""
_GAMMA, _TOP = 0.5, 99.7
"""Exponent of the colours of a mean, and percentile of its pixels at which they end."""
_MAP = "magma"


@dataclass(frozen=True, slots=True)
class SitePicture:
    """The V-plot of one site.

    Attributes:
        fragments: in the window and of lengths within :data:`EDGES`.
        steps: pixel of each fragment shown, as the difference to the one before, ascending; pixels
            are numbered along the positions, then the length classes from the shortest.
    """

    fragments: int
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClassExample:
    """What a class, by its code, looks like on the training contigs.

    So many ``sites`` may be asked; ``fragments`` is the trimmed mean of those in a picture, and
    ``mean`` base64 of uint8 (lengths, positions): the smoothed mean V-plot of the same sites, on a
    scale of its own. ``examples`` are single sites.
    """

    code: int
    sites: int
    fragments: float
    mean: str
    examples: tuple[SitePicture, ...]


@dataclass(frozen=True, slots=True)
class SitePictures:
    """Makes the pictures of a sample.

    Each shows ``window`` bp, a multiple of its pixels' 10, with the site in the middle.
    """

    source: FragmentStore
    sizes: ChromSizes
    window: int

    def fragments(self, sites: LabelledSites) -> Int64:
        """Fragments that the picture of each site shows, int64 (n,); -1 where a contig cuts it."""
        counts = np.full(len(sites), -1, dtype=np.int64)
        for code, name in enumerate(sites.contigs):
            size = self.sizes[name]
            midpoints, lengths = self.source.midpoints(Interval(name, 0, size))
            shown = np.sort(midpoints[(lengths >= EDGES[0]) & (lengths < EDGES[-1])])
            start = sites.centre - self.window // 2
            whole = (sites.contig == code) & (start >= 0) & (start + self.window <= size)
            here = np.flatnonzero(whole)
            begin = np.searchsorted(shown, start[here])
            counts[here] = np.searchsorted(shown, start[here] + self.window) - begin
        return counts

    def picture(self, chrom: str, centre: int) -> SitePicture:
        """The V-plot of a site; of very many fragments a random part, the same at each call."""
        around = Interval.centred(chrom, centre, self.window)
        counts = vplot(*self.source.midpoints(around), around, DEFAULT_BIN, EDGES).ravel()
        pixels = np.repeat(np.arange(len(counts)), counts.astype(np.int64))
        number = len(pixels)
        if number > _MOST_FRAGMENTS:
            drawn = np.random.default_rng(centre).choice(number, _MOST_FRAGMENTS, replace=False)
            pixels = pixels[np.sort(drawn)]
        return SitePicture(number, tuple(np.diff(pixels, prepend=0).tolist()))

    def class_examples(
        self, pool: QuizSites, offered: Sequence[int], seed: int
    ) -> tuple[ClassExample, ...]:
        """Mean V-plot and some sites, by the seed, of each offered class that has any.

        The sites are of training contigs. A mean is over the middle 90 % of sites by fragments: a
        few of extreme depth, such as repeats, would else stand for their class.
        """
        sites = pool.sites
        rng = np.random.default_rng(seed)
        rows = {code: np.flatnonzero(pool.usable & (pool.truth == code)) for code in offered}
        chosen = np.full(len(sites), UNKNOWN, dtype=np.int64)
        for code, row in rows.items():
            # Evenly spaced over the contigs.
            spaced = row[:: -(-len(row) // _MOST_SITES) or 1]
            chosen[_middle(spaced, pool.fragments[spaced])] = code
        means = aggregate_by_class(
            self.source,
            sites.contigs,
            sites.contig,
            sites.centre,
            chosen,
            max(offered) + 1,
            self.sizes,
            self.window,
            DEFAULT_BIN,
            EDGES,
        )
        found = []
        for code, row in rows.items():
            if len(row):
                shown = rng.choice(row, min(_EXAMPLES, len(row)), replace=False).tolist()
                pictures = tuple(
                    self.picture(sites.contigs[sites.contig[at]], int(sites.centre[at]))
                    for at in shown
                )
                mean = means[code]
                found.append(
                    ClassExample(code, len(row), float(mean.sum()), _scaled(mean), pictures)
                )
        return tuple(found)


def _middle(rows: NDArray[np.intp], fragments: Int64) -> NDArray[np.intp]:
    """Rows but for the ``_TRIMMED`` share with the fewest and with the most fragments each."""
    cut = int(_TRIMMED * len(rows))
    order = np.argsort(fragments, kind="stable")
    return rows[np.sort(order[cut : len(rows) - cut])]


def fragment_limit(fragments: Int64) -> int | None:
    """Fragments of a picture above which a site is an outlier; None where none can be told.

    Sites of repeats, such as rDNA, collect the reads of all their copies, a hundred times what
    other sites have. An outlier's modified z-score, ``(x - median) / (1.4826 MAD)``, is above 3.5
    (Iglewicz and Hoaglin 1993, How to detect and handle outliers), x being the logarithm of the
    fragments + 1, since counts differ by factors. Other than standard deviations, the median and
    the median absolute deviation hold where the outliers are among the sites.

    Fragments are int64 (n,), of all labelled sites, deep and shallow.
    """
    if not len(fragments):
        return None
    values = np.log1p(fragments)
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    # In a sample so shallow that most sites have equally few fragments, none is told apart.
    return int(np.expm1(middle + _OUTLIER * spread)) if spread else None


def _scaled(image: NDArray[np.float64]) -> str:
    """A mean as base64 of uint8, smoothed, weak signal raised."""
    smooth = gaussian_filter(image, 1.0, mode="nearest")
    top = float(np.percentile(smooth, _TOP)) or 1.0
    levels = np.round(255 * np.clip(smooth / top, 0, 1) ** _GAMMA).astype(np.uint8)
    return b64encode(levels.tobytes()).decode()


def color_table() -> str:
    """The colours of levels 0 to 255: base64 of uint8 (256, 3), RGB."""
    rgb = colormaps[_MAP](np.arange(256))[:, :3]
    return b64encode(np.round(rgb * 255).astype(np.uint8).tobytes()).decode()


# ---- Sites that show enough to be asked, and the questions drawn from them.


@dataclass(frozen=True, slots=True)
class QuizSites:
    """Label bins of contigs, and which of them may be asked.

    Attributes:
        truth: int64 (n,), class of each, or ``UNKNOWN``.
        usable: bool (n,): its class is known, and its picture is whole, shows enough fragments,
            and not so many that it is an outlier.
        n_classes: number of classes.
        fragments: int64 (n,), in the picture of each; -1 where a contig cuts it.
    """

    sites: LabelledSites
    truth: Int64
    usable: NDArray[np.bool_]
    n_classes: int
    fragments: Int64

    @classmethod
    def of(
        cls, sites: LabelledSites, subject: QuizSubject, pictures: SitePictures, min_fragments: int
    ) -> QuizSites:
        """The sites of which a picture shows at least so many fragments."""
        truth, fragments = subject.truth(sites), pictures.fragments(sites)
        usable = (truth != UNKNOWN) & (fragments >= min_fragments)
        return cls(sites, truth, usable, len(subject.classes), fragments)

    @property
    def labelled(self) -> Int64:
        """Fragments of each site of known class whose picture is whole, int64 (n,)."""
        found: Int64 = self.fragments[(self.truth != UNKNOWN) & (self.fragments >= 0)]
        return found

    def up_to(self, most: int) -> QuizSites:
        """The same, but for sites of which a picture shows more fragments: not usable."""
        return replace(self, usable=self.usable & (self.fragments <= most))

    def counts(self, *, usable: bool = True) -> Int64:
        """Sites of each class, int64 (classes,): those that may be asked, or all."""
        kept = self.usable if usable else self.truth != UNKNOWN
        return np.bincount(self.truth[kept], minlength=self.n_classes).astype(np.int64)

    def frequencies(self) -> NDArray[np.float64]:
        """Share of each class among the usable sites, float64 (classes,).

        One site is added to each class, so that no share is 0.
        """
        counts = self.counts() + 1
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares

    def place(self, site: int) -> tuple[str, int]:
        """Contig and centre (bp, 0-based) of a site."""
        return self.sites.contigs[self.sites.contig[site]], int(self.sites.centre[site])


@dataclass(frozen=True, slots=True)
class DrawnQuestion:
    """The index of a site, and the classes to choose from, ascending, the true one among them."""

    site: int
    choices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuestionDraw:
    """The questions, in the order of asking.

    Attributes:
        offered: classes that are asked and can be answered, ascending.
        choices: how many answers there are to choose from at each question.
        left_out: how many sites of the other classes could have been asked, which were too few.
    """

    offered: tuple[int, ...]
    choices: int
    questions: tuple[DrawnQuestion, ...]
    left_out: Mapping[int, int]


def draw_questions(
    pool: QuizSites, questions: int, choices: int | None, window: int, seed: int
) -> QuestionDraw:
    """Draw sites, equally many of each class as nearly as can be, whose windows do not overlap.

    A class with fewer such sites than its share is left out, as question and as answer. The wrong
    choices are drawn at random; without a number all classes are to choose from.

    Raises:
        InputError: no two classes have enough sites.
    """
    rng = np.random.default_rng(seed)
    orders = {
        code: rng.permutation(np.flatnonzero(pool.usable & (pool.truth == code)))
        for code in range(pool.n_classes)
    }
    offered = [code for code, rows in orders.items() if len(rows)]
    while len(offered) > 1:
        share = -(-questions // len(offered))
        picked = _apart(pool, {code: orders[code] for code in offered}, share, window)
        enough = [code for code in offered if len(picked[code]) == share]
        if enough == offered:
            break
        offered = enough
    else:
        found = ", ".join(str(len(rows)) for rows in orders.values())
        raise InputError(
            f"{questions} questions need sites of at least two classes, but the classes have "
            f"{found} sites with enough fragments, too few of them {window:,} bp apart: ask fewer "
            f"questions, lower --min-fragments, raise --max-fragments, or name more contigs with "
            f"--chrom"
        )
    share, extra = divmod(questions, len(offered))
    more = set(rng.permutation(offered)[:extra].tolist())
    rows = [site for code in offered for site in picked[code][: share + (code in more)]]
    many = len(offered) if choices is None else min(choices, len(offered))
    asked = []
    for site in rng.permutation(rows).tolist():
        others = [code for code in offered if code != pool.truth[site]]
        wrong = rng.choice(others, many - 1, replace=False).tolist()
        asked.append(DrawnQuestion(site, tuple(sorted([int(pool.truth[site]), *wrong]))))
    left_out = {code: len(rows) for code, rows in orders.items() if code not in offered}
    return QuestionDraw(tuple(offered), many, tuple(asked), left_out)


def _apart(
    pool: QuizSites, orders: Mapping[int, NDArray[np.intp]], share: int, window: int
) -> dict[int, list[int]]:
    """The first ``share`` sites of each class that lie a window apart, the rarest class first."""
    taken: dict[str, list[int]] = {}
    picked: dict[int, list[int]] = {}
    for code in sorted(orders, key=lambda code: (len(orders[code]), code)):
        picked[code] = []
        for site in orders[code].tolist():
            if len(picked[code]) == share:
                break
            chrom, centre = pool.place(site)
            here = taken.setdefault(chrom, [])
            place = bisect_left(here, centre)
            if all(abs(centre - other) >= window for other in here[max(0, place - 1) : place + 1]):
                here.insert(place, centre)
                picked[code].append(site)
    return picked
