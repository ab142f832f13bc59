//! What each part of the server gets out of the settings, and what is wrong between them.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
};

use dialects::Site;
use http::Uri;
use ipnet::IpNet;

use super::{read::nearest, table::Config};
use crate::{
    hub::HubConfig,
    limits::{LimitsConfig, Rate},
    listen::ListenConfig,
    media::MediaConfig,
    origin,
    proxy::TrustedProxies,
};

impl Config {
    /// What is wrong although each value by itself is good: the setting, and words that follow
    /// its name.
    pub(super) fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let path = &self.server.path;
        if !(path.starts_with('/') && path.ends_with('/') && path.len() > 1) {
            let words = format!("must start and end with a slash, like /socket.io/, not {path:?}");
            wrong.push(("server.path", words));
        }
        if self.server.data.as_os_str().is_empty() {
            wrong.push(("server.data", "must name a folder".to_owned()));
        }
        if !self.server.public_url.is_empty() && !is_base_url(&self.server.public_url) {
            let words = format!(
                "must be empty or a scheme and a host, like https://chat.example.org, without a slash \
                 at its end, not {:?}",
                self.server.public_url
            );
            wrong.push(("server.public_url", words));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            let (missing, given) = if self.tls.key.is_none() {
                ("tls.key", "tls.certificate")
            } else {
                ("tls.certificate", "tls.key")
            };
            wrong.push((missing, format!("must be set, because {given} is")));
        }
        if let Err(words) = origin::Origins::parse(&self.origins.allow) {
            wrong.push(("origins.allow", format!("is wrong: {words}")));
        }
        if let Err(words) = TrustedProxies::parse(&self.proxies.trusted) {
            wrong.push(("proxies.trusted", format!("is wrong: {words}")));
        }
        if let Err(words) = parse_networks(&self.metrics.allow) {
            wrong.push(("metrics.allow", format!("is wrong: {words}")));
        }
        let names = || dialects::DIALECTS.iter().map(|dialect| dialect.name());
        for name in &self.dialects.enabled {
            if names().any(|known| known == name) {
                continue;
            }
            let hint = match nearest(name, names()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
            };
            wrong.push((
                "dialects.enabled",
                format!("names {name:?}, which is none; {hint}"),
            ));
        }
        if self.dialects.enabled.is_empty() {
            wrong.push((
                "dialects.enabled",
                "must name at least one dialect".to_owned(),
            ));
        }
        wrong
    }

    /// For the listener.
    pub fn listen_config(&self) -> ListenConfig {
        // What does not parse has been refused when the settings were read.
        let origins = origin::Origins::parse(&self.origins.allow).unwrap_or_default();
        let proxies = TrustedProxies::parse(&self.proxies.trusted).unwrap_or_default();
        let limits = &self.limits;
        ListenConfig {
            paths: vec![self.server.path.clone()],
            hosts: self.server.hosts.clone(),
            shutdown_timeout: self.server.shutdown_seconds,
            ping_interval: self.heartbeat.interval_seconds,
            ping_timeout: self.heartbeat.timeout_seconds,
            limits: self.wire_limits(),
            slow_timeout: limits.slow_timeout_seconds,
            send_buffer: limits.send_buffer_bytes,
            max_connections: limits.connections,
            // Polling takes up to two sockets for a connection, and REST some more.
            max_sockets: limits.connections.saturating_mul(2).saturating_add(1_000),
            max_connections_per_ip: limits.connections_per_ip,
            origins,
            proxies,
            ..ListenConfig::default()
        }
    }

    /// For the packets of a connection.
    pub fn wire_limits(&self) -> wire::Limits {
        let limits = &self.limits;
        wire::Limits {
            max_text_bytes: limits.text_packet_bytes,
            max_binary_bytes: limits.attachment_bytes,
            max_attachments: limits.attachments,
            max_namespaces: limits.namespaces,
            max_event_name_bytes: limits.event_name_bytes,
            connect_timeout: limits.connect_timeout_seconds,
            ..wire::Limits::default()
        }
    }

    /// For the hub.
    pub fn hub_config(&self) -> HubConfig {
        let limits = &self.limits;
        let enabled = self.dialects.enabled.iter();
        let sessions = &self.sessions;
        HubConfig {
            limits: Arc::new(self.wire_limits()),
            dialects: enabled.filter_map(|name| dialects::by_name(name)).collect(),
            waiting_commands: limits.waiting_commands,
            waiting_commands_per_app: limits.waiting_commands_per_app,
            recent: sessions.recent_seconds,
            recent_bytes: sessions.recent_bytes,
            replay: sessions.replay_seconds,
            replay_events: sessions.replay_events,
            replay_bytes: sessions.replay_bytes,
            remember: sessions.remember_seconds,
            expiry_grace: self.identity.expiry_grace_seconds,
            rate: rate(limits.events_per_second, limits.event_burst),
            readers_per_ip: limits.stream_readers_per_ip,
            without_recovery: sessions.without_recovery.clone(),
            ..HubConfig::default()
        }
    }

    /// How clients reach the server, which listens on `address`.
    pub fn site(&self, address: SocketAddr) -> Site {
        let url = &self.server.public_url;
        if !url.is_empty() {
            return Site { url: url.clone() };
        }
        let scheme = match self.tls.certificate {
            Some(_) => "https",
            None => "http",
        };
        let url = format!("{scheme}://{address}");
        Site { url }
    }

    /// For the store of files.
    pub fn media_config(&self) -> MediaConfig {
        MediaConfig {
            max_bytes: self.media.max_bytes,
            free_space_floor: self.store.free_space_floor_bytes,
        }
    }

    /// How often somebody may ask.
    pub fn rates(&self) -> LimitsConfig {
        let limits = &self.limits;
        LimitsConfig {
            per_ip: rate(limits.per_ip_per_second, limits.per_ip_burst),
            per_app: rate(limits.per_app_per_second, limits.per_app_burst),
            per_user: rate(limits.per_user_per_second, limits.per_user_burst),
            keyless_per_minute: NonZeroU32::new(limits.stream_requests_per_minute),
        }
    }

    /// Networks that may read the metrics.
    pub fn metrics_networks(&self) -> Vec<IpNet> {
        parse_networks(&self.metrics.allow).unwrap_or_default()
    }

    /// Whether only this machine can reach the server. A proxy that is trusted brings others.
    pub fn is_private(&self) -> bool {
        self.server.listen.ip().to_canonical().is_loopback() && self.proxies.trusted.is_empty()
    }

    /// Whether apps with open identity must not be served.
    pub fn forbids_open_apps(&self) -> bool {
        !self.is_private() && !self.identity.allow_open_on_public_address
    }
}

/// No limit where one of the two is nothing.
fn rate(per_second: u32, burst: u32) -> Option<Rate> {
    let (per_second, burst) = NonZeroU32::new(per_second).zip(NonZeroU32::new(burst))?;
    Some(Rate { per_second, burst })
}

/// A scheme and an authority, and nothing behind them.
fn is_base_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|url| {
        let scheme = matches!(url.scheme_str(), Some("http" | "https"));
        scheme
            && url.authority().is_some()
            && url.path_and_query().is_none_or(|rest| rest == "/")
            && !text.ends_with('/')
    })
}

fn parse_networks(list: &[String]) -> Result<Vec<IpNet>, String> {
    let parse = |entry: &String| {
        let address = || entry.parse::<IpAddr>().ok().map(IpNet::from);
        let network = entry.parse::<IpNet>().ok();
        network
            .or_else(address)
            .ok_or_else(|| format!("{entry:?} is neither an address nor a network like 10.0.0.0/8"))
    };
    list.iter().map(parse).collect()
}
