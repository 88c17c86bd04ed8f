"""Baselines: what a dictionary is held against, judged by the same code.

Needs the counts table; sliceTCA the intervals, CEBRA with behaviour the conditions of bins. Makes
results/baselines/{recording}/{method}/seed{seed}/, the same under results/nulls/ for controls in
which there is nothing to find, and of each recording results/methods/{recording}.csv: scores, time
and memory of every run of every method.
"""


include: "baselines_inputs.smk"


rule fit_baseline:
    input:
        unpack(baseline_tables),
        counts=counts_of,
    output:
        model=baseline_file("model.json"),
        latents=baseline_file("latents.parquet"),
        metrics=baseline_file("metrics.parquet"),
    log:
        "results/logs/fit_baseline/{recording}/{method}/seed{seed}.log",
    benchmark:
        "results/benchmarks/rules/fit_baseline/{recording}/{method}/seed{seed}.tsv"
    conda:
        ENV
    # One: sums round alike everywhere, and times can be compared.
    threads: 1
    resources:
        mem_mb=8000,
        runtime=baseline_minutes,
    params:
        settings=baseline_settings,
        tables=baseline_options,
        root_seed=CONFIG.settings["seed"],
        code=code("fit_baseline.py"),
        null="none",
        folder=folder_of,
    shell:
        "OMP_NUM_THREADS={threads} stage {log:q} fit_baseline.py {input.counts:q} "
        "--recording {wildcards.recording:q} "
        "--method {wildcards.method} --settings {params.settings:q} --null {params.null} "
        "--seed {wildcards.seed} --root-seed {params.root_seed} {params.tables} "
        "--folder {params.folder:q}"


use rule fit_baseline as fit_baseline_null with:
    output:
        model=baseline_null_file("model.json"),
        latents=baseline_null_file("latents.parquet"),
        metrics=baseline_null_file("metrics.parquet"),
    log:
        "results/logs/fit_baseline_null/{recording}/{method}/{null}/seed{seed}.log",
    benchmark:
        "results/benchmarks/rules/fit_baseline_null/{recording}/{method}/{null}/seed{seed}.tsv"
    params:
        settings=baseline_settings,
        tables=baseline_options,
        root_seed=CONFIG.settings["seed"],
        code=code("fit_baseline.py"),
        null="{null}",
        folder=folder_of,


rule tabulate_methods:
    input:
        metrics=runs_and_nulls("metrics.parquet"),
        benchmarks=benchmarks_of_runs,
    output:
        "results/methods/{recording}.csv",
    log:
        "results/logs/tabulate_methods/{recording}.log",
    benchmark:
        "results/benchmarks/rules/tabulate_methods/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("tabulate_methods.py"),
        benchmarks=benchmark_options,
    shell:
        "stage {log:q} tabulate_methods.py {input.metrics:q} {params.benchmarks} --table {output:q}"
