"""The Gradio demo: a light second front end, mounted in the dashboard or served alone."""
