//! A server that has too much to do says so, and when to come again; and what is much to do is done
//! step by step.

use std::{sync::Arc, time::Instant};

use axum::{Router, body::Body, http::Request};
use chat::{
    Actor, Body as Words, Command, ExternalId, Identity, Proof, Reply, Store, UserRef,
    model::Scope, store::UserName,
};
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
use tempfile::TempDir;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::client::DEADLINE;

/// The HTTP side without a listener, over one app.
struct Alone {
    core: Core,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    client_key: String,
    folder: TempDir,
}

impl Alone {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(data, &Options::default()).unwrap());
        let desk = Desk::alone(Arc::clone(&store), data).unwrap();
        let made = desk.carry_out(&Wish::CreateApp {
            name: "shop".to_owned(),
            identity: Identity::Open,
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
        Self {
            core: core.unwrap(),
            store,
            metrics,
            client_key,
            folder,
        }
    }

    /// With so many requests at once.
    fn rest(&self, requests: usize) -> Router {
        let config = MediaConfig {
            max_bytes: 1_000,
            free_space_floor: 0,
        };
        let parts = RestParts {
            store: Arc::clone(&self.store),
            queue: Arc::clone(&self.core.queue),
            directory: Arc::clone(&self.core.directory),
            hub: Arc::clone(&self.core.hub),
            media: Arc::new(MediaStore::open(self.folder.path(), config).unwrap()),
            limits: Arc::new(Limits::default()),
            metrics: Arc::clone(&self.metrics),
            site: Arc::default(),
            requests,
            uploads: (1, 1),
        };
        Rest::new(parts).router()
    }

    fn ask(&self, method: &str, path: &str) -> Request<Body> {
        Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Bearer {}", self.client_key))
            .body(Body::empty())
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_turn_is_told_to_come_again() {
    let alone = Alone::start();
    let ask = || alone.ask("GET", "/v1/user?username=ada");
    let answer = alone.rest(1).oneshot(ask()).await.unwrap();
    assert_eq!(answer.status(), 404);
    let answer = alone.rest(0).oneshot(ask()).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "2");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&body["success"], &body["code"]),
        (&false.into(), &"unavailable".into())
    );
    let page = alone.metrics.page();
    assert!(
        page.contains("palaver_requests_total{status=\"503\"} 1\n"),
        "{page}"
    );
    alone.core.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_wrote_much_is_deleted_step_by_step_though_nobody_waits_for_it() {
    let alone = Alone::start();
    let app = alone.core.directory.default_app().unwrap();
    let actor = Arc::new(Actor {
        app: Arc::clone(&app),
        subject: None,
        scope: Scope::Server,
        proof: Proof::default(),
        session: None,
    });
    let named = |name| UserRef::Named(ExternalId::text(name));
    let run = |command| alone.core.queue.run(Arc::clone(&actor), command);
    let opened = run(Command::OpenDirect {
        user: named("ada"),
        other: named("bob"),
        metadata: None,
        dialect: None,
    });
    let Ok(Reply::Opened { conversation, .. }) = opened.await else {
        panic!("no chat");
    };
    let mut said = JoinSet::new();
    for _ in 0..1_000 {
        let (queue, actor) = (Arc::clone(&alone.core.queue), Arc::clone(&actor));
        let command = Command::Send {
            to: conversation.conversation.uuid.into(),
            sender: named("ada"),
            body: Words::text("x"),
            client_id: None,
        };
        said.spawn(async move { queue.run(actor, command).await.map(drop) });
    }
    assert!(said.join_all().await.into_iter().all(|one| one.is_ok()));

    let ada = || {
        let name = UserName::External("ada".to_owned());
        alone.store.user(app.id, &name).unwrap()
    };
    let path = format!("/v1/user/{}", ada().unwrap().uuid);
    let before = alone.metrics.commits.get();
    let begun = Instant::now();
    let mut deleting = Box::pin(alone.rest(1).oneshot(alone.ask("DELETE", &path)));
    while alone.metrics.commits.get() == before {
        assert!(begun.elapsed() < DEADLINE, "no step is taken");
        tokio::select! {
            biased;
            answer = &mut deleting => panic!("{:?} at once", answer.unwrap().status()),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(deleting);
    while ada().is_some() {
        assert!(begun.elapsed() < DEADLINE, "she is still there");
        tokio::task::yield_now().await;
    }
    let place = chat::Topic::Conversation(conversation.conversation.id);
    assert!(alone.store.log(place, 0, u64::MAX, 9).unwrap().is_empty());
    let commits = alone.metrics.commits.get() - before;
    assert!(commits > 3, "{commits} commits");
    alone.core.stop().await;
}
