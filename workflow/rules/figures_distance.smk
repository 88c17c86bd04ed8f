"""Figures of spike distance: how networks were trained, and how well their spikes fit.

Needs histories and scores of trained networks. Makes results/figures/{figure}/{recording}.png, .pdf
and .csv, the last with exactly the numbers that are drawn.
"""


localrules:
    distance,
    figure_distance_training,
    figure_distance_scores,
    figure_distance_pairs,
    figure_distance_sizes,
    figure_distance_alone,


rule distance:
    input:
        lambda wildcards: distance_figures(),


rule figure_distance_training:
    input:
        figures_of("distance_training", recordings=TRAINED),


rule figure_distance_scores:
    input:
        figures_of("distance_scores", recordings=TRAINED),


rule figure_distance_pairs:
    input:
        figures_of("distance_pairs", recordings=TRAINED),


rule figure_distance_sizes:
    input:
        figures_of("distance_sizes", recordings=SIZED),


rule figure_distance_alone:
    input:
        figures_of("distance_alone", recordings=WITH_ALONE),


rule figure_distance_training_of:
    input:
        distance_runs("history.parquet", models="named"),
    output:
        **figure_files("distance_training", "Spike distance"),
    log:
        "results/logs/figure_distance_training/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_training/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("figure_distance_training.py"),
    shell:
        "stage {log:q} figure_distance_training.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_distance_scores_of:
    input:
        distance_runs("scores.parquet"),
    output:
        **figure_files("distance_scores", "Spike distance"),
    log:
        "results/logs/figure_distance_scores/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_scores/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("figure_distance_scores.py"),
    shell:
        "stage {log:q} figure_distance_scores.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_distance_pairs_of:
    input:
        distance_runs("scores.parquet"),
    output:
        **figure_files("distance_pairs", "Spike distance"),
    log:
        "results/logs/figure_distance_pairs/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_pairs/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        reference=lambda wildcards: distance_of(wildcards.recording)["methods"][0],
        code=code("figure_distance_pairs.py"),
    shell:
        "stage {log:q} figure_distance_pairs.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q} --reference {params.reference}"


rule figure_distance_sizes_of:
    input:
        scores=sized_runs("scores.parquet"),
        histories=sized_runs("history.parquet"),
    output:
        **figure_files("distance_sizes", "Spike distance"),
    log:
        "results/logs/figure_distance_sizes/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_sizes/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        method=lambda wildcards: distance_of(wildcards.recording)["methods"][0],
        code=code("figure_distance_sizes.py"),
    shell:
        "stage {log:q} figure_distance_sizes.py {input.scores:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q} --method {params.method}"


rule figure_distance_alone_of:
    input:
        scores=distance_runs("scores.parquet", models="all"),
        histories=distance_runs("history.parquet", models="all"),
    output:
        **figure_files("distance_alone", "Spike distance"),
    log:
        "results/logs/figure_distance_alone/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_alone/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        method=lambda wildcards: distance_of(wildcards.recording)["methods"][0],
        shared=first_distance_model,
        code=code("figure_distance_pairs.py"),
    shell:
        "stage {log:q} figure_distance_pairs.py {input.scores:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q} --reference {params.method} --shared {params.shared}"
