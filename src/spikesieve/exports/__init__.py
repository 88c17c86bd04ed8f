"""Recordings written for other tools: Kilosort's layout and NWB."""
