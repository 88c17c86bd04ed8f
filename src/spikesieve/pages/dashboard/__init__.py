"""The page to explore features: a table of latents, and all that is known of the chosen one.

Its plots are drawn by uPlot (MIT licence, ``uPlot.LICENSE``; version 1.6.32 as published), which
comes with the package, so that a page holds all it needs. It has 50 kB and draws a plot in
milliseconds; plotly's library would be half of the 10 MB that a page may have.
"""
