//! Every setting of the server: its name, meaning, type, default and range. The only list of them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::setting::{Given, LogFormat, LogLevel, Seconds, Value};

/// One setting, as the reader, the example and the documentation see it.
pub struct Setting {
    /// Its section.
    pub section: &'static str,
    /// What the section is about.
    pub section_words: &'static str,
    /// Its key in the section.
    pub key: &'static str,
    /// What it means, line by line.
    pub words: &'static [&'static str],
    /// What it may be; continues "must be ".
    pub allowed: &'static str,
    /// The lowest and the highest value.
    pub range: fn() -> Option<(f64, f64)>,
    /// Takes a value in; false if it is not one.
    pub(super) set: fn(&mut Config, Given<'_>) -> bool,
    /// The value, as TOML.
    pub show: fn(&Config) -> String,
}

macro_rules! settings {
    ($(
        #[doc = $section_words:literal]
        $section:ident: $type:ident {
            $($(#[doc = $words:literal])* $key:ident: $value:ty = $default:expr $(, $low:literal to $high:literal)?;)*
        }
    )*) => {
        /// All settings.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Config {
            $(#[doc = $section_words] pub $section: $type,)*
        }
        $(
            #[doc = $section_words]
            #[derive(Clone, Debug, PartialEq)]
            pub struct $type {
                $($(#[doc = $words])* pub $key: $value,)*
            }
            impl Default for $type {
                fn default() -> Self {
                    Self { $($key: $default,)* }
                }
            }
        )*
        /// All settings, in the order of the example.
        pub static SETTINGS: &[Setting] = &[$($(Setting {
            section: stringify!($section),
            section_words: $section_words,
            key: stringify!($key),
            words: &[$($words),*],
            allowed: <$value as Value>::ALLOWED,
            range: || settings!(@range $($low, $high)?),
            set: |config, given| {
                let Some(value) = <$value as Value>::read(given) else { return false };
                $(if !(f64::from($low)..=f64::from($high)).contains(&value.number()) { return false; })?
                config.$section.$key = value;
                true
            },
            show: |config| config.$section.$key.show(),
        },)*)*];
    };
    (@range) => { None };
    (@range $low:literal, $high:literal) => { Some((f64::from($low), f64::from($high))) };
}

settings! {
    /// The server and its listener.
    server: Server {
        /// Address and port to listen on. With port 0 the system chooses one.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 3000));
        /// Path on which Socket.IO is spoken; starts and ends with a slash.
        path: String = "/socket.io/".to_owned();
        /// Names by which browsers ask for this server, without port. If there are none, a server
        /// on a loopback address answers to IP addresses and localhost only, any other to all names.
        hosts: Vec<String> = Vec::new();
        /// Folder of the database. One server at a time can use it.
        data: PathBuf = PathBuf::from("./data");
        /// Threads that serve sockets; 0 is one for each processor.
        threads: usize = 0, 0 to 1024;
        /// How clients reach the server from outside, like `https://chat.example.org`: files are
        /// named by it. If it is empty, the address that the server listens on.
        public_url: String = String::new();
        /// How long clients may take what is still to be written when the server stops.
        shutdown_seconds: Seconds = Duration::from_secs(10), 0 to 3600;
    }
    /// Encrypted connections. Both files or none; without them a proxy in front should do it.
    tls: Tls {
        /// PEM file with the certificate and its chain.
        certificate: Option<PathBuf> = None;
        /// PEM file with the private key.
        key: Option<PathBuf> = None;
    }
    /// Web pages that may talk to the server.
    origins: Origins {
        /// Their origins, like `https://chat.example.org`; `*` alone is every page. If there are none:
        /// on a loopback address the pages of this machine, else the server's own.
        allow: Vec<String> = Vec::new();
    }
    /// Proxies in front of the server.
    proxies: Proxies {
        /// Addresses or networks, like "10.0.0.0/8", whose forwarded headers are believed.
        trusted: Vec<String> = Vec::new();
    }
    /// What clients may ask for. All sizes are bytes.
    limits: Limits {
        /// Longest text packet.
        text_packet_bytes: usize = 1_000_000, 1024 to 100_000_000;
        /// Longest binary attachment.
        attachment_bytes: usize = 10_000_000, 1024 to 1_000_000_000;
        /// Attachments of one packet.
        attachments: usize = 1, 0 to 1024;
        /// Namespaces of one connection.
        namespaces: usize = 16, 1 to 1024;
        /// Longest event name.
        event_name_bytes: usize = 256, 16 to 65_536;
        /// Time that a connection may take to enter a namespace.
        connect_timeout_seconds: Seconds = Duration::from_secs(45), 0.1 to 3600;
        /// Connections in all. More are told to come again later (503).
        connections: usize = 100_000, 1 to 10_000_000;
        /// Connections from one IPv4 address or IPv6 /64 network; loopback is not counted.
        connections_per_ip: usize = 4096, 1 to 10_000_000;
        /// Sockets from one IPv4 address or IPv6 /64 network that may read the rooms of live streams
        /// without a token or key; 0 is no limit. Loopback is not counted.
        stream_readers_per_ip: usize = 10, 0 to 10_000_000;
        /// Events a second that a socket may send in the long run; 0 is no limit. A faster one is
        /// read more slowly; nothing is refused.
        events_per_second: u32 = 50, 0 to 1_000_000;
        /// Events that a socket may send at once before that.
        event_burst: u32 = 200, 1 to 1_000_000;
        /// HTTP requests and events a second from one IPv4 address or IPv6 /64 network, in the long
        /// run; 0 is no limit. Loopback and requests with a server key are not counted. Too many
        /// requests are refused (429); sockets are read more slowly.
        per_ip_per_second: u32 = 200, 0 to 1_000_000;
        /// As many may come at once before that.
        per_ip_burst: u32 = 2000, 1 to 1_000_000;
        /// The same for one app.
        per_app_per_second: u32 = 5000, 0 to 1_000_000;
        /// As many may come at once before that.
        per_app_burst: u32 = 20_000, 1 to 1_000_000;
        /// The same for one user whom a token proves.
        per_user_per_second: u32 = 50, 0 to 1_000_000;
        /// As many may come at once before that.
        per_user_burst: u32 = 300, 1 to 1_000_000;
        /// Requests a minute about live streams from one IPv4 address or IPv6 /64 network that bring no
        /// key; 0 is no limit. Loopback is not counted. Too many are refused (429).
        stream_requests_per_minute: u32 = 100, 0 to 1_000_000;
        /// HTTP requests that are carried out at once. More wait, and after two seconds are told to
        /// come again (503).
        requests: usize = 256, 1 to 1_000_000;
        /// Commands that may wait for the writer, on the whole server. While there are more,
        /// sockets are not read.
        waiting_commands: u32 = 8192, 1 to 1_000_000;
        /// The same for one app.
        waiting_commands_per_app: u32 = 4096, 1 to 1_000_000;
        /// Bytes of memory that the operating system may hold for one client.
        send_buffer_bytes: usize = 262_144, 4096 to 67_108_864;
        /// A client that takes nothing for this long while something waits for it is closed.
        slow_timeout_seconds: Seconds = Duration::from_secs(30), 0.1 to 3600;
    }
    /// How the server notices that a client is gone.
    heartbeat: Heartbeat {
        /// Time between two pings.
        interval_seconds: Seconds = Duration::from_secs(25), 0.05 to 3600;
        /// Time that the answer may take.
        timeout_seconds: Seconds = Duration::from_secs(20), 0.05 to 3600;
    }
    /// The embedded database.
    store: Store {
        /// Below this much free disk space nothing new is taken in; reading goes on.
        free_space_floor_bytes: u64 = 67_108_864, 0 to 1e12;
    }
    /// What is kept for clients that lose their connection.
    sessions: Sessions {
        /// How long what happened, and sessions without a client, stay in memory. After that they
        /// are read from the database.
        recent_seconds: Seconds = Duration::from_mins(5), 10 to 86_400;
        /// Memory for what happened lately, for all clients together, in bytes. What no longer fits
        /// is read from the database.
        recent_bytes: usize = 67_108_864, 65_536 to 1e11;
        /// A client that comes back is sent what it missed, if the oldest of it is not older than
        /// this. Else it begins anew, but keeps who it is and what it listens to.
        replay_seconds: Seconds = Duration::from_hours(24), 0 to 31_536_000;
        /// Events that are read from the database for one client that comes back; if there are more,
        /// it begins anew in the same way.
        replay_events: usize = 10_000, 0 to 1_000_000;
        /// The same in bytes.
        replay_bytes: usize = 8_388_608, 0 to 1_000_000_000;
        /// How long a client is known that does not come back: who it is and what it listens to.
        remember_seconds: Seconds = Duration::from_hours(7 * 24), 3600 to 315_360_000;
        /// Beginnings of the User-Agent of clients that break on the additional argument that
        /// recovery needs. They get none.
        without_recovery: Vec<String> =
            ["Dart/", "Python/", "python-"].map(str::to_owned).to_vec();
    }
    /// Files that people send.
    media: Media {
        /// Longest file, in bytes.
        max_bytes: u64 = 10_000_000, 1024 to 1e12;
        /// Files that may be on their way in at once.
        uploads: usize = 64, 1 to 100_000;
        /// The same from one IPv4 address or IPv6 /64 network; loopback is not counted.
        uploads_per_ip: usize = 8, 1 to 100_000;
    }
    /// Who people are.
    identity: Identity {
        /// Serve apps with open identity, where everybody is who they say they are, on an address
        /// that others can reach.
        allow_open_on_public_address: bool = false;
        /// How long a client whose token has expired may stay before its connection is closed, so
        /// that it comes back with a new one.
        expiry_grace_seconds: Seconds = Duration::from_secs(30), 0 to 3600;
    }
    /// The log, on standard error.
    log: Log {
        /// One of error, warn, info, debug, trace.
        level: LogLevel = LogLevel::Info;
        /// text for people, json for machines.
        format: LogFormat = LogFormat::Text;
    }
    /// The page /metrics.
    metrics: Metrics {
        /// Addresses or networks that may read it, beside this machine itself.
        allow: Vec<String> = Vec::new();
    }
    /// The chat APIs that are spoken.
    dialects: Dialects {
        /// Their names.
        enabled: Vec<String> = ::dialects::DIALECTS.iter().map(|d| d.name().to_owned()).collect();
    }
}
