"""How the packages that ours is timed against are trained; runs in their environment alone."""

import torch


def nldisco(work: dict):
    """Return the model, its loss of a batch, and the settings of that loss."""
    import nldisco
    from nldisco.train import weighted_reconstruction_loss

    size = {"n_neurons": work["n_units"], "dsed_topk_map": dict(work["levels"])}
    model = nldisco.build_sed(nldisco.SedConfig(**size, seq_len=1))
    chosen = nldisco.LossConfig(timebin_weights=[1.0], type=work["loss"])

    def loss(x):
        outputs = model(x[:, None]).reconstructions.values()
        return sum(weighted_reconstruction_loss(x[:, None], y, chosen)[0] for y in outputs)

    return model, loss, chosen


def nldisco_whole(work: dict, counts):
    """Return what trains for all steps of a turn."""
    from nldisco import SpikeWindowDataset, TrainConfig
    from nldisco.train import train_model

    model, _, chosen = nldisco(work)
    data = SpikeWindowDataset(counts[: work["batch_size"] * work["n_steps"]], seq_len=1)
    cut = {"batch_size": work["batch_size"], "shuffle": True, "drop_last": True}
    batches = torch.utils.data.DataLoader(data, **cut)
    training = TrainConfig(batch_size=work["batch_size"], epochs=1)
    return lambda: train_model(model, batches, chosen, training)


def sae_lens(work: dict):
    """Return the model and its loss of a batch."""
    import sae_lens
    from sae_lens.saes.sae import TrainStepInput

    *nested, (n_latents, k) = work["levels"]
    size = {"d_in": work["n_units"], "d_sae": n_latents, "k": k}
    widths = {"matryoshka_widths": [width for width, _ in nested]}
    config = sae_lens.MatryoshkaBatchTopKTrainingSAEConfig(**size, **widths)
    model = sae_lens.MatryoshkaBatchTopKTrainingSAE(config)
    rest = {}, None, 0, False
    return model, lambda x: model.training_forward_pass(TrainStepInput(x, *rest)).loss


def dictionary_learning(work: dict):
    """Return what does a step on a batch, Adam included."""
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKTrainer

    n_latents, k = work["levels"][-1]
    widths = [0, *(width for width, _ in work["levels"])]
    shares = (torch.tensor(widths).diff() / n_latents).tolist()
    size = {"activation_dim": work["n_units"], "dict_size": n_latents, "k": k, "device": "cpu"}
    names = {"steps": 10_000, "layer": 0, "lm_name": "", "group_fractions": shares}
    trainer = MatryoshkaBatchTopKTrainer(**size, **names)
    return lambda x: trainer.update(1, x)
