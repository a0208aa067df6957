# talkpath: `make run` starts the engine, `make test` proves it. Both install what is missing on Debian.

CARGO ?= cargo
ARGS ?=
# More than there are cores: a test with real clients mostly waits for them.
TEST_THREADS ?= 8

.PHONY: run build web test bench install install-test

run: build
	./target/release/talkpath serve $(ARGS)

build: install web
	$(CARGO) build --release --locked

# The pages, which the build embeds. npm's own stamp says whether anything is to be installed.
web: web/conference/dist/index.html

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund

web/conference/dist/index.html: web/node_modules/.package-lock.json $(shell find web/sdk/src web/conference/src web/conference/public web/conference/index.html -type f 2>/dev/null)
	cd web && npm run build
	touch $@

test: install-test web
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test --locked
	cd web && npm run check && npm test && npm run build:e2e && npm run test:browser && npm run test:engine

bench: install
	$(CARGO) bench --locked

install:
	./tools/install.sh

install-test:
	./tools/install.sh --for-tests
