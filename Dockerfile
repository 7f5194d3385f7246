# The web app and its endpoints: docker build -t fer-dl . && docker run -p 7860:7860 fer-dl
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1
RUN useradd --uid 1000 --create-home app
WORKDIR /home/app/fer-dl
COPY pyproject.toml setup.py README.md LICENSE gradio_app.py ./
COPY fer fer
COPY artifacts artifacts
RUN pip install --no-cache-dir .

USER 1000
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/ready')"]
CMD ["fer-dl", "app", "--host", "0.0.0.0", "--port", "7860"]
