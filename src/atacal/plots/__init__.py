"""Pictures of visibilities and tables, and the data behind them."""
