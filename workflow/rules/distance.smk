"""Spike distance: bins of a millisecond, a network for many units, spikes inferred from it, a map.

Needs spikes, kept units and signals. Makes results/distance/{recording}/ with bins.parquet, and a
folder for each model and seed; {recording} is also a name under distance.together, whose networks
know the units of several recordings.
"""

from spikesieve.distance.config import main_model, members, trained_names
from spikesieve.distance.config import model_settings as distance_model
from spikesieve.distance.config import models_of as networks_of


def distance_of(name):
    """Return section distance for a recording, or for recordings together."""
    return CONFIG.of(name)["distance"] if name in RECORDINGS else CONFIG.settings["distance"]


#: What networks are trained on: recordings alone, and names of recordings together.
TRAINED = trained_names(CONFIG.settings, CONFIG.recordings)
OF_TRAINED = "|".join(map(re.escape, TRAINED)) or "(?!)"


def distance_file(name):
    """Return the path pattern of a file of one trained network."""
    return f"results/distance/{{recording}}/{{model}}/seed{{seed}}/{name}"


def members_of(wildcards):
    """Return the recordings that a network is trained on."""
    return members(CONFIG.settings["distance"], wildcards.recording)


def bins_of(wildcards):
    """Return the tables of bins that a network is trained on."""
    return [f"results/distance/{name}/bins.parquet" for name in members_of(wildcards)]


def bin_settings(wildcards):
    """Return what the bins of a recording depend on, as JSON."""
    keys = ("bin_ms", "stimulus", "split", "gap_s", "min_training_rate_hz", "max_units")
    return canonical({key: distance_of(wildcards.recording)[key] for key in keys})


def network_settings(wildcards):
    """Return a model's settings as JSON, its units left out."""
    settings = distance_model(distance_of(wildcards.recording), wildcards.model)
    return canonical({key: value for key, value in settings.items() if key != "units"})


def network_units(wildcards):
    """Return the ids of a model's units as JSON, null for all."""
    return canonical(distance_model(distance_of(wildcards.recording), wildcards.model)["units"])


def of_distance(key):
    """Return an input function of one value of section distance, as JSON or a word."""

    def value(wildcards):
        chosen = distance_of(wildcards.recording)[key]
        return chosen if isinstance(chosen, str) else canonical(chosen)

    return value


def truth_of(wildcards):
    """Return the truth files of the members that are simulated retinas: their true rates."""
    simulations = CONFIG.settings["simulations"]
    rows = {name: CONFIG.recordings[name] for name in members_of(wildcards)}
    made = [name for name, row in rows.items() if row["source"] == "simulated"]
    known = [name for name in made if simulations[rows[name]["path"]]["kind"] == "retina"]
    return [f"results/recordings/{name}/truth.npz" for name in known]


def recording_options(wildcards):
    """Return the option that names each member, in order."""
    return " ".join(f"--recording {shlex.quote(name)}" for name in members_of(wildcards))


def truth_options(wildcards):
    """Return the option for each truth file."""
    return " ".join(f"--truth {shlex.quote(path)}" for path in truth_of(wildcards))


def distance_runs(name, *, models="first"):
    """Return an input function: this file of every seed's run of the first, named or all models."""

    def files(wildcards):
        section = distance_of(wildcards.recording)
        chosen = {
            "first": [main_model(section)],
            "named": [*section["models"]],
            "all": [*networks_of(section)],
        }[models]
        seeds = range(section["n_seeds"])
        names = {"recording": wildcards.recording, "model": chosen, "seed": seeds}
        return expand(distance_file(name), **names)

    return files


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
