"""Figures of sparse features: how dictionaries were trained, what they can do, what is stable.

Needs the tables that each draws. Makes results/figures/{figure}/{recording}.png, .pdf and .csv,
the last with exactly the numbers that are drawn.
"""


localrules:
    figure_sae_training,
    figure_sae_density,
    figure_sae_levels,
    figure_sae_stability,
    figure_sae_sweep,
    figure_cosmoothing,
    figure_recovery,


rule figure_sae_training:
    input:
        figures_of("sae_training"),


rule figure_sae_density:
    input:
        figures_of("sae_density"),


rule figure_sae_levels:
    input:
        figures_of("sae_levels"),


rule figure_sae_stability:
    input:
        figures_of("sae_stability"),


rule figure_sae_sweep:
    input:
        figures_of("sae_sweep", recordings=SWEPT),


rule figure_cosmoothing:
    input:
        figures_of("cosmoothing"),


rule figure_recovery:
    input:
        figures_of("recovery", recordings=PLANTED),


rule figure_sae_training_of:
    input:
        first_model_runs("history.parquet"),
    output:
        **figure_files("sae_training", "Dictionaries"),
    log:
        "results/logs/figure_sae_training/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_sae_training/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("figure_sae_training.py"),
    shell:
        "stage {log:q} figure_sae_training.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_sae_density_of:
    input:
        model_metrics,
    output:
        **figure_files("sae_density", "Dictionaries"),
    log:
        "results/logs/figure_sae_density/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_sae_density/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("figure_sae_density.py"),
    shell:
        "stage {log:q} figure_sae_density.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_sae_levels_of:
    input:
        model_metrics,
    output:
        **figure_files("sae_levels", "Dictionaries"),
    log:
        "results/logs/figure_sae_levels/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_sae_levels/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("figure_sae_levels.py"),
    shell:
        "stage {log:q} figure_sae_levels.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_sae_stability_of:
    input:
        stability_metrics,
    output:
        **figure_files("sae_stability", "Dictionaries"),
    log:
        "results/logs/figure_sae_stability/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_sae_stability/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("figure_sae_stability.py"),
    shell:
        "stage {log:q} figure_sae_stability.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_sae_sweep_of:
    input:
        "results/sweep/{recording}/trials.parquet",
    output:
        **figure_files("sae_sweep", "Dictionaries"),
    log:
        "results/logs/figure_sae_sweep/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_sae_sweep/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("figure_sae_sweep.py"),
    shell:
        "stage {log:q} figure_sae_sweep.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_cosmoothing_of:
    input:
        all_runs("metrics.parquet"),
    output:
        **figure_files("cosmoothing", "Methods"),
    log:
        "results/logs/figure_cosmoothing/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_cosmoothing/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("figure_cosmoothing.py"),
    shell:
        "stage {log:q} figure_cosmoothing.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_recovery_of:
    input:
        "results/recovery/{recording}.parquet",
    output:
        **figure_files("recovery", "Methods"),
    log:
        "results/logs/figure_recovery/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_recovery/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("figure_recovery.py"),
    shell:
        "stage {log:q} figure_recovery.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"
