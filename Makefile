# How people work here. `make demo` and `make test` need Python 3.11 or newer, git and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
VSCODE := tests/clients/vscode
MORE := tests/clients/more
PROXY := $(MORE)/proxy

.PHONY: demo test test-long coverage check clients clients-more programs pictures soak lint format bench openapi docs constraints dist clean

# Execute the tour, to a notebook and a page: on the local kernel, and on the kernel `tci` at a server
# that runs for as long, by its address and its token, as teams do.
EXECUTE := $(BIN)/jupyter nbconvert --to notebook --execute examples/tour.ipynb \
	--KernelManager.transport_encryption=auto --output-dir $(DEMO) --log-level WARN

demo: export TOGETHER_API_KEY := demo
demo: export TCI_SERVER_TOKEN := demo
demo: $(VENV)/.demo
	$(EXECUTE) --ExecutePreprocessor.kernel_name=tci-local
	$(BIN)/python -m nbconvert --to examples.page.Page $(DEMO)/tour.ipynb --log-level ERROR
	@: > $(DEMO)/address; $(BIN)/tci-kernel serve > $(DEMO)/address & server=$$!; \
	trap "kill $$server" EXIT; \
	until [ -s $(DEMO)/address ]; do kill -0 $$server || exit; sleep 0.1; done; \
	TOGETHER_BASE_URL=$$(cat $(DEMO)/address) \
		$(EXECUTE) --ExecutePreprocessor.kernel_name=tci --output served
	@echo
	@echo "The tour ran on the kernel tci-local, and on tci at a server of its own. Its results:"
	@echo "  $(CURDIR)/$(DEMO)/tour.ipynb   the executed notebook"
	@echo "  $(CURDIR)/$(DEMO)/tour.html    the same as a page, for any browser, without a network"
	@echo "  $(CURDIR)/$(DEMO)/served.ipynb the notebook as the server's sessions executed it"

# Tests wait for the processes that they start, so there are half as many again as cores that run
# some; each takes whole files, whose tests share what they start, in the order of tests/conftest.py.
PROCESSES := $(shell echo $$((($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2)))
PYTEST ?= --numprocesses=$(PROCESSES) --dist=loadfile --no-loadscope-reorder

# What takes longer than all the rest: whole other programs (browsers, editors, installers, the
# commands of the documents), all that is compared with ipykernel's kernel, its own tests, sandboxes,
# and faults and slowness that go on for minutes.
LONG := tests/clients tests/packaging tests/documents/test_blocks.py tests/differential \
	tests/protocol/test_message_spec.py tests/protocol/test_slow_service.py \
	tests/faults/test_gateway.py tests/faults/test_no_live.py tests/faults/test_soak.py \
	tests/faults/test_live_soak.py tests/faults/test_lies.py tests/faults/test_expiry.py \
	tests/server/test_limits.py tests/server/test_ray.py tests/server/test_sandbox.py \
	tests/server/test_elsewhere.py tests/protocol/test_hostile.py tests/protocol/test_variables.py \
	tests/state tests/files/test_fsspec.py

# What `make test` leaves out beside that, to end in six minutes on two cores: what stands around
# the kernel, and the files that took longest.
AROUND := tests/cli tests/extension tests/files tests/faults/test_kernel.py \
	tests/protocol/test_helper.py tests/protocol/test_magics.py \
	tests/protocol/test_configuration.py tests/protocol/test_local_directory.py \
	tests/server/test_lifecycle.py tests/server/test_spare.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST) $(patsubst %,--ignore=%,$(LONG) $(AROUND))

test-long: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST) $(LONG) $(AROUND)

# How much of the package its own tests run. It takes twice the computing time: each kernel and each
# server that a test starts is measured.
coverage: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST) $(LONG:%=--ignore=%)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Programs that each need an environment of their own, which `make test-long` leaves out.
clients-more: $(VENV)/.dev clients
	$(BIN)/python -m pytest $(PYTEST) $(MORE)

# What needs no kernel, no server and no environment: seconds, for while one works.
check: $(VENV)/.dev
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/python -m pytest --quiet --numprocesses=auto --dist=worksteal -p no:schemathesis \
		--hypothesis-profile=quick tests/unit

# What some tests need beside the packages of all: a browser, libraries for Qt, the packages of VS
# Code's extension and JupyterHub's proxy for Node, bubblewrap for sandboxes, iproute2 for networks of interpreters that run
# elsewhere, and Ray. Where it is missing, these tests are skipped.
clients: $(VSCODE)/node_modules/.package-lock.json $(PROXY)/node_modules/.package-lock.json $(VENV)/.ray

%/node_modules/.package-lock.json: %/package-lock.json | programs
	cd $* && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

# Only what is missing is installed, each by itself: Debian's npm can't stand beside Node from
# elsewhere, which brings its own.
programs: $(VENV)/.dev
	@has() { for name; do command -v $$name > /dev/null && return; done; false; }; \
	missing=; \
	has chromium chromium-browser google-chrome || missing=chromium; \
	has node || missing="$$missing nodejs"; \
	has npm || missing="$$missing npm"; \
	has bwrap || missing="$$missing bubblewrap"; \
	has ip || missing="$$missing iproute2"; \
	loads() { $(BIN)/python -c "import ctypes; ctypes.CDLL('$$1')" 2> /dev/null; }; \
	loads libEGL.so.1 || missing="$$missing libegl1"; \
	loads libGL.so.1 || missing="$$missing libgl1"; \
	[ -n "$$missing" ] || exit 0; \
	as=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$as apt-get update -qq; \
	for name in $$missing; do $$as apt-get install -qq --yes $$name || exit 1; done

# The pictures in the documents, taken while its tests run.
pictures: $(VENV)/.dev clients
	PICTURES=1 $(BIN)/python -m pytest tests/clients/test_browser.py tests/clients/test_live_browser.py \
		tests/clients/test_notebooks.py

# Many cells with random faults; the suite has a shorter run of it.
soak: $(VENV)/.dev
	SOAK_CELLS=20000 $(BIN)/python -m pytest --timeout=0 tests/faults/test_soak.py \
		tests/faults/test_live_soak.py

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Measured side by side with ipykernel, in one run.
bench: $(VENV)/.dev $(VENV)/.ray
	$(BIN)/python -m benchmarks

# What the local server serves at /openapi.json, from its source.
openapi: $(VENV)/.dev
	$(BIN)/python -c "import json, yaml; \
	print(json.dumps(yaml.safe_load(open('tci_kernel/server/openapi.yaml')), indent=1))" \
		> tci_kernel/server/openapi.json

# What the documents have from the code, and the site, where a broken link is an error.
docs: $(VENV)/.dev
	$(BIN)/python -m docs.generate
	$(BIN)/sphinx-build --quiet --fail-on-warning --nitpicky --fresh-env docs build/docs
	@echo "The documents: $(CURDIR)/build/docs/index.html"

# The versions that continuous integration installs: the newest that go together, on any platform.
constraints: $(VENV)/.dev
	UV_CUSTOM_COMPILE_COMMAND="make $@" $(BIN)/uv pip compile --quiet --upgrade --universal \
		--python-version 3.11 --all-extras --no-annotate --output-file .ci/constraints.txt pyproject.toml

# What a release consists of, in dist.
dist: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV) $(VSCODE)/node_modules $(PROXY)/node_modules build dist .pytest_cache .coverage .coverage.*

# The stamps are newer than what was installed, so that a second run starts from what is there.
$(VENV)/.demo: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.demo

$(VENV)/.ray: pyproject.toml $(VENV)/.dev
	$(BIN)/pip install --quiet --editable '.[ray]'
	touch $@

# Debian's Python comes without the part that puts pip into an environment; with enough rights it
# is installed here, else the command to do so is shown.
$(BIN)/pip:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "tci-kernel needs Python 3.11 or newer; name one: make PYTHON=python3.11 …"; exit 1; }
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || \
		{ [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq --yes python3-venv; } || \
		{ echo "Python's venv module is incomplete: run 'sudo apt-get install python3-venv'"; exit 1; }
	$(PYTHON) -m venv $(VENV)
