"""Sparse autoencoders: train one a seed, judge each on the bins it did not see, then all together.

Needs the counts table, and the sweep's choice for models that leave their width or k open. Makes
results/sae/{recording}/{model}/ with a folder for each seed, and the same under results/nulls/ for
controls in which there is nothing to find. Seed numbers count from 0; the real seed is hashed from
the project's seed and that number, and stands in model.json.
"""


rule train_sae:
    input:
        counts=counts_of,
        choice=choice_of,
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
    conda:
        ENV
    # One: more gain little at this size, seeds run side by side, and sums round alike everywhere.
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        settings=sae_settings,
        root_seed=CONFIG.settings["seed"],
        code=code("train_sae.py"),
        null="none",
        run="{recording}/{model}/seed{seed}",
        folder=folder_of,
    shell:
        "stage {log:q} train_sae.py {input.counts:q} {input.choice:q} "
        "--recording {wildcards.recording:q} --model {wildcards.model} "
        "--settings {params.settings:q} --null {params.null} "
        "--seed {wildcards.seed} --root-seed {params.root_seed} "
        "--states results/states/{params.run:q} --folder {params.folder:q}"


rule judge_sae:
    input:
        counts=counts_of,
        models=sae_runs("checkpoint.safetensors"),
        latents=sae_runs("latents.parquet"),
    output:
        dictionary="results/sae/{recording}/{model}/dictionary.parquet",
        metrics="results/sae/{recording}/{model}/metrics.parquet",
    log:
        "results/logs/judge_sae/{recording}/{model}.log",
    benchmark:
        "results/benchmarks/rules/judge_sae/{recording}/{model}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code("judge_sae.py"),
        null="none",
        folder=folder_of,
    shell:
        "stage {log:q} judge_sae.py {input.counts:q} {input.models:q} "
        "--recording {wildcards.recording:q} --model {wildcards.model} "
        "--null {params.null} --folder {params.folder:q}"


use rule train_sae as train_null with:
    output:
        checkpoint=null_file("checkpoint.safetensors"),
        model=null_file("model.json"),
        history=null_file("history.parquet"),
        latents=null_file("latents.parquet"),
        metrics=null_file("metrics.parquet"),
    log:
        "results/logs/train_null/{recording}/{model}/{null}/seed{seed}.log",
    benchmark:
        "results/benchmarks/rules/train_null/{recording}/{model}/{null}/seed{seed}.tsv"
    params:
        settings=sae_settings,
        root_seed=CONFIG.settings["seed"],
        code=code("train_sae.py"),
        null="{null}",
        run="{recording}/{model}/{null}/seed{seed}",
        folder=folder_of,


use rule judge_sae as judge_null with:
    input:
        counts=counts_of,
        models=null_runs("checkpoint.safetensors"),
        latents=null_runs("latents.parquet"),
    output:
        dictionary="results/nulls/{recording}/{model}/{null}/dictionary.parquet",
        metrics="results/nulls/{recording}/{model}/{null}/metrics.parquet",
    log:
        "results/logs/judge_null/{recording}/{model}/{null}.log",
    benchmark:
        "results/benchmarks/rules/judge_null/{recording}/{model}/{null}.tsv"
    params:
        code=code("judge_sae.py"),
        null="{null}",
        folder=folder_of,
