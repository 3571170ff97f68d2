"""The demo, on a laptop (`python app.py`, http://127.0.0.1:7860) and as a Hugging Face Space."""

from app.__main__ import serve

if __name__ == "__main__":
    serve()
