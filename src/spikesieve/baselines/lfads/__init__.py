"""LFADS: latent factor analysis via dynamical systems, a compact implementation.

Pandarinath et al. 2018 ("Inferring single-trial neural population dynamics using sequential
auto-encoders", Nature Methods 15:805); Sussillo, Jozefowicz, Abbott and Pandarinath 2016
(arXiv:1608.06315). A bidirectional encoder reads a window of counts and gives the posterior of a
generator's initial state; the generator, a recurrent network, unfolds it into factors; these give
each unit's Poisson rate. A controller may add inferred inputs on the way.
"""
