# An image of `tci-kernel serve`: a service for a team, whose sessions have what is installed here.
#
#   docker build --tag tci-kernel .
#   docker run --publish 8321:8321 --env TCI_SERVER_TOKEN tci-kernel
#
# The container keeps all sessions from the rest of the machine, but not from each other.
FROM python:3.13-slim

COPY .ci/constraints.txt LICENSE README.md pyproject.toml /tmp/tci-kernel/
COPY kernelspec /tmp/tci-kernel/kernelspec/
COPY tci_kernel /tmp/tci-kernel/tci_kernel/

# Name beside ipywidgets what your notebooks import, and in tci-kernel[tables] the extras.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint /tmp/tci-kernel/constraints.txt \
        /tmp/tci-kernel ipywidgets matplotlib pandas \
    && rm -r /tmp/tci-kernel \
    && useradd --create-home --uid 1000 sessions

USER 1000
WORKDIR /home/sessions
EXPOSE 8321

# Callers send the token that stands in TCI_SERVER_TOKEN. Without one the server does not start.
CMD ["tci-kernel", "serve", "--host", "0.0.0.0", "--port", "8321"]

HEALTHCHECK CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8321/openapi.json')"]
