"""Benchmarks of spike distance: snakemake benchmark_distance, benchmark_amortisation.

Need nothing, and a recording that networks are trained on (the first). Make results/benchmarks/.
"""


localrules:
    benchmark_amortisation,


rule benchmark_distance:
    output:
        "results/benchmarks/distance.csv",
    log:
        "results/logs/benchmark_distance.log",
    benchmark:
        "results/benchmarks/rules/benchmark_distance.tsv"
    conda:
        ENV
    threads: 2
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("benchmark_distance.py"),
    shell:
        "stage {log:q} benchmark_distance.py {output:q}"


rule benchmark_amortisation_of:
    input:
        "results/distance/{recording}/bins.parquet",
    output:
        "results/benchmarks/amortisation/{recording}.csv",
    log:
        "results/logs/benchmark_amortisation/{recording}.log",
    benchmark:
        "results/benchmarks/rules/benchmark_amortisation/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=first_of("settings"),
        alone=of_distance("alone_settings"),
        step=of_distance("step"),
        code=code("benchmark_amortisation.py"),
    shell:
        "stage {log:q} benchmark_amortisation.py {input:q} {output:q} "
        "--recording {wildcards.recording:q} --settings {params.settings:q} "
        "--alone {params.alone:q} --step {params.step}"


rule benchmark_amortisation:
    input:
        [
            f"results/benchmarks/amortisation/{name}.csv"
            for name in TRAINED[:1]
            if name in RECORDINGS
        ],
