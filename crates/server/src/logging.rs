//! The log: structured, on standard error, as text or as JSON.
//!
//! What is logged names apps, users by our ids, addresses and reasons; never tokens, keys, private
//! session ids or what people write.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat, LogLevel};

/// Starts logging for this process. Only the first call has an effect.
pub fn start(config: &Log) {
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // What libraries find remarkable is rarely what an operator wants to read.
    let others = level.min(LevelFilter::WARN);
    let ours = ["server", "dialects", "chat", "wire"].map(|name| (name, level));
    let filter = Targets::new().with_default(others).with_targets(ours);
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let log = registry().with(filter);
    // It fails only if logging has been started before.
    let _ = match config.format {
        LogFormat::Text => log.with(lines).try_init(),
        LogFormat::Json => log.with(lines.json().flatten_event(true)).try_init(),
    };
}
