"""How good translations are: what the modality's metrics, a classifier and baselines say."""
