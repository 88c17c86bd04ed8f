"""Benchmarks of methods, targets of their own: snakemake benchmark_methods, benchmark_lfads.

Need nothing. Make results/benchmarks/methods.csv (time and memory of every method as bins and units
grow) and lfads_*.csv (LFADS on a Lorenz system, its rates known), and figures beside them.
"""


localrules:
    figure_scaling,
    figure_lfads,


rule figure_scaling:
    input:
        "results/benchmarks/scaling.png",


rule figure_lfads:
    input:
        "results/benchmarks/lfads.png",


rule benchmark_methods_sizes:
    output:
        "results/benchmarks/methods.csv",
    log:
        "results/logs/benchmark_methods_sizes.log",
    benchmark:
        "results/benchmarks/rules/benchmark_methods_sizes.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        code=code("benchmark_methods.py"),
    shell:
        "OMP_NUM_THREADS={threads} stage {log:q} benchmark_methods.py {output:q}"


rule benchmark_methods:
    input:
        rules.benchmark_methods_sizes.output,
    output:
        picture=benchmark_picture("scaling"),
        others=multiext("results/benchmarks/scaling", ".pdf", ".csv"),
    log:
        "results/logs/benchmark_methods.log",
    benchmark:
        "results/benchmarks/rules/benchmark_methods.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figure_scaling.py"),
    shell:
        "stage {log:q} figure_scaling.py {input:q} --picture {output.picture:q}"


rule benchmark_lfads_lorenz:
    output:
        scores="results/benchmarks/lfads_scores.csv",
        example="results/benchmarks/lfads_example.csv",
        history="results/benchmarks/lfads_history.csv",
    log:
        "results/logs/benchmark_lfads_lorenz.log",
    benchmark:
        "results/benchmarks/rules/benchmark_lfads_lorenz.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        seed=CONFIG.settings["seed"],
        code=code("benchmark_lfads.py"),
    shell:
        "stage {log:q} benchmark_lfads.py {output.scores:q} --example {output.example:q} "
        "--history {output.history:q} --seed {params.seed}"


rule benchmark_lfads:
    input:
        **rules.benchmark_lfads_lorenz.output,
    output:
        picture=benchmark_picture("lfads"),
        others=multiext("results/benchmarks/lfads", ".pdf", ".csv"),
    log:
        "results/logs/benchmark_lfads.log",
    benchmark:
        "results/benchmarks/rules/benchmark_lfads.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figure_lfads_benchmark.py"),
    shell:
        "stage {log:q} figure_lfads_benchmark.py {input.scores:q} {input.example:q} "
        "{input.history:q} --picture {output.picture:q}"
