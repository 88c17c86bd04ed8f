"""Sparse autoencoders: train one a seed, and judge it on the bins it did not see.

Needs the counts table. Makes results/sae/{recording}/{model}/seed{seed}/. Seed numbers count from
0; the real seed is hashed from the project's seed and that number, and stands in model.json.
"""

SAE = "results/sae/{recording}/{model}/seed{seed}/"


def sae_settings(wildcards):
    """Return the settings of one training as JSON: one seed more must not retrain the others."""
    settings = CONFIG.of(wildcards.recording)["sae"]
    return canonical({key: value for key, value in settings.items() if key != "n_seeds"})


def sae_runs(name):
    """Return an input function: this file of every seed's run on a recording."""

    def files(wildcards):
        seeds = range(CONFIG.of(wildcards.recording)["sae"]["n_seeds"])
        return expand(SAE + name, recording=wildcards.recording, model="batch_topk", seed=seeds)

    return files


rule train_sae:
    input:
        counts_of,
    output:
        checkpoint=SAE + "checkpoint.safetensors",
        model=SAE + "model.json",
        history=SAE + "history.parquet",
        latents=SAE + "latents.parquet",
        metrics=SAE + "metrics.parquet",
    log:
        "results/logs/train_sae/{recording}/{model}/seed{seed}.log",
    benchmark:
        "results/benchmarks/rules/train_sae/{recording}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        model="batch_topk",
    conda:
        ENV
    # One: more gain little at this size, seeds run side by side, and sums round alike everywhere.
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        settings=sae_settings,
        normalisation=setting("counts", "normalisation"),
        root_seed=CONFIG.settings["seed"],
        code=code("train_sae.py"),
    shell:
        "stage {log:q} train_sae.py {input:q} --recording {wildcards.recording:q} "
        "--architecture {wildcards.model} --settings {params.settings:q} "
        "--normalisation {params.normalisation:q} --seed {wildcards.seed} "
        "--root-seed {params.root_seed} "
        "--folder results/sae/{wildcards.recording:q}/{wildcards.model}/seed{wildcards.seed}"
