"""What the Gradio demo is made of; `dashboard.demo` starts it."""
