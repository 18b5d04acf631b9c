"""Sites that show enough to be asked in a quiz, and the questions drawn from them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.quiz.pictures import Viewer
from chromputer_tracks.analysis.quiz.subject import Subject
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import InputError
from chromputer_tracks.evaluation.sites import LabelledSites


@dataclass(frozen=True, slots=True)
class Pool:
    """Sites, and which of them may be asked.

    Attributes:
        sites: label bins of contigs.
        truth: int64 (n,), class of each, or ``UNKNOWN``.
        usable: bool (n,): its class is known, and its picture is whole and shows enough fragments.
        n_classes: number of classes.
    """

    sites: LabelledSites
    truth: NDArray[np.int64]
    usable: NDArray[np.bool_]
    n_classes: int

    @classmethod
    def of(cls, sites: LabelledSites, subject: Subject, viewer: Viewer, min_fragments: int) -> Pool:
        """The sites of which a picture shows at least so many fragments."""
        truth = subject.truth(sites)
        usable = (truth != UNKNOWN) & (viewer.fragments(sites) >= min_fragments)
        return cls(sites, truth, usable, len(subject.classes))

    def counts(self, *, usable: bool = True) -> NDArray[np.int64]:
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
class Question:
    """One question.

    Attributes:
        site: index of the site.
        choices: classes to choose from, ascending; the true one is among them.
    """

    site: int
    choices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """The questions.

    Attributes:
        offered: classes that are asked and can be answered, ascending.
        choices: answers to choose from at each question.
        questions: in the order of asking.
        left_out: class to the number of sites that could have been asked, which were too few.
    """

    offered: tuple[int, ...]
    choices: int
    questions: tuple[Question, ...]
    left_out: Mapping[int, int]


def draw_questions(
    pool: Pool,
    questions: int,
    choices: int | None,
    window: int,
    seed: int,
) -> Draw:
    """Draw sites, equally many of each class as nearly as can be, whose windows do not overlap.

    A class with fewer such sites than its share is left out, as question and as answer.

    Args:
        pool: the sites.
        questions: how many.
        choices: answers to choose from, the wrong ones drawn at random; None: all classes.
        window: bp of a site's window.
        seed: of all that is drawn.

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
            f"questions, lower --min-fragments, or name more contigs with --chrom"
        )
    share, extra = divmod(questions, len(offered))
    more = set(rng.permutation(offered)[:extra].tolist())
    rows = [site for code in offered for site in picked[code][: share + (code in more)]]
    many = len(offered) if choices is None else min(choices, len(offered))
    asked = []
    for site in rng.permutation(rows).tolist():
        others = [code for code in offered if code != pool.truth[site]]
        wrong = rng.choice(others, many - 1, replace=False).tolist()
        asked.append(Question(site, tuple(sorted([int(pool.truth[site]), *wrong]))))
    left_out = {code: len(rows) for code, rows in orders.items() if code not in offered}
    return Draw(tuple(offered), many, tuple(asked), left_out)


def _apart(
    pool: Pool, orders: Mapping[int, NDArray[np.intp]], share: int, window: int
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
