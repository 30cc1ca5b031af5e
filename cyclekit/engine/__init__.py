"""The engine: tensors, losses, steps and ranks. It knows no modality and writes no file."""
