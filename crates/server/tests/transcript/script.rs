//! Reads a transcript: lines of text into steps. Knows nothing of servers.
//!
//! The format is described in `docs/dialects/transcripts.md`; `pattern` is about the values.

use std::time::Duration;

use chat::Identity;
use serde_json::Value;

/// A conversation, as written down.
#[derive(Debug)]
pub(crate) struct Script {
    /// Its file, for messages.
    pub(crate) name: String,
    /// The apps that exist when it starts; the first is the default one.
    pub(crate) apps: Vec<AppLine>,
    /// What happens.
    pub(crate) steps: Vec<Step>,
}

/// `app NAME open|verified|either`
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AppLine {
    pub(crate) name: String,
    /// In which kinds of app the conversation goes like this.
    pub(crate) identities: Vec<Identity>,
}

/// One line, with its continuations.
#[derive(Debug)]
pub(crate) struct Step {
    /// Where it stands, from 1.
    pub(crate) line: usize,
    /// As it stands there.
    pub(crate) text: String,
    pub(crate) action: Action,
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// `server restart`
    Restart,
    /// `clock advance 61s`, or `5m`: time passes at once.
    Advance(Duration),
    /// `let NAME VALUE`: what a name stands for.
    Let { name: String, value: Value },
    /// `http [as SUBJECT|server] METHOD PATH [BODY]`
    Request {
        asker: Asker,
        method: String,
        path: String,
        body: Option<Value>,
    },
    /// `http STATUS BODY`: what the last request is answered.
    Response { status: u16, body: Value },
    /// Something about one socket.
    Socket(SocketName, Deed),
}

/// Who asks over HTTP.
#[derive(Debug, PartialEq)]
pub(crate) enum Asker {
    /// A page, with the public key of the default app.
    Page,
    /// Somebody in particular.
    Subject(Value),
    /// The app itself, with its server key.
    App,
}

/// `CONNECTION[/NAMESPACE]`, as in `alice` or `alice/chat`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SocketName {
    pub(crate) connection: String,
    /// With its slash; `/` for the main one.
    pub(crate) namespace: String,
}

/// What a socket does, or what happens to it.
#[derive(Debug, PartialEq)]
pub(crate) enum Deed {
    /// `open KEY=VALUE...`: makes the connection, with these in the handshake's query.
    Open { query: Vec<(String, String)> },
    /// `connect [as SUBJECT] [AUTH]`, and what comes of it.
    Connect {
        subject: Option<Value>,
        auth: Option<Value>,
        welcome: Welcome,
    },
    /// `dismissed`: the server puts it out of its namespace.
    Dismissed,
    /// `disconnect`: says goodbye.
    Disconnect,
    /// `close`: the transport is gone.
    Close,
    /// `closed`: the server closes the transport.
    Closed,
    /// `> NAME ARGS`, or with `>?` asking for an acknowledgement.
    Emit {
        ack: bool,
        name: String,
        args: Vec<Value>,
    },
    /// `< NAME ARGS`
    Expect { name: String, args: Vec<Value> },
    /// `<~ NAME ARGS`: an event that passes, without an offset.
    ExpectPassing { name: String, args: Vec<Value> },
    /// `<? ARGS`: the acknowledgement of the oldest event that waits for one.
    ExpectAck { args: Vec<Value> },
    /// `<|`: nothing more arrives.
    Quiet,
}

/// How somebody who connects is received.
#[derive(Debug, PartialEq)]
pub(crate) enum Welcome {
    /// Is let in.
    In,
    /// `refused ERROR`: by CONNECT_ERROR.
    Refused(Value),
    /// `told EVENT ARGS`: is let in, told this, and put out.
    Told { name: String, args: Vec<Value> },
}

impl Script {
    /// Reads a whole file. An error names the line.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut script = Self {
            name: name.to_owned(),
            apps: Vec::new(),
            steps: Vec::new(),
        };
        for (line, text) in repeated(name, logical_lines(text))? {
            let located = |what: String| format!("{name}:{line}: {what}\n  {text}");
            if let Some(rest) = text.strip_prefix("app ") {
                if !script.steps.is_empty() {
                    return Err(located("apps come before everything else".to_owned()));
                }
                script.apps.push(parse_app(rest).map_err(located)?);
                continue;
            }
            let action = parse_action(&text).map_err(located)?;
            script.steps.push(Step { line, text, action });
        }
        if script.apps.is_empty() {
            return Err(format!("{name}: names no app"));
        }
        if script.steps.is_empty() {
            return Err(format!("{name}: nothing happens"));
        }
        Ok(script)
    }

    /// What sockets do and see in it.
    pub(crate) fn deeds(&self) -> impl Iterator<Item = &Deed> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Socket(_, deed) => Some(deed),
            Action::Restart
            | Action::Advance(_)
            | Action::Let { .. }
            | Action::Request { .. }
            | Action::Response { .. } => None,
        })
    }

    /// In which kinds of (default) app it is to be played.
    pub(crate) fn identities(&self) -> &[Identity] {
        self.apps.first().map_or(&[], |app| &app.identities)
    }
}

/// Lines without comments, each with those that follow it indented.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match lines.last_mut() {
            Some((_, previous)) if line.starts_with([' ', '\t']) => {
                previous.push(' ');
                previous.push_str(content);
            }
            _ => lines.push((number, content.to_owned())),
        }
    }
    lines
}

/// Writes out what stands between `repeat N` and `end`, N times; `#n` there is the number of the
/// turn, from 1.
fn repeated(name: &str, lines: Vec<(usize, String)>) -> Result<Vec<(usize, String)>, String> {
    let mut written = Vec::new();
    let mut lines = lines.into_iter();
    while let Some((line, text)) = lines.next() {
        let Some(times) = text.strip_prefix("repeat ") else {
            written.push((line, text));
            continue;
        };
        let times: usize = times
            .parse()
            .map_err(|_| format!("{name}:{line}: must be: repeat N"))?;
        let mut block = Vec::new();
        loop {
            match lines.next() {
                Some((_, text)) if text == "end" => break,
                Some(inner) => block.push(inner),
                None => return Err(format!("{name}:{line}: repeat has no end")),
            }
        }
        for turn in 1..=times {
            let turn = turn.to_string();
            let turned = |(line, text): &(usize, String)| (*line, text.replace("#n", &turn));
            written.extend(block.iter().map(turned));
        }
    }
    Ok(written)
}

fn parse_app(rest: &str) -> Result<AppLine, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [name, identity] = words.as_slice() else {
        return Err("must be: app NAME open|verified|either".to_owned());
    };
    let identities = match *identity {
        "open" => vec![Identity::Open],
        "verified" => vec![Identity::Verified],
        "either" => vec![Identity::Open, Identity::Verified],
        other => return Err(format!("an app is open, verified or either, not {other}")),
    };
    Ok(AppLine {
        name: (*name).to_owned(),
        identities,
    })
}

fn parse_action(text: &str) -> Result<Action, String> {
    let (who, rest) = text.split_once(' ').ok_or("says who, but not what")?;
    if who == "http" {
        return parse_http(rest.trim());
    }
    if who == "let" {
        let (name, value) = rest.trim().split_once(' ').unwrap_or((rest, ""));
        let value = take_only_value(value)?.ok_or("must be: let NAME VALUE")?;
        let name = name.to_owned();
        return Ok(Action::Let { name, value });
    }
    let (verb, rest) = rest
        .trim_start()
        .split_once(' ')
        .unwrap_or((rest.trim_start(), ""));
    let rest = rest.trim();
    if who == "server" {
        return match (verb, rest) {
            ("restart", "") => Ok(Action::Restart),
            _ => Err("the server can only restart".to_owned()),
        };
    }
    if who == "clock" {
        let by = (verb == "advance").then(|| parse_duration(rest)).flatten();
        return by
            .map(Action::Advance)
            .ok_or("must be: clock advance 61s, or 5m".to_owned());
    }
    let deed = match verb {
        "open" => Deed::Open {
            query: parse_query(rest)?,
        },
        "connect" => parse_connect(rest)?,
        "disconnect" | "dismissed" | "close" | "closed" | "<|" if !rest.is_empty() => {
            return Err(format!("nothing may follow {verb}"));
        }
        "disconnect" => Deed::Disconnect,
        "dismissed" => Deed::Dismissed,
        "close" => Deed::Close,
        "closed" => Deed::Closed,
        "<|" => Deed::Quiet,
        ">" | ">?" => {
            let (name, args) = parse_event(rest)?;
            Deed::Emit {
                ack: verb == ">?",
                name,
                args,
            }
        }
        "<" => {
            let (name, args) = parse_event(rest)?;
            Deed::Expect { name, args }
        }
        "<~" => {
            let (name, args) = parse_event(rest)?;
            Deed::ExpectPassing { name, args }
        }
        "<?" => Deed::ExpectAck {
            args: parse_values(rest)?,
        },
        other => return Err(format!("{other} is nothing that a socket does")),
    };
    Ok(Action::Socket(parse_socket(who), deed))
}

/// A whole number of seconds or minutes.
fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number.parse().ok()?;
    match unit {
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_mins(number)),
        _ => None,
    }
}

fn parse_http(text: &str) -> Result<Action, String> {
    let (mut asker, mut rest) = (Asker::Page, text);
    if let Some(after) = rest.strip_prefix("as server ") {
        (asker, rest) = (Asker::App, after);
    } else if let Some(after) = rest.strip_prefix("as ") {
        asker = Asker::Subject(take_value(after, &mut rest)?);
    }
    let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
    if let (Ok(status), Asker::Page) = (first.parse(), &asker) {
        let body = take_only_value(after)?.ok_or("must be: http STATUS BODY")?;
        return Ok(Action::Response { status, body });
    }
    let (path, body) = after.split_once(' ').unwrap_or((after, ""));
    if !path.starts_with('/') {
        return Err("must be: http [as SUBJECT|server] METHOD PATH [BODY]".to_owned());
    }
    Ok(Action::Request {
        asker,
        method: first.to_owned(),
        path: path.to_owned(),
        body: take_only_value(body)?,
    })
}

/// The one value that `text` is, if it is not empty.
fn take_only_value(text: &str) -> Result<Option<Value>, String> {
    match parse_values(text)?.as_slice() {
        [] => Ok(None),
        [value] => Ok(Some(value.clone())),
        _ => Err("must be one value".to_owned()),
    }
}

fn parse_socket(who: &str) -> SocketName {
    let (connection, namespace) = match who.split_once('/') {
        Some((connection, namespace)) => (connection, format!("/{namespace}")),
        None => (who, "/".to_owned()),
    };
    SocketName {
        connection: connection.to_owned(),
        namespace,
    }
}

fn parse_query(rest: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |word: &str| {
        let (key, value) = word.split_once('=').ok_or("must be: open KEY=VALUE ...")?;
        Ok((key.to_owned(), value.to_owned()))
    };
    rest.split_whitespace().map(pair).collect()
}

fn parse_connect(rest: &str) -> Result<Deed, String> {
    let (mut subject, mut auth, mut welcome) = (None, None, Welcome::In);
    let mut rest = rest;
    if let Some(after) = rest.strip_prefix("as ") {
        subject = Some(take_value(after, &mut rest)?);
    }
    if rest.starts_with('{') {
        auth = Some(take_value(rest, &mut rest)?);
    }
    if let Some(after) = rest.strip_prefix("refused ") {
        welcome = Welcome::Refused(take_value(after, &mut rest)?);
    } else if let Some(after) = rest.strip_prefix("told ") {
        let (name, args) = parse_event(after)?;
        welcome = Welcome::Told { name, args };
        rest = "";
    }
    if !rest.is_empty() {
        let form = "connect [as SUBJECT] [AUTH] [refused ERROR] or [told EVENT ARGS]";
        return Err(format!("must be: {form}"));
    }
    Ok(Deed::Connect {
        subject,
        auth,
        welcome,
    })
}

/// Takes one JSON value from the start of `text`; `rest` becomes what follows it.
fn take_value<'a>(text: &'a str, rest: &mut &'a str) -> Result<Value, String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values
        .next()
        .ok_or("a value is missing")?
        .map_err(|error| format!("no JSON: {error}"))?;
    *rest = text.get(values.byte_offset()..).unwrap_or("").trim_start();
    Ok(value)
}

fn parse_event(rest: &str) -> Result<(String, Vec<Value>), String> {
    let (name, args) = rest.split_once(' ').unwrap_or((rest, ""));
    if name.is_empty() {
        return Err("names no event".to_owned());
    }
    Ok((name.to_owned(), parse_values(args)?))
}

/// Values separated by commas.
fn parse_values(text: &str) -> Result<Vec<Value>, String> {
    serde_json::from_str(&format!("[{text}]")).map_err(|error| format!("no JSON: {error}"))
}
