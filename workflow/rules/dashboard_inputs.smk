"""Which files a page of features is made of, and which pages there are."""


def dashboard_input(name):
    """Return an input function: this file of the run that a page is about."""

    def file(wildcards):
        return runs_of(wildcards.recording, dashboard_model(wildcards), name)[0]

    return file


def dashboard_model(wildcards):
    """Return the model or method of a page: the recording's first, where none is named."""
    return getattr(wildcards, "model", models_of(wildcards.recording)[0])


def dashboard_meaning(wildcards):
    """Return the tables of meaning that a page shows."""
    names = ["summary", "features", "tuning", "triggered", "sources", "coactive"]
    known = {"recording": wildcards.recording, "model": dashboard_model(wildcards)}
    return [latents_file(name).format(**known) for name in names]


def dashboard_spikes(wildcards):
    """Return the recording's spike times, where it has any."""
    recording = wildcards.recording
    return [table("spikes").format(recording=recording)] if has_spikes(recording) else []


def dashboard_unit_map(wildcards):
    """Return the page of the recording's unit map, where it has one."""
    recording = wildcards.recording
    return [f"results/unit_map/{recording}/unit_map.html"] if recording in MAPPED else []


def dashboard_options(wildcards, input):
    """Return the options for what only some recordings have."""
    given = {"--spikes": input.spikes, "--unit-map": input.unit_map}
    return " ".join(
        f"{key} {shlex.quote(path)}" for key, (*paths,) in given.items() for path in paths
    )


def dashboard_title(wildcards):
    """Return the heading of a page."""
    return f"Features of {wildcards.recording}: {dashboard_model(wildcards)}, seed 0"


def dashboard_pages():
    """Return the page of every recording."""
    return expand("results/dashboard/{recording}.html", recording=RECORDINGS)
