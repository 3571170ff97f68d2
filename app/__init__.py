"""The demo: `ui` (layout and events), `views` (what is shown), `service` (the models in memory)."""
