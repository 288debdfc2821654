"""Training processes that outlive whoever starts them: queued, watched, stopped, resumed, here or on Ray."""
