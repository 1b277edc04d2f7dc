"""Reads a run and a model version back with MLflow's own client, and writes what it finds as JSON.

Usage: readback.py RUN_ID MODEL ALIAS, with MLFLOW_TRACKING_URI set.
"""

import hashlib
import json
import pathlib
import sys
import tempfile

import mlflow
from mlflow import MlflowClient


def digests(folder):
    files = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


run_id, model, alias = sys.argv[1:]
client = MlflowClient()
run = client.get_run(run_id)
version = client.get_model_version_by_alias(model, alias)
history = client.get_metric_history(run_id, "loss")
with tempfile.TemporaryDirectory() as folder:
    artifacts = digests(mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=folder + "/run"))
    content = digests(mlflow.artifacts.download_artifacts(f"models:/{model}@{alias}", dst_path=folder + "/model"))
print(
    json.dumps(
        {
            "experiment": client.get_experiment(run.info.experiment_id).name,
            "run_name": run.info.run_name,
            "status": run.info.status,
            "start_time": run.info.start_time,
            "end_time": run.info.end_time,
            "params": run.data.params,
            "tags": run.data.tags,
            "loss": [[point.step, point.value, point.timestamp] for point in sorted(history, key=lambda p: p.step)],
            "artifacts": artifacts,
            "model": {
                "version": str(version.version),
                "run_id": version.run_id,
                "tags": version.tags,
                "content": content,
            },
        }
    )
)
