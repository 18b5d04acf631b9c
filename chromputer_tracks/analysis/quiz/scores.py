"""How the model answers a quiz, and how often it would be right on all sites that may be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.evaluation.resamples import Resamples, estimate, ratio
from chromputer_tracks.evaluation.scores import Estimate


def equal_odds(
    probabilities: NDArray[np.float32], frequencies: NDArray[np.float64], offered: Sequence[int]
) -> NDArray[np.float64]:
    """Probabilities where all offered classes are equally frequent, as they are in a quiz.

    By Bayes' rule each is divided by its class's frequency among the sites that may be asked; those
    of one site then sum to 1 over the offered classes (Saerens et al. 2002,
    doi:10.1162/089976602753284446).

    Args:
        probabilities: float32 (classes, n).
        frequencies: float64 (classes,), above 0.
        offered: classes that are asked.

    Returns:
        float64 (classes, n); 0 in the rows of the other classes.
    """
    odds = np.zeros(probabilities.shape)
    rows = list(offered)
    odds[rows] = probabilities[rows] / frequencies[rows, None]
    odds /= odds.sum(axis=0)
    return odds


def answer(odds: NDArray[np.float64], choices: Sequence[int]) -> int:
    """The most probable of the choices, the first of equal ones; ``odds``: (classes,)."""
    return max(choices, key=lambda code: (odds[code], -code))


def chances(
    odds: NDArray[np.float64], truth: NDArray[np.int64], offered: Sequence[int], choices: int
) -> NDArray[np.float64]:
    """Probability of a right answer at each site, over all ways to draw the wrong choices.

    With ``above`` classes more probable than the true one, the answer is right when none of them is
    among the ``choices - 1`` that are drawn from the other offered classes.

    Args:
        odds: float64 (classes, n).
        truth: int64 (n,), offered classes.
        offered: classes that are asked, ascending.
        choices: answers to choose from.

    Returns:
        float64 (n,); 0 or 1 where all classes are to choose from.
    """
    rows = np.array(offered)
    own = odds[truth, np.arange(len(truth))]
    first = (odds[rows] == own) & (rows[:, None] < truth)
    above = ((odds[rows] > own) | first).sum(axis=0)
    others, wrong = len(rows) - 1, choices - 1
    table = np.array([comb(others - k, wrong) / comb(others, wrong) for k in range(len(rows))])
    right: NDArray[np.float64] = table[above]
    return right


@dataclass(frozen=True, slots=True)
class ModelScore:
    """How often the model is right on all sites that may be asked, all classes equally often.

    Attributes:
        sites: their number.
        accuracy: mean over the classes of the share of right answers.
        recall: share of right answers at the sites of each offered class.
    """

    sites: int
    accuracy: Estimate
    recall: tuple[float, ...]


def model_score(
    odds: NDArray[np.float64],
    truth: NDArray[np.int64],
    blocks: NDArray[np.int64],
    offered: Sequence[int],
    choices: int,
    draws: int,
    seed: int,
) -> ModelScore:
    """Score the model on sites of the offered classes.

    Args:
        odds: float64 (classes, n), see :func:`equal_odds`.
        truth: int64 (n,), offered classes.
        blocks: int64 (n,), bootstrap block of each site.
        offered: classes that are asked, ascending.
        choices: answers to choose from.
        draws: resamples of the interval.
        seed: of the resamples.
    """
    right = chances(odds, truth, offered, choices)
    place = np.searchsorted(np.array(offered), truth)
    drawn = Resamples.draw(blocks, draws, seed)
    recall = ratio(drawn.sums(place, len(offered), right), drawn.sums(place, len(offered)))
    # A resample may hold no site of a rare class; its mean is over the others.
    accuracy = estimate(np.nanmean(recall, axis=1))
    return ModelScore(len(truth), accuracy, tuple(recall[0].tolist()))
