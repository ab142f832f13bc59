//! The demo app: whoever comes finds somebody there who has written already.

use std::sync::Arc;

use chat::{
    Actor, App, Body, Command, ExternalId, Fault, Proof, Refusal, Reply, User, UserRef,
    command::ProfilePatch, model::Scope,
};
use dialects::minchat::rest::DEMO_USER;

use super::Rest;

/// The username of the one who is there already.
const HOST: &str = "palaver-host";
const HOST_NAME: &str = "Palaver";
const WELCOME: &str = "Hello! Nobody reads this chat, but what you write here is stored and shown \
                       like any other message. Open a second window as somebody else, and you have \
                       company.";
/// Makes one welcome for each user, however often the user comes.
const WELCOME_ID: &str = "welcome";

/// Makes the one who is there, and the user as whom pages look that have not said who they are.
pub(super) async fn prepare(rest: &Rest, app: Arc<App>) -> Result<(), Fault> {
    let command = put(DEMO_USER, "Demo");
    let made = rest.parts().queue.run(server(&app), command).await;
    let fault = |refusal: Refusal| Fault::new("making what the demo shows", refusal);
    if let Reply::User { user } = made.map_err(fault)? {
        try_to_welcome(rest, &app, &user).await.map_err(fault)?;
    }
    Ok(())
}

/// Greets a user, unless that is done. That it fails is nothing to keep a user away for.
pub(super) async fn welcome(rest: &Rest, app: &Arc<App>, user: &Arc<User>) {
    if let Err(refusal) = try_to_welcome(rest, app, user).await {
        tracing::warn!(%refusal, "a user of the demo was not welcomed");
    }
}

async fn try_to_welcome(rest: &Rest, app: &Arc<App>, user: &User) -> Result<(), Refusal> {
    if user.external.text == HOST {
        return Ok(());
    }
    let run = |command| rest.parts().queue.run(server(app), command);
    run(put(HOST, HOST_NAME)).await?;
    let host = UserRef::Known(HOST.to_owned());
    let opened = run(Command::OpenDirect {
        user: host.clone(),
        other: UserRef::Uuid(user.uuid),
        metadata: None,
        dialect: None,
    });
    if let Reply::Opened { conversation, .. } = opened.await? {
        run(Command::Send {
            to: conversation.conversation.uuid.into(),
            sender: host,
            body: Body::text(WELCOME),
            client_id: Some(WELCOME_ID.to_owned()),
        })
        .await?;
    }
    Ok(())
}

fn put(username: &str, name: &str) -> Command {
    Command::PutUser {
        user: ExternalId::text(username),
        patch: ProfilePatch {
            name: Some(name.to_owned()),
            ..ProfilePatch::default()
        },
    }
}

/// The demo app itself.
fn server(app: &Arc<App>) -> Arc<Actor> {
    Arc::new(Actor {
        app: Arc::clone(app),
        subject: None,
        scope: Scope::Server,
        proof: Proof::default(),
        session: None,
    })
}
