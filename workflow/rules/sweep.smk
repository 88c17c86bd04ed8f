"""Sweeps: settings tried on training bins and scored, without labels, on validation bins.

Needs the counts tables. Makes results/sweep/trials/ with a table for each width of a dictionary
and bin width (all other values share its job; empty where the bins are not enough for more than a
narrower one), and of each recording
results/sweep/{recording}/trials.parquet and choice.json, which models read that leave something
open. On demand, results/sweep/{recording}/notes_width.csv: the notes' rule, by reconstruction.
"""


localrules:
    notes_width,


rule sweep_sae:
    input:
        sweep_counts,
    output:
        f"results/sweep/trials/{SWEEP.wildcard_pattern}.parquet",
    log:
        f"results/logs/sweep_sae/{SWEEP.wildcard_pattern}.log",
    benchmark:
        f"results/benchmarks/rules/sweep_sae/{SWEEP.wildcard_pattern}.tsv"
    conda:
        ENV
    threads: 2
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        settings=sweep_settings,
        values=sweep_values,
        narrower=sweep_narrower,
        root_seed=CONFIG.settings["seed"],
        code=code("sweep_sae.py"),
    shell:
        "stage {log:q} sweep_sae.py {input:q} {output:q} --recording {wildcards.recording:q} "
        "--settings {params.settings:q} --values {params.values:q} --bin-ms {wildcards.bin_ms} "
        "--root-seed {params.root_seed} --narrower {params.narrower}"


rule choose_sae:
    input:
        sweep_tables,
    output:
        trials="results/sweep/{recording}/trials.parquet",
        choice="results/sweep/{recording}/choice.json",
    log:
        "results/logs/choose_sae/{recording}.log",
    benchmark:
        "results/benchmarks/rules/choose_sae/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        bin_ms=lambda wildcards: bin_width(wildcards.recording),
        code=code("choose_sae.py"),
    shell:
        "stage {log:q} choose_sae.py {input:q} --trials {output.trials:q} "
        "--choice {output.choice:q} --bin-ms {params.bin_ms}"


rule notes_width_of:
    input:
        counts_of,
    output:
        "results/sweep/{recording}/notes_width.csv",
    log:
        "results/logs/notes_width/{recording}.log",
    benchmark:
        "results/benchmarks/rules/notes_width/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        settings=notes_settings,
        root_seed=CONFIG.settings["seed"],
        code=code("notes_width.py"),
    shell:
        "stage {log:q} notes_width.py {input:q} {output:q} --recording {wildcards.recording:q} "
        "--settings {params.settings:q} --root-seed {params.root_seed}"


rule notes_width:
    input:
        expand("results/sweep/{recording}/notes_width.csv", recording=RECORDINGS),
