"""Latents for other tools: snakemake export_latents.

Needs the meaning of each recording's first model. Makes results/exports/{recording}/{model}/:
latents.nwb (a copy of the recording's NWB file with the latents in it, or of its export as one) and
phy/cluster_{feature}.tsv, to be copied into the folder that Phy opens.
"""


localrules:
    export_latents,


rule export_latents:
    input:
        latents_exports,


rule export_latents_nwb:
    input:
        source=nwb_of,
        counts=counts_of,
        latents=first_judged_run("latents.parquet"),
        summary=latents_file("summary"),
    output:
        "results/exports/{recording}/{model}/latents.nwb",
    log:
        "results/logs/export_latents_nwb/{recording}/{model}.log",
    benchmark:
        "results/benchmarks/rules/export_latents_nwb/{recording}/{model}.tsv"
    wildcard_constraints:
        model=MODEL_OR_METHOD,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        bin_ms=lambda wildcards: bin_width(wildcards.recording),
        code=code("export_latents_nwb.py"),
    shell:
        "stage {log:q} export_latents_nwb.py {input.source:q} {input.counts:q} {input.latents:q} "
        "{input.summary:q} {output:q} --model {wildcards.model} --bin-ms {params.bin_ms}"


rule export_phy_columns:
    input:
        summary=latents_file("summary"),
        sources=latents_file("sources"),
    output:
        directory("results/exports/{recording}/{model}/phy"),
    log:
        "results/logs/export_phy_columns/{recording}/{model}.log",
    benchmark:
        "results/benchmarks/rules/export_phy_columns/{recording}/{model}.tsv"
    wildcard_constraints:
        model=MODEL_OR_METHOD,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("export_phy_columns.py"),
    shell:
        "stage {log:q} export_phy_columns.py {input.summary:q} {input.sources:q} {output:q}"
