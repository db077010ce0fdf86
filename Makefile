# The jobs of a checkout. Each installs what it needs first (scripts/setup.sh).

.PHONY: help demo test bench bench-docs fuzz fmt lint

help:
	@echo "make demo    a hierarchy, certificates, mutual TLS and a revocation, judged by OpenSSL"
	@echo "make test    form, lints, dependencies, tests, and other people's programs as judges"
	@echo "make bench   speed, as ratios to a reference in the same run"
	@echo "make bench-docs   the same, written into docs/benchmarks.md with a plot"
	@echo "make fuzz    a search for inputs that break a parser, FUZZ_SECONDS (60) a target"
	@echo "make fmt     format the sources"
	@echo "make lint    what the compiler and the dependency rules object to"

demo:
	@scripts/setup.sh demo
	@scripts/demo.sh

test:
	@scripts/test.sh

bench:
	@scripts/setup.sh bench
	cargo run --release --locked --quiet --package rustmq-bench

bench-docs:
	@scripts/setup.sh bench
	cargo run --release --locked --quiet --package rustmq-bench -- --write docs

fuzz:
	@scripts/fuzz.sh

fmt:
	cargo fmt --all

lint:
	@scripts/test.sh lint
