# The five things that one does here. Everything else is a line in tools/ or a cargo command.

.PHONY: help run check test prove bench

help:
	@echo "make run    build in release and start the demo on 127.0.0.1:3000, data in ./data"
	@echo "make check  format, lints and the fast tests; for every save"
	@echo "make test   install what the tests need and run all of them"
	@echo "make prove  the long runs: 500 kills, fuzzing, dependencies; goes on where it was interrupted"
	@echo "make bench  measure beside other engines; twelve minutes on a quiet machine"

run:
	cargo build --release --locked --bin palaver
	exec target/release/palaver serve --demo

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked --quiet --lib --test config --test identity

test:
	tools/test

prove:
	tools/prove

bench:
	tools/bench
