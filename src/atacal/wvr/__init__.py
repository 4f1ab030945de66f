"""Water vapour radiometers: the 183 GHz line, its Bayesian retrieval, and the phases that follow from it."""
