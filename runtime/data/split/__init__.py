"""Which rows are in the training, the validation and the test part."""
