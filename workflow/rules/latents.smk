"""Latents of every method held against what was planted, in recordings that were simulated.

Needs the runs of all methods. Makes results/recovery/{recording}.parquet.
"""


rule score_planted:
    input:
        truth="results/recordings/{recording}/truth.npz",
        counts=counts_of,
        latents=all_runs("latents.parquet"),
        metrics=all_runs("metrics.parquet"),
        dictionaries=dictionaries_of,
    output:
        "results/recovery/{recording}.parquet",
    log:
        "results/logs/score_planted/{recording}.log",
    benchmark:
        "results/benchmarks/rules/score_planted/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        bin_ms=lambda wildcards: bin_width(wildcards.recording),
        code=code("score_planted.py"),
    shell:
        "stage {log:q} score_planted.py {input.truth:q} {input.counts:q} {input.latents:q} "
        "--metrics {output:q} --recording {wildcards.recording:q} --bin-ms {params.bin_ms}"
