"""Which files and settings the rules of spike distance are about: networks, figures, maps."""

from spikesieve.distance.config import main_model, members, trained_names
from spikesieve.distance.config import model_settings as distance_model
from spikesieve.distance.config import models_of as networks_of


def distance_of(name):
    """Return section distance for a recording, or for recordings together."""
    return CONFIG.of(name)["distance"] if name in RECORDINGS else CONFIG.settings["distance"]


#: Settings that make a network larger or smaller, and nothing else.
SIZE = {"widths", "depths", "embedding", "layers", "attention_heads"}

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


def sized_models(section):
    """Return the named models that differ from the main one in nothing but size."""
    like = distance_model(section, main_model(section))
    return [
        model
        for model in section["models"]
        if all(distance_model(section, model)[key] == like[key] for key in like.keys() - SIZE)
    ]


def sized_runs(name):
    """Return an input function: this file of every seed's run of those models."""

    def files(wildcards):
        section = distance_of(wildcards.recording)
        names = {"model": sized_models(section), "seed": range(section["n_seeds"])}
        return expand(distance_file(name), recording=wildcards.recording, **names)

    return files


def first_distance_model(wildcards):
    """Return the name of the model that later stages read."""
    return main_model(distance_of(wildcards.recording))


#: Where sizes are compared, and where units have networks of their own.
SIZED = [name for name in TRAINED if len(sized_models(distance_of(name))) > 1]
WITH_ALONE = [name for name in TRAINED if distance_of(name)["alone"]]


def first_network(name):
    """Return an input function: this file of the first seed's run of the first model."""
    return lambda wildcards: distance_runs(name)(wildcards)[0]


def first_bins(wildcards):
    """Return the bins of the first of the recordings that were trained on."""
    return bins_of(wildcards)[0]


def first_of(value):
    """Return an input function of the settings or units of the first model."""

    def found(wildcards):
        section = distance_of(wildcards.recording)
        settings = distance_model(section, first_distance_model(wildcards))
        units = settings.pop("units")
        return canonical(units if value == "units" else settings)

    return found


def heads_of(name):
    """Return what the first network of a name predicts."""
    section = distance_of(name)
    return distance_model(section, main_model(section))["heads"]


#: Those whose first network predicts distances.
DISTANT = [name for name in TRAINED if "distance" in heads_of(name)]


def averages_of_members(wildcards):
    """Return the stimulus averages of all units of a map."""
    return [f"results/distance/{name}/stimulus_average.parquet" for name in members_of(wildcards)]


def units_of_members(wildcards):
    """Return the unit tables of all recordings of a map."""
    return [table("units").format(recording=name) for name in members_of(wildcards)]


def told_apart(name):
    """Say whether a network has embeddings to map."""
    section = distance_of(name)
    return distance_model(section, main_model(section))["unit"] != "none"


#: Those whose first network has embeddings.
MAPPED = [name for name in TRAINED if told_apart(name)]


def distance_figures():
    """Return every figure of spike distance there is something to draw for, and the pages."""
    names = ("training", "scores", "pairs", "rollout", "counts")
    return [
        *figures_of(*(f"distance_{name}" for name in names), recordings=TRAINED),
        *figures_of("distance_inference", recordings=DISTANT),
        *figures_of("distance_sizes", recordings=SIZED),
        *figures_of("distance_alone", recordings=WITH_ALONE),
        *figures_of("unit_map", recordings=MAPPED),
        *expand("results/unit_map/{recording}/unit_map.html", recording=MAPPED),
    ]
