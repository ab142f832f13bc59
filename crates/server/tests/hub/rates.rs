//! A socket that is over a rate is read more slowly, and loses nothing.

use std::{num::NonZeroU32, sync::Arc};

use chat::AppId;
use server::{
    hub::HubConfig,
    limits::{Asking, Limits, LimitsConfig, Rate},
};

use crate::client::{Client, config, core};

#[tokio::test]
async fn sockets_share_the_rate_of_their_app_with_http() {
    let folder = tempfile::tempdir().unwrap();
    let shared = Arc::new(Limits::new(LimitsConfig {
        per_app: Some(Rate {
            per_second: NonZeroU32::MIN,
            burst: NonZeroU32::new(4).unwrap(),
        }),
        ..LimitsConfig::default()
    }));
    let config = HubConfig {
        shared_rates: Arc::clone(&shared),
        ..config()
    };
    let core = core(folder.path(), config).await;
    let (mut ada, mut bob) = (Client::connect(&core).await, Client::connect(&core).await);
    let (room, _) = ada.join(1, 2).await;
    bob.join(2, 1).await;
    let of_http = Asking {
        ip: None,
        app: Some(AppId(1)),
        user: None,
    };
    // On a slow machine the app may have one to spare again before the socket's turn.
    for round in 0..100 {
        while shared.check(&of_http).is_none() {}
        ada.say(&room, 1, &round.to_string());
        let message = bob.event("new_message").await;
        assert_eq!(message["body"], round.to_string());
        if core.metrics.read_pauses.get() > 0 {
            break;
        }
    }
    assert!(
        core.metrics.read_pauses.get() > 0,
        "nobody was read more slowly"
    );
    ada.say(&room, 1, "after a pause");
    let message = bob.event("new_message").await;
    assert_eq!(message["body"], "after a pause");
}
