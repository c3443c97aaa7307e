"""The doors of a server: ExperimentService, which people and programs call.

- `administration`: what may be asked of a server; `status`: an experiment as they see it.
- `servicer`, `client`: those who answer and who ask; `translation`: between them.
"""
