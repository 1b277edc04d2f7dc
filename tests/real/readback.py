"""Prints what MLflow's own client sees of an experiment and a registered model, as JSON."""

import json
import sys

from mlflow.tracking import MlflowClient

experiment, model = sys.argv[1:3]
client = MlflowClient()
found = client.get_experiment_by_name(experiment)
runs = client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])


def artifacts(run_id, path=None):
    for item in client.list_artifacts(run_id, path):
        if item.is_dir:
            yield from artifacts(run_id, item.path)
        else:
            yield item.path


versions = client.search_model_versions(f"name = '{model}'")
aliases = client.get_registered_model(model).aliases if versions else {}
print(json.dumps({
    "runs": [{
        "id": run.info.run_id,
        "status": run.info.status,
        "ended": run.info.end_time is not None,
        "params": run.data.params,
        "metrics": run.data.metrics,
        "tags": run.data.tags,
        "artifacts": sorted(artifacts(run.info.run_id)),
        "folds": [[m.step, m.value] for m in client.get_metric_history(run.info.run_id, "fold.rmse")],
    } for run in runs],
    "versions": {v.version: {"run": v.run_id, "tags": v.tags, "source": v.source} for v in versions},
    "aliases": {alias: int(version) for alias, version in aliases.items()},
}))
