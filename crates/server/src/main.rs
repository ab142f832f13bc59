//! The binary `palaver`. Everything is in the library; see [`server::cli`].

use std::process::ExitCode;

use clap::Parser;
use server::cli::{self, CommandLine};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run(CommandLine::parse())
}
