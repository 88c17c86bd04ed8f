"""Figures: one rule a figure and recording, and one name a figure to ask for it on the command line.

Needs the tables that each draws. Makes results/figures/{figure}/{recording}.png, .pdf and .csv,
the last with exactly the numbers that are drawn.
"""


localrules:
    figure_overview,
    figure_unit_quality,
    figure_counts,
    figure_reconstruction,


rule figure_overview:
    input:
        figures_of("overview"),


rule figure_unit_quality:
    input:
        figures_of("unit_quality"),


rule figure_counts:
    input:
        figures_of("counts"),


rule figure_reconstruction:
    input:
        figures_of("reconstruction"),


rule figure_overview_of:
    input:
        spikes=spikes_or_binned,
        units=table("units"),
        intervals=table("intervals"),
        signals=table("signals"),
        recording="results/recordings/{recording}/recording.json",
    output:
        **figure_files("overview", "Recordings"),
    log:
        "results/logs/figure_overview/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_overview/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        isi_threshold_ms=setting("units", "isi_threshold_ms"),
        code=code("figure_overview.py"),
    shell:
        "stage {log:q} figure_overview.py results/recordings/{wildcards.recording:q} {output.png:q} "
        "--isi-threshold-ms {params.isi_threshold_ms}"


rule figure_unit_quality_of:
    input:
        table("units"),
    output:
        **figure_files("unit_quality", "Recordings"),
    log:
        "results/logs/figure_unit_quality/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_unit_quality/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        settings=setting("units"),
        code=code("figure_unit_quality.py"),
    shell:
        "stage {log:q} figure_unit_quality.py {input:q} {output.png:q} "
        "--recording {wildcards.recording:q} --settings {params.settings:q}"


rule figure_counts_of:
    input:
        all_counts_of,
    output:
        **figure_files("counts", "Recordings"),
    log:
        "results/logs/figure_counts/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_counts/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        bin_ms=lambda wildcards: bin_width(wildcards.recording),
        code=code("figure_counts.py"),
    shell:
        "stage {log:q} figure_counts.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q} --bin-ms {params.bin_ms}"


rule figure_reconstruction_of:
    input:
        all_runs("metrics.parquet"),
    output:
        **figure_files("reconstruction", "Methods"),
    log:
        "results/logs/figure_reconstruction/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_reconstruction/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("figure_reconstruction.py"),
    shell:
        "stage {log:q} figure_reconstruction.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"
