"""Sparse autoencoders: train one a seed, and judge it on the bins it did not see.

Needs the counts table. Makes results/sae/{recording}/{model}/seed{seed}/. Seed numbers count from
0; the real seed is hashed from the project's seed and that number, and stands in model.json.
"""


rule train_sae:
    input:
        counts_of,
    output:
        checkpoint=sae_file("checkpoint.safetensors"),
        model=sae_file("model.json"),
        history=sae_file("history.parquet"),
        latents=sae_file("latents.parquet"),
        metrics=sae_file("metrics.parquet"),
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
