"""Train by another package, some steps for each line that comes in. Knows nothing of ours."""

import json
import sys

import numpy as np
import torch
from benchmark_sae_packages import dictionary_learning, nldisco, nldisco_whole, sae_lens


def trainer(which: str, work: dict):
    """Return what does one step, or all of a turn's."""
    counts = torch.from_numpy(np.load(work["counts"])).float()
    if which == "nldisco train_model":
        return nldisco_whole(work, counts)
    if which == "dictionary-learning":
        update = dictionary_learning(work)
    else:
        model, loss = {"nldisco step": nldisco, "sae-lens": sae_lens}[which](work)[:2]
        update = adam(model, loss)
    return lambda: update(counts[torch.randint(len(counts), (work["batch_size"],))])


def adam(model, loss):
    """Return what does a step on a batch."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def update(x) -> None:
        optimiser.zero_grad()
        loss(x).backward()
        optimiser.step()

    return update


if __name__ == "__main__":
    which, work = sys.argv[1], json.loads(sys.argv[2])
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(work["n_threads"])
    instances = [trainer(which, work) for _ in range(work["n_instances"])]
    n_steps = 1 if which == "nldisco train_model" else work["n_steps"]
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        for step in instances * n_steps:
            step()
        print("done", file=answers, flush=True)
