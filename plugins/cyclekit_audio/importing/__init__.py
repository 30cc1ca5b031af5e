"""Other people's vocoders and voices: how each family names its layers."""
