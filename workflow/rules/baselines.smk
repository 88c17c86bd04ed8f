"""Baselines: what a dictionary is held against, judged by the same code.

Needs the counts table. Makes results/baselines/{recording}/{method}/seed{seed}/.
"""


rule fit_baseline:
    input:
        counts_of,
    output:
        model=baseline_file("model.json"),
        latents=baseline_file("latents.parquet"),
        metrics=baseline_file("metrics.parquet"),
    log:
        "results/logs/fit_baseline/{recording}/{method}/seed{seed}.log",
    benchmark:
        "results/benchmarks/rules/fit_baseline/{recording}/{method}/seed{seed}.tsv"
    wildcard_constraints:
        method="mean|raw|pca|factor_analysis|nmf|ica",
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        settings=baseline_settings,
        root_seed=CONFIG.settings["seed"],
        code=code("fit_baseline.py"),
    shell:
        "stage {log:q} fit_baseline.py {input:q} --recording {wildcards.recording:q} "
        "--method {wildcards.method} --settings {params.settings:q} "
        "--seed {wildcards.seed} --root-seed {params.root_seed} "
        "--folder results/baselines/{wildcards.recording:q}/{wildcards.method}/seed{wildcards.seed}"
