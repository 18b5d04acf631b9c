"""Sliding inference against one window at a time, the same model and session.

python benchmarks/sliding.py MODEL
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.inference.session import load_model, open_session
from chromputer_tracks.spec import ModelSpec

Inputs = dict[str, NDArray[np.float32]]


def random_inputs(spec: ModelSpec, outputs: int) -> Inputs:
    rng = np.random.default_rng(1)
    length = spec.window + (outputs - 1) * spec.stride
    made: Inputs = {}
    for item in spec.inputs:
        if item.kind == "sequence":
            bases = rng.integers(0, 4, length)
            array = (bases == np.arange(4)[:, None]).astype(np.float32)
        else:
            shape = (item.channels, length // item.bin)
            array = rng.poisson(0.05, shape).astype(np.float32)
        made[item.name] = array[None]
    return made


def windows(spec: ModelSpec, inputs: Inputs, first: int, last: int) -> Inputs:
    """Windows ``first`` to ``last``, one a row."""
    return {
        item.name: np.concatenate(
            [
                inputs[item.name][
                    :,
                    :,
                    k * spec.stride // item.bin : (k * spec.stride + spec.window) // item.bin,
                ]
                for k in range(first, last)
            ]
        )
        for item in spec.inputs
    }


def best_of(repeats: int, work: Callable[[], NDArray[np.float32]]) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--outputs", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=64, help="windows at a time")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    model = load_model(args.model)
    session = open_session(model.path, "cpu", 1)
    inputs = random_inputs(model.spec, args.outputs)

    def sliding() -> NDArray[np.float32]:
        return session.run(inputs)

    def windowed() -> NDArray[np.float32]:
        parts = [
            session.run(windows(model.spec, inputs, k, min(k + args.batch, args.outputs)))
            for k in range(0, args.outputs, args.batch)
        ]
        return np.concatenate(parts)[:, :, 0].T[None]

    difference = float(abs(sliding() - windowed()).max())
    slow, fast = best_of(args.repeats, windowed), best_of(args.repeats, sliding)
    megabases = args.outputs * model.spec.stride / 1e6
    figures = {
        "model": model.name,
        "outputs": args.outputs,
        "threads": session.threads,
        "windowed s": round(slow, 4),
        "sliding s": round(fast, 4),
        "ratio": round(slow / fast, 1),
        "sliding Mb/s": round(megabases / fast, 3),
        "largest difference of logits": difference,
    }
    for key, value in figures.items():
        print(f"{key:32} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
