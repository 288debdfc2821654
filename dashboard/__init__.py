"""The review dashboard (Streamlit) and the Gradio demo, over `core`."""
