"""Benchmarks, targets of their own: snakemake benchmark, benchmark_sae, benchmark_recovery; those of
methods are in a file of their own.

Need nothing. Make results/benchmarks/*.csv and figures beside them. Ours and others take turns
within one run. Other packages of autoencoders are timed by the Python that the environment
variable SPIKESIEVE_PEERS_PYTHON names, one that has envs/benchmark.txt; without it ours alone.
"""


include: "benchmark_methods.smk"


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


rule benchmark_sae_steps:
    output:
        ratios="results/benchmarks/sae.csv",
        growth="results/benchmarks/sae_growth.csv",
    log:
        "results/logs/benchmark_sae_steps.log",
    benchmark:
        "results/benchmarks/rules/benchmark_sae_steps.tsv"
    conda:
        ENV
    threads: 2
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        code=code("benchmark_sae.py"),
        peers=code("benchmark_sae_peer.py"),
        packages=code("benchmark_sae_packages.py"),
    shell:
        "stage {log:q} benchmark_sae.py {output.ratios:q} --growth {output.growth:q} "
        "--threads {threads}"


rule benchmark_sae:
    input:
        ratios=rules.benchmark_sae_steps.output.ratios,
        growth=rules.benchmark_sae_steps.output.growth,
    output:
        picture=benchmark_picture("sae_speed"),
        others=multiext("results/benchmarks/sae_speed", ".pdf", ".csv"),
    log:
        "results/logs/benchmark_sae.log",
    benchmark:
        "results/benchmarks/rules/benchmark_sae.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figure_sae_speed.py"),
    shell:
        "stage {log:q} figure_sae_speed.py {input.ratios:q} {input.growth:q} "
        "--picture {output.picture:q}"


rule benchmark_recovery_job:
    output:
        "results/benchmarks/recovery/{tier}_{seed}.csv",
    log:
        "results/logs/benchmark_recovery/{tier}_{seed}.log",
    benchmark:
        "results/benchmarks/rules/benchmark_recovery/{tier}_{seed}.tsv"
    wildcard_constraints:
        tier="[A-E]",
    conda:
        ENV
    threads: 2
    resources:
        mem_mb=6000,
        runtime=120,
    params:
        code=code("benchmark_recovery.py"),
    shell:
        "stage {log:q} benchmark_recovery.py {output:q} "
        "--tier {wildcards.tier} --seed {wildcards.seed}"


rule benchmark_recovery_table:
    input:
        expand(rules.benchmark_recovery_job.output, tier=list("ABCDE"), seed=range(5)),
    output:
        "results/benchmarks/recovery.csv",
    log:
        "results/logs/benchmark_recovery_table.log",
    benchmark:
        "results/benchmarks/rules/benchmark_recovery_table.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code("join_tables.py"),
    shell:
        "stage {log:q} join_tables.py {input:q} --joined {output:q}"


rule benchmark_recovery:
    input:
        rules.benchmark_recovery_table.output,
    output:
        picture=benchmark_picture("recovery_figure"),
        others=multiext("results/benchmarks/recovery_figure", ".pdf", ".csv"),
    log:
        "results/logs/benchmark_recovery.log",
    benchmark:
        "results/benchmarks/rules/benchmark_recovery.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("figure_recovery_benchmark.py"),
    shell:
        "stage {log:q} figure_recovery_benchmark.py {input:q} --picture {output.picture:q}"
