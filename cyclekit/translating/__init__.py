"""Files in, translated files out, with a trained run."""
