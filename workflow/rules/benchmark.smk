"""Benchmarks, a target of their own (snakemake benchmark): ours, the other, the ratio in one run.

Needs nothing. Makes results/benchmarks/*.csv and prints them.
"""


rule benchmark_binning:
    output:
        "results/benchmarks/binning.csv",
    log:
        "results/logs/benchmark_binning.log",
    benchmark:
        "results/benchmarks/rules/benchmark_binning.tsv"
    conda:
        ENV
    threads: 2
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code("benchmark_binning.py"),
    shell:
        "stage {log:q} benchmark_binning.py {output:q}"


rule benchmark_allen_size:
    output:
        "results/benchmarks/allen_size.csv",
    log:
        "results/logs/benchmark_allen_size.log",
    benchmark:
        "results/benchmarks/rules/benchmark_allen_size.tsv"
    conda:
        ENV
    threads: 2
    resources:
        mem_mb=6000,
        runtime=120,
    params:
        units=canonical(CONFIG.settings["units"]),
        counts=canonical(CONFIG.settings["counts"]),
        code=code("benchmark_allen_size.py"),
    shell:
        "stage {log:q} benchmark_allen_size.py {output:q} "
        "--units {params.units:q} --counts {params.counts:q}"


rule benchmark:
    input:
        rules.benchmark_binning.output,
        rules.benchmark_allen_size.output,
    log:
        "results/logs/benchmark.log",
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    shell:
        "cat {input:q} | tee {log:q}"
