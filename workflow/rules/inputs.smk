"""Which files and values the rules are about: their paths, inputs and options."""

#: What ingest makes of every source; spikes or binned come on top.
INGESTED = {
    "sorted_units": table("sorted_units"),
    "intervals": table("intervals"),
    "signals": table("signals"),
    "recording": "results/recordings/{recording}/recording.json",
}

#: Files of a Kilosort folder that ingest reads, and those that an export consists of.
KILOSORT_NAMES = [
    "params.py",
    "spike_times.npy",
    "spike_clusters.npy",
    "spike_templates.npy",
    "spike_positions.npy",
    "channel_positions.npy",
    "channel_map.npy",
    "templates.npy",
    "templates_ind.npy",
    "template_ind.npy",
    "cluster_*.tsv",
    "cluster_*.csv",
]
KILOSORT_EXPORT = expand(
    "results/exports/{{recording}}/kilosort/{name}",
    name=[*KILOSORT_NAMES[:7], "cluster_KSLabel.tsv", "cluster_group.tsv"],
)

FIGURE_FORMATS = ("png", "pdf", "csv")


def sae_file(name):
    """Return the path pattern of a file of one trained autoencoder."""
    return f"results/sae/{{recording}}/{{model}}/seed{{seed}}/{name}"


def baseline_file(name):
    """Return the path pattern of a file of one fitted baseline."""
    return f"results/baselines/{{recording}}/{{method}}/seed{{seed}}/{name}"


def baseline_null_file(name):
    """Return the path pattern of a file of a baseline fitted to a control."""
    return f"results/nulls/{{recording}}/{{method}}/{{null}}/seed{{seed}}/{name}"


def path_of(wildcards):
    """Return the path in the sheet."""
    return row_of(wildcards)["path"]


def options(*columns):
    """Return an input function: these columns of the sheet as command-line options."""

    def arguments(wildcards):
        row = row_of(wildcards)
        pairs = [(f"--{c.replace('_', '-')}", str(row[c])) for c in columns if c in row]
        return " ".join(shlex.quote(part) for pair in pairs for part in pair)

    return arguments


def kilosort_files(wildcards):
    """Return the files of a Kilosort folder that ingest reads, so that an edit of one counts."""
    folder = path_of(wildcards).rstrip("/")
    made = folder.removeprefix("results/exports/").partition("/")[0]
    if made in RECORDINGS:
        return [p.format(recording=made) for p in KILOSORT_EXPORT]
    return sorted(str(p) for name in KILOSORT_NAMES for p in Path(folder).glob(name))


def allen_file(wildcards):
    """Return the session file: the path in the sheet, or where its id is downloaded to."""
    path = path_of(wildcards)
    return f"results/downloads/allen/session_{path}.nwb" if path.isdigit() else path


def retina_file(wildcards):
    """Return the archive: the path in the sheet, or where its URL is downloaded to."""
    path = path_of(wildcards)
    is_url = path.startswith(("https://", "http://"))
    return f"results/downloads/retina/{wildcards.recording}.tar.gz" if is_url else path


def spikes_or_binned(wildcards):
    """Return the recording's spike times, or its counts where there is nothing finer."""
    name = "spikes" if has_spikes(wildcards.recording) else "binned"
    return table(name).format(recording=wildcards.recording)


def source_width(wildcards):
    """Return the option that names a counts source's own bin width; nothing where spikes exist."""
    row = row_of(wildcards)
    return f"--source-bin-ms {row['bin_ms']}" if "bin_ms" in row else ""


def split_settings(wildcards):
    """Return the settings of binning other than widths, as JSON."""
    settings = CONFIG.of(wildcards.recording)["counts"]
    return canonical({key: settings[key] for key in ("split", "gap_s")})


def counts_of(wildcards):
    """Return the counts table that the learners of a recording read."""
    return f"results/counts/{wildcards.recording}/{bin_width(wildcards.recording)}ms.parquet"


def all_counts_of(wildcards):
    """Return the recording's counts tables of every width, narrow to wide."""
    settings = CONFIG.of(wildcards.recording)["counts"]
    own = row_of(wildcards).get("bin_ms")
    extra = [w for w in settings["extra_bin_ms"] if own is None or whole_multiple(w, own)]
    widths = sorted({settings["bin_ms"], *extra})
    return [f"results/counts/{wildcards.recording}/{width_text(w)}ms.parquet" for w in widths]


def has_features(recording):
    """Say whether sparse features were planted in a recording."""
    row = CONFIG.recordings[recording]
    simulations = CONFIG.settings["simulations"]
    return row["source"] == "simulated" and simulations[row["path"]]["kind"] == "features"


PLANTED = [recording for recording in RECORDINGS if has_features(recording)]


def figures_of(*names, recordings=None):
    """Return all files of these figures, of every recording or of these."""
    pattern = "results/figures/{figure}/{recording}.{suffix}"
    chosen = RECORDINGS if recordings is None else recordings
    return expand(pattern, figure=names, recording=chosen, suffix=FIGURE_FORMATS)


def figure_files(name, category):
    """Return the outputs of a figure's rule; the picture stands in the report."""
    picture, *others = (f"results/figures/{name}/{{recording}}.{s}" for s in FIGURE_FORMATS)
    entry = report(
        picture,
        caption=f"../report/{name}.rst",
        category=category,
        subcategory="{recording}",
        labels={"figure": name.replace("_", " ")},
    )
    return {"png": entry, **dict(zip(FIGURE_FORMATS[1:], others))}


def benchmark_picture(name):
    """Return the picture of a benchmark, which stands in the report when it was asked for."""
    return report(
        f"results/benchmarks/{name}.png",
        caption=f"../report/{name.replace('_figure', '_benchmark')}.rst",
        category="Benchmarks",
        labels={"figure": name.removesuffix("_figure").replace("_", " ")},
    )
