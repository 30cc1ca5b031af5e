# Two images of cyclekit with its plugins: `docker build --target cpu .` and `docker build --target cuda .`
# Runs and data lie in the folder that is mounted as /work.

FROM python:3.11-slim AS base
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 UV_SYSTEM_PYTHON=1 UV_NO_CACHE=1
RUN pip install "uv>=0.7" && useradd --uid 1000 --create-home cyclekit && install -d -o cyclekit /work
COPY pyproject.toml README.md LICENSE CHANGELOG.md CONTRIBUTING.md SECURITY.md mkdocs.yml constraints.txt /source/
COPY cyclekit /source/cyclekit
COPY plugins /source/plugins
COPY recipes /source/recipes
WORKDIR /source

FROM base AS cpu
RUN uv pip install --torch-backend cpu --constraint constraints.txt ".[image,audio,music,fast,video,export]"
USER 1000
WORKDIR /work
ENTRYPOINT ["cyclekit"]
CMD ["--help"]

FROM base AS cuda
# torch brings CUDA's libraries; the driver comes from the host, by `docker run --gpus all`.
RUN uv pip install --torch-backend cu130 --constraint constraints.txt ".[image,audio,music,fast,video,export]"
USER 1000
WORKDIR /work
ENTRYPOINT ["cyclekit"]
CMD ["--help"]
