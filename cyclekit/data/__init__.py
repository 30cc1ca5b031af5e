"""From folders of files to unpaired batches."""
