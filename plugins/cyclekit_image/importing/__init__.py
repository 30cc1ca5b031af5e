"""Other people's networks for pictures: how each family names its layers."""
