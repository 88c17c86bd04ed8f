"""What latents mean: labels of bins, and every method's latents held against them by one code.

Needs counts, intervals, signals and the runs of all methods. Makes results/latents/{recording}/:
conditions.parquet, and a folder for each model and baseline with its tables of meaning.
"""


include: "meaning_inputs.smk"


rule label_bins:
    input:
        counts=counts_of,
        intervals=table("intervals"),
        signals=table("signals"),
    output:
        "results/latents/{recording}/conditions.parquet",
    log:
        "results/logs/label_bins/{recording}.log",
    benchmark:
        "results/benchmarks/rules/label_bins/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=label_settings,
        bin_ms=lambda wildcards: bin_width(wildcards.recording),
        code=code("label_bins.py"),
    shell:
        "stage {log:q} label_bins.py {input.counts:q} {input.intervals:q} {input.signals:q} "
        "{output:q} --bin-ms {params.bin_ms} --settings {params.settings:q}"


rule judge_meaning:
    input:
        counts=counts_of,
        conditions=rules.label_bins.output,
        units=table("units"),
        latents=judged_runs("latents.parquet"),
        metrics=judged_runs("metrics.parquet"),
        more=networks_and_dictionary,
    output:
        **{name: latents_file(name) for name in MEANING},
    log:
        "results/logs/judge_meaning/{recording}/{model}.log",
    benchmark:
        "results/benchmarks/rules/judge_meaning/{recording}/{model}.tsv"
    wildcard_constraints:
        model=MODEL_OR_METHOD,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        settings=meaning_settings,
        gap_s=gap_of,
        code=code("judge_meaning.py"),
        folder=folder_of,
    shell:
        "stage {log:q} judge_meaning.py {input.counts:q} {input.conditions:q} {input.units:q} "
        "{input.latents:q} --folder {params.folder:q} --recording {wildcards.recording:q} "
        "--model {wildcards.model} --gap-s {params.gap_s} --settings {params.settings:q}"


rule judge_meaning_of_null:
    input:
        counts=counts_of,
        conditions=rules.label_bins.output,
        units=table("units"),
        latents=null_runs("latents.parquet"),
        metrics=null_runs("metrics.parquet"),
        checkpoints=null_runs("checkpoint.safetensors"),
        dictionary="results/nulls/{recording}/{model}/{null}/dictionary.parquet",
    output:
        "results/nulls/{recording}/{model}/{null}/features.parquet",
    log:
        "results/logs/judge_meaning_of_null/{recording}/{model}/{null}.log",
    benchmark:
        "results/benchmarks/rules/judge_meaning_of_null/{recording}/{model}/{null}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        settings=meaning_settings,
        gap_s=gap_of,
        code=code("judge_meaning.py"),
        folder=folder_of,
        model="{model}",
    shell:
        "stage {log:q} judge_meaning.py {input.counts:q} {input.conditions:q} {input.units:q} "
        "{input.latents:q} --folder {params.folder:q} --recording {wildcards.recording:q} "
        "--model {params.model} --gap-s {params.gap_s} --settings {params.settings:q} "
        "--only-features"


use rule judge_meaning_of_null as judge_meaning_of_baseline_null with:
    input:
        counts=counts_of,
        conditions=rules.label_bins.output,
        units=table("units"),
        latents=baseline_null_runs("latents.parquet"),
        metrics=baseline_null_runs("metrics.parquet"),
    output:
        "results/nulls/{recording}/{method}/{null}/features.parquet",
    log:
        "results/logs/judge_meaning_of_baseline_null/{recording}/{method}/{null}.log",
    benchmark:
        "results/benchmarks/rules/judge_meaning_of_baseline_null/{recording}/{method}/{null}.tsv"
    params:
        settings=meaning_settings,
        gap_s=gap_of,
        code=code("judge_meaning.py"),
        folder=folder_of,
        model="{method}",


rule compare_methods:
    input:
        meaning=comparison_tables,
        methods="results/methods/{recording}.csv",
    output:
        table="results/comparison/{recording}.csv",
        page=report(
            "results/comparison/{recording}.html",
            caption="../report/comparison.rst",
            category="Features",
            subcategory="{recording}",
            labels={"figure": "methods compared, in tables"},
        ),
    log:
        "results/logs/compare_methods/{recording}.log",
    benchmark:
        "results/benchmarks/rules/compare_methods/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        folders=comparison_folders,
        code=code("compare_methods.py"),
    shell:
        "stage {log:q} compare_methods.py {params.folders:q} --methods {input.methods:q} "
        "--table {output.table:q} --page {output.page:q} --recording {wildcards.recording:q}"
