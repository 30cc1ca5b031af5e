"""The engine: tensors, steps, losses, ranks and checkpoints. It never knows a modality."""
