"""Figures: each module makes a table of what is drawn, and draws that table and nothing else."""
