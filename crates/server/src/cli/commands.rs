//! The commands that end at once: an operator's requests, and the configuration's.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use chat::{Identity, model::Scope};
use serde::Serialize;

use super::{
    BackupArgs, CreateAppArgs, CreateKeyArgs, Failure, IdentityArg, ListAppsArgs, ListKeysArgs,
    RevokeKeyArgs, RoleArg, ScopeArg, Settings, SignArgs,
};
use crate::{
    config::{self, Config, SETTINGS},
    operate::{Answer, Operator, Request},
    stores::sqlite::Options,
};

type Done = Result<(), Failure>;

/// How the store of these settings behaves.
pub(super) fn store_options(config: &Config) -> Options {
    Options {
        free_space_floor: config.store.free_space_floor_bytes,
        ..Options::default()
    }
}

pub(super) fn create_app(args: &CreateAppArgs) -> Done {
    let public_keys = match &args.public_key {
        None => String::new(),
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::Refused(format!("{}: {error}", file.display())))?,
    };
    let request = Request::CreateApp {
        name: args.name.clone(),
        identity: match args.identity {
            IdentityArg::Open => Identity::Open,
            IdentityArg::Verified => Identity::Verified,
        },
        default: args.default,
        public_keys,
    };
    // The first app is often made before the first start, so the folder may be new.
    let config = args.settings.load()?;
    let mut operator = Operator::reach(&config.server.data, &store_options(&config))?;
    let Answer::AppCreated(app) = operator.ask(&request)? else {
        return Err(unexpected());
    };
    if args.json {
        return print_json(&app);
    }
    let mut page = Page::new();
    page.line(format_args!("App {:?} is made.", app.name))?;
    page.field("id", &app.id)?;
    page.field("client key", &app.client_key)?;
    page.field("server key", &app.server_key)?;
    page.field("secret", &app.secret)?;
    page.line(format_args!("Keep them: they are not shown again."))
}

pub(super) fn list_apps(args: &ListAppsArgs) -> Done {
    let Answer::Apps { apps } = ask(&args.settings, &Request::Apps)? else {
        return Err(unexpected());
    };
    if args.json {
        return print_json(&apps);
    }
    let rows = apps.iter().map(|app| {
        let identity = match app.identity {
            Identity::Open => "open",
            Identity::Verified => "verified",
        };
        let default = if app.default { "default" } else { "" };
        [&app.id, &app.name, identity, default, &app.created_at].map(str::to_owned)
    });
    let mut page = Page::new();
    page.table(
        ["ID", "NAME", "IDENTITY", "", "MADE AT"],
        &rows.collect::<Vec<_>>(),
    )
}

pub(super) fn create_key(args: &CreateKeyArgs) -> Done {
    let request = Request::CreateKey {
        app: args.app.clone(),
        scope: match args.scope {
            ScopeArg::Client => Scope::Client,
            ScopeArg::Server => Scope::Server,
        },
    };
    let Answer::KeyCreated(key) = ask(&args.settings, &request)? else {
        return Err(unexpected());
    };
    if args.json {
        return print_json(&key);
    }
    let mut page = Page::new();
    page.line(format_args!("Key {} is made.", key.id))?;
    page.field("key", &key.key)?;
    page.line(format_args!("Keep it: it is not shown again."))
}

pub(super) fn list_keys(args: &ListKeysArgs) -> Done {
    let request = Request::Keys {
        app: args.app.clone(),
    };
    let Answer::Keys { keys } = ask(&args.settings, &request)? else {
        return Err(unexpected());
    };
    if args.json {
        return print_json(&keys);
    }
    let rows = keys.into_iter().map(|key| {
        let scope = match key.scope {
            Scope::Client => "client",
            Scope::Server => "server",
        };
        let revoked = key.revoked_at.unwrap_or_default();
        let beginning = format!("{}...", key.prefix);
        [
            key.id.to_string(),
            scope.to_owned(),
            beginning,
            key.created_at,
            revoked,
        ]
    });
    let mut page = Page::new();
    page.table(
        ["KEY", "SCOPE", "TEXT", "MADE AT", "REVOKED AT"],
        &rows.collect::<Vec<_>>(),
    )
}

pub(super) fn revoke_key(args: &RevokeKeyArgs) -> Done {
    let request = Request::RevokeKey {
        key: args.key.clone(),
    };
    ask(&args.settings, &request)?;
    Page::new().line(format_args!("The key does not work any longer."))
}

pub(super) fn sign_token(args: &SignArgs) -> Done {
    let role = args.role.map(|role| match role {
        RoleArg::Customer => "customer",
        RoleArg::Vendor => "vendor",
        RoleArg::Admin => "admin",
    });
    let request = Request::SignToken {
        app: args.app.clone(),
        subject: args.subject.clone(),
        role: role.map(str::to_owned),
        name: args.name.clone(),
        follower_since: args.follower_since.clone(),
        subscriber_months: args.subscriber_months,
        ttl: args.ttl,
    };
    let Answer::Token { token } = ask(&args.settings, &request)? else {
        return Err(unexpected());
    };
    Page::new().line(format_args!("{token}"))
}

pub(super) fn back_up(args: &BackupArgs) -> Done {
    // The server may work in another folder than this program.
    let folder = std::path::absolute(&args.to)?;
    let shown = folder.display().to_string();
    ask(&args.settings, &Request::Backup { folder })?;
    let mut page = Page::new();
    page.line(format_args!("The database is copied to {shown}."))?;
    page.line(format_args!("To restore it: palaver serve --data {shown}"))
}

pub(super) fn check_config(settings: &Settings) -> Done {
    let config = settings.load()?;
    let defaults = Config::default();
    let mut page = Page::new();
    page.line(format_args!("The configuration is good."))?;
    for setting in SETTINGS {
        let value = (setting.show)(&config);
        if value != (setting.show)(&defaults) {
            page.field(&format!("{}.{}", setting.section, setting.key), &value)?;
        }
    }
    Ok(())
}

pub(super) fn print_example() -> Done {
    let mut out = io::stdout().lock();
    out.write_all(config::example().as_bytes())?;
    Ok(out.flush()?)
}

/// One line on standard error.
pub(super) fn complain(words: &str) {
    let mut err = io::stderr().lock();
    // If nobody reads standard error, nobody can be told so.
    let _ = if is_colourful(&err) {
        writeln!(err, "\x1b[1;31mpalaver:\x1b[0m {words}")
    } else {
        writeln!(err, "palaver: {words}")
    };
}

fn ask(settings: &Settings, request: &Request) -> Result<Answer, Failure> {
    let config = settings.load()?;
    let data: &Path = &config.server.data;
    if !data.exists() {
        let words = format!("there is no folder {}; name it with --data", data.display());
        return Err(Failure::Refused(words));
    }
    let mut operator = Operator::reach(data, &store_options(&config))?;
    Ok(operator.ask(request)?)
}

fn unexpected() -> Failure {
    Failure::Refused("the server answered something else than was asked".to_owned())
}

fn print_json(value: &impl Serialize) -> Done {
    let mut out = io::stdout().lock();
    let text = serde_json::to_string(value)?;
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn is_colourful(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Output for people.
pub(super) struct Page {
    out: io::StdoutLock<'static>,
    colourful: bool,
}

impl Page {
    pub(super) fn new() -> Self {
        let out = io::stdout().lock();
        let colourful = is_colourful(&out);
        Self { out, colourful }
    }

    pub(super) fn line(&mut self, words: std::fmt::Arguments<'_>) -> Done {
        writeln!(self.out, "{words}")?;
        Ok(self.out.flush()?)
    }

    fn field(&mut self, name: &str, value: &str) -> Done {
        if self.colourful {
            writeln!(self.out, "  \x1b[2m{name:<12}\x1b[0m {value}")?;
        } else {
            writeln!(self.out, "  {name:<12} {value}")?;
        }
        Ok(())
    }

    /// Columns as wide as their widest entry.
    fn table<const COLUMNS: usize>(
        &mut self,
        head: [&str; COLUMNS],
        rows: &[[String; COLUMNS]],
    ) -> Done {
        let mut widths = head.map(|title| title.chars().count());
        for row in rows {
            for (width, entry) in widths.iter_mut().zip(row) {
                *width = (*width).max(entry.chars().count());
            }
        }
        let mut row = |entries: [&str; COLUMNS], bold: bool| -> Done {
            let cells = entries.iter().zip(widths);
            let cells = cells.map(|(entry, width)| format!("{entry:<width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            let line = line.trim_end();
            if bold {
                writeln!(self.out, "\x1b[1m{line}\x1b[0m")?;
            } else {
                writeln!(self.out, "{line}")?;
            }
            Ok(())
        };
        row(head, self.colourful)?;
        for entries in rows {
            row(entries.each_ref().map(String::as_str), false)?;
        }
        Ok(())
    }
}
