"""Benchmarks, a target of their own (snakemake benchmark): ours, the other, the ratio in one run.

Needs nothing. Makes results/benchmarks/*.csv and prints them.
"""


rule benchmark_binning:
    output:
        "results/benchmarks/binning.csv",
    params:
        code=code("benchmark_binning.py"),
    log:
        "results/logs/benchmark_binning.log",
    benchmark:
        "results/benchmarks/rules/benchmark_binning.tsv"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        ENV
    shell:
        "stage {log:q} benchmark_binning.py {output:q}"


rule benchmark_allen_size:
    output:
        "results/benchmarks/allen_size.csv",
    params:
        units=canonical(CONFIG.settings["units"]),
        counts=canonical(CONFIG.settings["counts"]),
        code=code("benchmark_allen_size.py"),
    log:
        "results/logs/benchmark_allen_size.log",
    benchmark:
        "results/benchmarks/rules/benchmark_allen_size.tsv"
    threads: 2
    resources:
        mem_mb=6000,
        runtime=120,
    conda:
        ENV
    shell:
        "stage {log:q} benchmark_allen_size.py {output:q} "
        "--units {params.units:q} --counts {params.counts:q}"


rule benchmark:
    input:
        rules.benchmark_binning.output,
        rules.benchmark_allen_size.output,
    log:
        "results/logs/benchmark.log",
    shell:
        "cat {input:q} | tee {log:q}"
