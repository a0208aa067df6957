# talkpath: `make run` starts the engine, `make test` proves it. Both install what is missing on Debian.

CARGO ?= cargo
ARGS ?=

.PHONY: run build test check bench load install install-test

run: build
	./target/release/talkpath serve $(ARGS)

build: install
	$(CARGO) build --release --locked

test: install-test
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) test --locked
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

bench: install
	$(CARGO) bench --locked

install:
	./tools/install.sh

install-test:
	./tools/install.sh --for-tests
