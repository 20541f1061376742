"""The workloads: each module has TITLE, SECONDS, `run(lab)`, `markdown(results)` and `figure(results, plt)`."""
