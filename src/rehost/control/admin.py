"""Commands for whoever runs the service: serve, user, db. They act on its machine, not over HTTP.

`rehost --help` imports this file: what the commands need, they import when they run.
"""

import typer

commands = typer.Typer()
