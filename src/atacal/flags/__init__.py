"""Flag commands, agents, versions and summaries."""
