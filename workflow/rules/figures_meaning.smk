"""Figures of meaning: the best latents by name, what is decoded, methods by their single latents.

Needs the tables of meaning. Makes results/figures/{figure}/{recording}.png, .pdf and .csv, the last
with exactly the numbers that are drawn.
"""


localrules:
    figure_feature_gallery,
    figure_decoding,
    figure_method_comparison,


rule figure_feature_gallery:
    input:
        figures_of("feature_gallery"),


rule figure_decoding:
    input:
        figures_of("decoding"),


rule figure_method_comparison:
    input:
        figures_of("method_comparison"),


rule figure_feature_gallery_of:
    input:
        first_meaning("summary", "tuning", "triggered", "sources"),
    output:
        **figure_files("feature_gallery", "Features"),
    log:
        "results/logs/figure_feature_gallery/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_feature_gallery/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("figure_feature_gallery.py"),
    shell:
        "stage {log:q} figure_feature_gallery.py {input:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_decoding_of:
    input:
        decoding=meaning_of_all("decoding"),
        confusion=meaning_of_all("confusion"),
    output:
        **figure_files("decoding", "Features"),
    log:
        "results/logs/figure_decoding/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_decoding/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("figure_decoding.py"),
    shell:
        "stage {log:q} figure_decoding.py {input.decoding:q} --picture {output.png:q} "
        "--recording {wildcards.recording:q}"


rule figure_method_comparison_of:
    input:
        features=meaning_of_all("features"),
        summaries=meaning_of_all("summary"),
        nulls=shifted_features,
    output:
        **figure_files("method_comparison", "Features"),
    log:
        "results/logs/figure_method_comparison/{recording}.log",
    benchmark:
        "results/benchmarks/rules/figure_method_comparison/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        nulls=lambda wildcards, input: " ".join(f"--null {shlex.quote(p)}" for p in input.nulls),
        code=code("figure_method_comparison.py"),
    shell:
        "stage {log:q} figure_method_comparison.py {input.features:q} {params.nulls} "
        "--picture {output.png:q} --recording {wildcards.recording:q}"
