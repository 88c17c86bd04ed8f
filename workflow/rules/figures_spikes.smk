"""Figures of inferred spikes: a rollout, one window, counts.

Needs what distance.smk makes; of several seeds, the first is shown. Makes results/figures/{figure}/
{recording}.png, .pdf and .csv, the last with exactly the numbers that are drawn.
"""


localrules:
    figure_distance_rollout,
    figure_distance_counts,
    figure_distance_inference,


rule figure_distance_rollout:
    input:
        figures_of("distance_rollout", recordings=TRAINED),


rule figure_distance_counts:
    input:
        figures_of("distance_counts", recordings=TRAINED),


rule figure_distance_inference:
    input:
        figures_of("distance_inference", recordings=DISTANT),


rule figure_distance_rollout_of:
    input:
        spikes=first_network("inferred_spikes.parquet"),
        about=first_network("inference.json"),
    output:
        **figure_files("distance_rollout", "Spike distance"),
    log:
        "results/logs/figure_distance_rollout/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_rollout/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        code=code("figure_distance_rollout.py"),
    shell:
        "stage {log:q} figure_distance_rollout.py {input.spikes:q} {input.about:q} --picture {output.png:q}"


rule figure_distance_counts_of:
    input:
        spikes=first_network("inferred_spikes.parquet"),
        about=first_network("inference.json"),
    output:
        **figure_files("distance_counts", "Spike distance"),
    log:
        "results/logs/figure_distance_counts/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_counts/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        code=code("figure_distance_counts.py"),
    shell:
        "stage {log:q} figure_distance_counts.py {input.spikes:q} {input.about:q} --picture {output.png:q}"


rule figure_distance_inference_of:
    input:
        bins=first_bins,
        predictions=first_network("predictions.safetensors"),
        about=first_network("inference.json"),
    output:
        **figure_files("distance_inference", "Spike distance"),
    log:
        "results/logs/figure_distance_inference/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_distance_inference/{recording}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        settings=first_of("settings"),
        units=first_of("units"),
        code=code("figure_distance_inference.py"),
    shell:
        "stage {log:q} figure_distance_inference.py {input.bins:q} {input.predictions:q} --picture {output.png:q} "
        "--settings {params.settings:q} --units {params.units:q}"
