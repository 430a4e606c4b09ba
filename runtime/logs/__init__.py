"""Logs of a training in forms that other tools read: TensorBoard, MLflow and csv files."""
