"""Spike distance: bins of a millisecond, a network for many units, spikes inferred from it, a map.

Needs spikes, kept units and signals. Makes results/distance/{recording}/ with bins.parquet, and a
folder for each model and seed; {recording} is also a name under distance.together, whose networks
know the units of several recordings.
"""


rule bin_distance:
    input:
        spikes=table("spikes"),
        units=table("units"),
        signals=table("signals"),
        intervals=table("intervals"),
        recording="results/recordings/{recording}/recording.json",
    output:
        bins="results/distance/{recording}/bins.parquet",
        averages="results/distance/{recording}/stimulus_average.parquet",
    log:
        "results/logs/bin_distance/{recording}.log",
    benchmark:
        "results/benchmarks/rules/bin_distance/{recording}.tsv"
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=bin_settings,
        code=code("bin_distance.py"),
    shell:
        "stage {log:q} bin_distance.py results/recordings/{wildcards.recording:q} {output.bins:q} "
        "--averages {output.averages:q} --settings {params.settings:q}"


rule train_distance:
    input:
        bins_of,
    output:
        checkpoint=distance_file("checkpoint.safetensors"),
        model=distance_file("model.json"),
        history=distance_file("history.parquet"),
        embedding=distance_file("unit_embedding.parquet"),
    log:
        "results/logs/train_distance/{recording}/{model}/seed{seed}.log",
    benchmark:
        "results/benchmarks/rules/train_distance/{recording}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    # One: models run side by side, and sums round alike everywhere.
    threads: 1
    resources:
        mem_mb=6000,
        runtime=600,
    params:
        settings=network_settings,
        units=network_units,
        recordings=recording_options,
        device=of_distance("device"),
        root_seed=CONFIG.settings["seed"],
        code=code("train_distance.py"),
        run="{recording}/{model}/seed{seed}",
        folder=folder_of,
    shell:
        "stage {log:q} train_distance.py {input:q} {params.recordings} --model {wildcards.model} "
        "--settings {params.settings:q} --units {params.units:q} --seed {wildcards.seed} "
        "--root-seed {params.root_seed} --device {params.device} --threads {threads} "
        "--state results/states/distance/{params.run:q}/state.safetensors --folder {params.folder:q}"


rule infer_distance:
    input:
        bins=bins_of,
        checkpoint=distance_file("checkpoint.safetensors"),
        model=distance_file("model.json"),
        truth=truth_of,
    output:
        predictions=distance_file("predictions.safetensors"),
        spikes=distance_file("inferred_spikes.parquet"),
        scores=distance_file("scores.parquet"),
        about=distance_file("inference.json"),
    log:
        "results/logs/infer_distance/{recording}/{model}/seed{seed}.log",
    benchmark:
        "results/benchmarks/rules/infer_distance/{recording}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        recording=OF_TRAINED,
    conda:
        ENV
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        methods=of_distance("methods"),
        step=of_distance("step"),
        units=network_units,
        recordings=recording_options,
        truth=truth_options,
        device=of_distance("device"),
        code=code("infer_distance.py"),
        folder=folder_of,
    shell:
        "stage {log:q} infer_distance.py {input.bins:q} {params.recordings} {params.truth} "
        "--network {params.folder:q} --model {wildcards.model} --methods {params.methods:q} "
        "--step {params.step} --units {params.units:q} --seed {wildcards.seed} "
        "--device {params.device} --threads {threads} --folder {params.folder:q}"
