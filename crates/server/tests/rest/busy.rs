//! A server that has too much to do says so, and when to come again.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use chat::Store;
use http_body_util::BodyExt;
use server::{
    core::Core,
    hub::HubConfig,
    limits::Limits,
    media::{MediaConfig, MediaStore},
    metrics::Metrics,
    operate::{Answer, Desk, NewApp, Request as Wish},
    rest::{Rest, RestParts},
    stores::{Options, Sqlite},
};
use tower::ServiceExt;

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_turn_is_told_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(data, &Options::default()).unwrap());
    let desk = Desk::alone(Arc::clone(&store), data).unwrap();
    let made = desk.carry_out(&Wish::CreateApp {
        name: "shop".to_owned(),
        identity: chat::Identity::Open,
        default: true,
        public_keys: String::new(),
    });
    let Answer::AppCreated(NewApp { client_key, .. }) = made else {
        panic!("{made:?}");
    };
    let metrics = Metrics::new();
    let core = Core::start(
        Arc::clone(&store),
        HubConfig::default(),
        Arc::clone(&metrics),
    );
    let core = core.unwrap();
    let config = MediaConfig {
        max_bytes: 1_000,
        free_space_floor: 0,
    };
    let rest = |requests| {
        let parts = RestParts {
            store: Arc::clone(&store),
            queue: Arc::clone(&core.queue),
            directory: Arc::clone(&core.directory),
            hub: Arc::clone(&core.hub),
            media: Arc::new(MediaStore::open(data, config).unwrap()),
            limits: Arc::new(Limits::default()),
            metrics: Arc::clone(&metrics),
            site: Arc::default(),
            requests,
            uploads: (1, 1),
        };
        Rest::new(parts).router()
    };
    let ask = || {
        Request::get("/v1/user?username=ada")
            .header("Authorization", format!("Bearer {client_key}"))
            .body(Body::empty())
            .unwrap()
    };
    let answer = rest(1).oneshot(ask()).await.unwrap();
    assert_eq!(answer.status(), 404);
    let answer = rest(0).oneshot(ask()).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "2");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&body["success"], &body["code"]),
        (&false.into(), &"unavailable".into())
    );
    let page = metrics.page();
    assert!(
        page.contains("palaver_requests_total{status=\"503\"} 1\n"),
        "{page}"
    );

    core.stop().await;
}
