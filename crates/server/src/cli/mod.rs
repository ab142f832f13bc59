//! The command line: what `palaver` understands, and its exit statuses.
//!
//! Scripts rely on names, output and statuses here: 0 done, 1 refused (the reason stands on
//! standard error), 2 not understood. [`commands`] carries out what ends at once, [`serve`] what
//! does not.

mod commands;
mod demo;
mod serve;

use std::{fmt, io, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{self, Config, Problems, Sources};

/// One self-hosted chat server for front ends that speak Socket.IO.
#[derive(Debug, Parser)]
#[command(name = "palaver", version, about, max_term_width = 100)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(ServeArgs),
    /// Make and list apps. An app is a tenant: it owns users, conversations and keys.
    #[command(subcommand)]
    App(AppCommand),
    /// Make, list and revoke the API keys of an app.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Sign tokens, for tests and scripts.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Copy the database, while the server runs or not. To restore, serve from the copy.
    Backup(BackupArgs),
    /// Check or print the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Where the settings come from.
#[derive(Debug, Args)]
struct Settings {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "PALAVER_CONFIG")]
    config: Option<PathBuf>,
    /// The folder of the database.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Any setting, like limits.connections=500. Can be given more than once.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = parse_set)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    settings: Settings,
    /// The address to listen on. With port 0 the system chooses one.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Make an app to try things out with, and print how.
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Subcommand)]
enum AppCommand {
    /// Make an app, with a client key, a server key and a secret for tokens.
    Create(CreateAppArgs),
    /// List the apps.
    List(ListAppsArgs),
}

#[derive(Debug, Args)]
struct CreateAppArgs {
    /// A name, unique on the server.
    name: String,
    /// open: ids in payloads are believed. verified: a signed token must say who acts.
    #[arg(long, value_enum, default_value = "verified")]
    identity: IdentityArg,
    /// Clients that name no app belong to this one.
    #[arg(long)]
    default: bool,
    /// Public keys that verify tokens: PEM, or a JWK set.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListAppsArgs {
    #[command(flatten)]
    settings: Settings,
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a further key.
    Create(CreateKeyArgs),
    /// List the keys of an app; their texts are not kept.
    List(ListKeysArgs),
    /// Make a key stop working.
    Revoke(RevokeKeyArgs),
}

#[derive(Debug, Args)]
struct CreateKeyArgs {
    /// The app's id or name.
    #[arg(long, value_name = "APP")]
    app: String,
    /// client: what a page may carry. server: administration.
    #[arg(long, value_enum, default_value = "client")]
    scope: ScopeArg,
    #[command(flatten)]
    settings: Settings,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListKeysArgs {
    /// The app's id or name.
    #[arg(long, value_name = "APP")]
    app: String,
    #[command(flatten)]
    settings: Settings,
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeKeyArgs {
    /// The key's number, as in `key list`, or its text.
    key: String,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Sign a token with the app's secret and print it.
    Sign(SignArgs),
}

#[derive(Debug, Args)]
struct SignArgs {
    /// The app's id or name.
    #[arg(long, value_name = "APP")]
    app: String,
    /// The user whom the token speaks for.
    #[arg(long)]
    subject: String,
    /// What the user is in a market.
    #[arg(long, value_enum)]
    role: Option<RoleArg>,
    /// What others are shown in the chat of a live stream.
    #[arg(long)]
    name: Option<String>,
    /// Since when the user follows the channel, as in 2026-03-01T12:30:05Z.
    #[arg(long, value_name = "TIME")]
    follower_since: Option<String>,
    /// For how many months the user has subscribed to the channel.
    #[arg(long, value_name = "MONTHS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_200))]
    subscriber_months: u32,
    /// Seconds until it expires.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    ttl: u64,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
struct BackupArgs {
    /// An empty or new folder.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say what is wrong with the settings.
    Check(Settings),
    /// Print every setting with its default.
    Default,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IdentityArg {
    Open,
    Verified,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeArg {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleArg {
    Customer,
    Vendor,
    Admin,
}

fn parse_set(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if name.contains('.') => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it like limits.connections=500".to_owned()),
    }
}

/// Why a command ended without having done its work.
#[derive(Debug)]
enum Failure {
    /// With these words for standard error.
    Refused(String),
    /// Nobody reads the output any longer, so there is nobody to tell.
    OutputClosed,
}

impl<E: fmt::Display> From<E> for Failure
where
    E: std::error::Error + 'static,
{
    fn from(error: E) -> Self {
        let any: &(dyn std::error::Error + 'static) = &error;
        match any.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::BrokenPipe) => Self::OutputClosed,
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// Carries out what the command line asks for.
pub fn run(line: CommandLine) -> ExitCode {
    let done = match line.command {
        Command::Serve(args) => serve::serve(&args),
        Command::App(AppCommand::Create(args)) => commands::create_app(&args),
        Command::App(AppCommand::List(args)) => commands::list_apps(&args),
        Command::Key(KeyCommand::Create(args)) => commands::create_key(&args),
        Command::Key(KeyCommand::List(args)) => commands::list_keys(&args),
        Command::Key(KeyCommand::Revoke(args)) => commands::revoke_key(&args),
        Command::Token(TokenCommand::Sign(args)) => commands::sign_token(&args),
        Command::Backup(args) => commands::back_up(&args),
        Command::Config(ConfigCommand::Check(settings)) => commands::check_config(&settings),
        Command::Config(ConfigCommand::Default) => commands::print_example(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::OutputClosed) => ExitCode::FAILURE,
        Err(Failure::Refused(words)) => {
            commands::complain(&words);
            ExitCode::FAILURE
        }
    }
}

impl Settings {
    fn load(&self) -> Result<Config, Problems> {
        self.load_with(None)
    }

    /// The settings, with what other flags say over them.
    fn load_with(&self, listen: Option<SocketAddr>) -> Result<Config, Problems> {
        let mut flags: Vec<_> = self
            .set
            .iter()
            .map(|(name, value)| (format!("--set {name}"), name.clone(), value.clone()))
            .collect();
        let mut flag = |flag: &str, name: &str, value: String| {
            flags.push((flag.to_owned(), name.to_owned(), value));
        };
        if let Some(data) = &self.data {
            flag("--data", "server.data", data.to_string_lossy().into_owned());
        }
        if let Some(listen) = listen {
            flag("--listen", "server.listen", listen.to_string());
        }
        config::load(&Sources {
            file: self.config.as_deref(),
            // A variable that is not Unicode cannot be one of ours.
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            flags,
        })
    }
}
