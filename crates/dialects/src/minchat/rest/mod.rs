//! The endpoints of `minchat`, as pure functions: what a request asks for, and what it is answered.
//!
//! Each function here is one endpoint and makes a [`Call`]: its request is for the core, and then it
//! says what comes back. `input` reads, `answer` has the bodies; the server does everything else.

mod answer;
mod input;
pub mod reviews;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use chat::{
    Body, Command, ConversationRef, ExternalId, Query, Refusal, Reply, UserRef, View,
    command::{BodyPatch, DetailsPatch, ProfilePatch},
    model::{Details, Media, Picture},
};
use uuid::Uuid;

pub use self::answer::{Chats, Done, Failure, Messages, OneUser, Participant, Users, failure};
pub use self::input::{
    ByUser, ChatsQuery, DEMO_USER, EditMessage, MessagesQuery, OpenChat, PutUser, SendMessage,
    UpdateChat, UpdateUser, UserQuery, UsersQuery, Viewer, ViewerQuery,
};
use super::{
    incoming::client_id,
    objects::{Chat, Message, User},
    words::Words,
};
pub use crate::rest::status;
use crate::{
    Answered, Request, Site, payload,
    rest::{self, Form, Input, Response},
};

/// Chats or messages on a page.
const PAGE: u32 = 25;

/// A request that was read.
#[derive(Clone, Debug)]
pub struct Call {
    pub(super) request: Request,
    pub(super) shape: Shape,
}

/// What an answer looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    User,
    Users,
    Participant,
    Chat,
    Chats { page: u64 },
    Messages { page: u64 },
    Message,
    Done,
}

/// `POST /v1/user`
pub fn put_user(body: Input<'_>) -> Result<Call, Refusal> {
    let user = PutUser::read(body)?;
    Ok(command(
        Shape::User,
        Command::PutUser {
            user: ExternalId::text(user.username),
            patch: ProfilePatch {
                name: user.name,
                avatar: picture(user.avatar, user.avatar_file),
                metadata: user.metadata,
            },
        },
    ))
}

/// `GET /v1/user`
pub fn get_user(query: &Form) -> Result<Call, Refusal> {
    let user = match UserQuery::read(query)? {
        UserQuery { id: Some(id), .. } => UserRef::Uuid(id),
        UserQuery {
            username: Some(username),
            ..
        } => UserRef::Known(username),
        UserQuery { .. } => return Err(payload::invalid("username", "is missing")),
    };
    Ok(look(Shape::User, Query::Users { users: vec![user] }))
}

/// `GET /v1/user/list`
pub fn list_users(query: &Form) -> Result<Call, Refusal> {
    let UsersQuery { usernames } = UsersQuery::read(query)?;
    let users = usernames.into_iter().map(UserRef::Known).collect();
    Ok(look(Shape::Users, Query::Users { users }))
}

/// `PATCH /v1/user/{id}`
pub fn update_user(id: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let user = user(id)?;
    let patch = UpdateUser::read(body)?;
    Ok(command(
        Shape::User,
        Command::UpdateUser {
            user,
            patch: ProfilePatch {
                name: patch.name,
                avatar: picture(patch.avatar, patch.avatar_file),
                metadata: patch.metadata,
            },
        },
    ))
}

/// `DELETE /v1/user/{id}`
pub fn delete_user(id: &str) -> Result<Call, Refusal> {
    let user = user(id)?;
    Ok(command(Shape::Done, Command::DeleteUser { user }))
}

/// `GET /v1/user/{id}/blocks`
pub fn list_blocks(id: &str) -> Result<Call, Refusal> {
    Ok(look(Shape::Users, Query::Blocks { user: user(id)? }))
}

/// `PUT /v1/user/{id}/blocks/{other_id}`
pub fn block(id: &str, other_id: &str) -> Result<Call, Refusal> {
    let (user, whom) = (user(id)?, user(other_id)?);
    Ok(command(Shape::Done, Command::Block { user, whom }))
}

/// `DELETE /v1/user/{id}/blocks/{other_id}`
pub fn unblock(id: &str, other_id: &str) -> Result<Call, Refusal> {
    let (user, whom) = (user(id)?, user(other_id)?);
    Ok(command(Shape::Done, Command::Unblock { user, whom }))
}

/// `POST /v1/chat`
pub fn open_chat(body: Input<'_>) -> Result<Call, Refusal> {
    let is_json = matches!(body, Input::Json(_));
    let chat = OpenChat::read(body)?;
    let avatar = picture(chat.avatar, chat.avatar_file);
    let mut usernames = chat.usernames.into_iter();
    let maker = usernames.next().map(|username| match chat.user_id {
        Some(uuid) => UserRef::Both(uuid, username),
        None => UserRef::Known(username),
    });
    let maker = maker.ok_or_else(|| payload::invalid("usernames", "is missing"))?;
    let mut others: Vec<_> = usernames.map(UserRef::Known).collect();
    let viewer = maker.clone();
    let wish = if is_json && chat.title.is_none() && avatar.is_none() && others.len() < 2 {
        let other = others.pop();
        Command::OpenDirect {
            user: maker,
            other: other.ok_or_else(|| payload::invalid("usernames", "must be two"))?,
            metadata: chat.metadata,
            dialect: None,
        }
    } else {
        Command::CreateGroup {
            owner: maker,
            members: others,
            details: Details {
                title: chat.title,
                avatar,
                metadata: chat.metadata,
                ..Details::default()
            },
        }
    };
    Ok(Call {
        request: Request {
            query: Some(chat_with_newest(ConversationRef::Opened, Some(viewer))),
            ..Request::command(wish)
        },
        shape: Shape::Chat,
    })
}

/// `GET /v1/chat/list`
pub fn list_chats(query: &Form) -> Result<Call, Refusal> {
    let ChatsQuery { user_id, page } = ChatsQuery::read(query)?;
    Ok(look(
        Shape::Chats { page },
        Query::Conversations {
            user: user_id.0,
            kind: None,
            offset: offset(page),
            limit: PAGE,
            message_offset: 0,
            message_limit: 1,
        },
    ))
}

/// `GET /v1/chat/{id}`
pub fn get_chat(id: &str, query: &Form) -> Result<Call, Refusal> {
    let chat = chat(id)?;
    let ViewerQuery { user_id } = ViewerQuery::read(query)?;
    let viewer = user_id.map(UserRef::Uuid);
    let chat = ConversationRef::Uuid(chat);
    Ok(look(Shape::Chat, chat_with_newest(chat, viewer)))
}

/// `PATCH /v1/chat/{id}`
pub fn update_chat(id: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let conversation = chat(id)?;
    let patch = UpdateChat::read(body)?;
    let chat = ConversationRef::Uuid(conversation);
    Ok(Call {
        request: Request {
            query: Some(chat_with_newest(chat, None)),
            ..Request::command(Command::UpdateConversation {
                conversation,
                by: None,
                patch: DetailsPatch {
                    title: patch.title,
                    avatar: picture(patch.avatar, patch.avatar_file),
                    metadata: patch.metadata,
                },
            })
        },
        shape: Shape::Chat,
    })
}

/// `DELETE /v1/chat/{id}`
pub fn delete_chat(id: &str) -> Result<Call, Refusal> {
    let conversation = chat(id)?;
    let by = None;
    Ok(command(
        Shape::Done,
        Command::DeleteConversation { conversation, by },
    ))
}

/// `POST /v1/chat/{id}/participants`
pub fn add_participant(id: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let conversation = chat(id)?;
    let ByUser { user_id } = ByUser::read(body)?;
    Ok(command(
        Shape::Participant,
        Command::AddMember {
            conversation,
            user: UserRef::Uuid(user_id),
            by: None,
        },
    ))
}

/// `DELETE /v1/chat/{id}/participants/{user_id}`
pub fn remove_participant(id: &str, user_id: &str) -> Result<Call, Refusal> {
    Ok(command(
        Shape::Participant,
        Command::RemoveMember {
            conversation: chat(id)?,
            user: user(user_id)?,
            by: None,
        },
    ))
}

/// `GET /v1/messages`
pub fn list_messages(query: &Form) -> Result<Call, Refusal> {
    let query = MessagesQuery::read(query)?;
    Ok(look(
        Shape::Messages { page: query.page },
        Query::History {
            conversation: ConversationRef::Uuid(query.chat_id),
            viewer: query.user_id.map(|viewer| viewer.0),
            before: None,
            offset: offset(query.page),
            limit: PAGE,
        },
    ))
}

/// `POST /v1/messages`; `idempotency_key` is the header of that name.
pub fn send_message(body: Input<'_>, idempotency_key: Option<&str>) -> Result<Call, Refusal> {
    let message = SendMessage::read(body)?;
    let client_id = match idempotency_key {
        Some(key) => Some(rest::idempotency_key(key)?),
        None => client_id(message.client_message_id, message.metadata.as_ref())?,
    };
    Ok(command(
        Shape::Message,
        Command::Send {
            to: message.chat_id.into(),
            sender: UserRef::Uuid(message.user_id),
            body: Body {
                text: message.text.unwrap_or_default(),
                media: Vec::from_iter(message.file),
                metadata: message.metadata,
                ..Body::default()
            },
            client_id,
        },
    ))
}

/// `PATCH /v1/messages/{id}`
pub fn edit_message(id: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let message = message(id)?;
    let patch = EditMessage::read(body)?;
    Ok(command(
        Shape::Message,
        Command::EditMessage {
            message,
            by: None,
            patch: BodyPatch {
                text: patch.text,
                media: patch.file,
                metadata: patch.metadata,
            },
        },
    ))
}

/// `DELETE /v1/messages/{id}`
pub fn delete_message(id: &str) -> Result<Call, Refusal> {
    Ok(command(
        Shape::Done,
        Command::DeleteMessage {
            message: message(id)?,
            within: None,
            by: None,
        },
    ))
}

/// `POST /v1/messages/{id}/seen`
pub fn mark_seen(id: &str, body: Input<'_>) -> Result<Call, Refusal> {
    let message = message(id)?;
    let ByUser { user_id } = ByUser::read(body)?;
    let reader = UserRef::Uuid(user_id);
    Ok(command(Shape::Done, Command::MarkRead { message, reader }))
}

impl rest::Call for Call {
    fn request(&self) -> &Request {
        &self.request
    }

    fn answer(&self, site: &Site, result: Result<&Answered, &Refusal>) -> Response {
        match result {
            Ok(answered) => self
                .body(site, answered)
                .unwrap_or_else(|| refuse(Some(self), &Refusal::UnknownUser)),
            Err(refusal) => refuse(Some(self), refusal),
        }
    }

    fn refuse(refusal: &Refusal) -> Response {
        refuse(None, refusal)
    }
}

impl Call {
    /// The body of a success; `None` if what was looked for is not there.
    fn body(&self, site: &Site, answered: &Answered) -> Option<Response> {
        let response = match (self.shape, &answered.reply, &answered.view) {
            (Shape::User, Some(Reply::User { user }), _) => answer::ok(&OneUser {
                user: User::new(site, user),
            }),
            (Shape::User, _, Some(View::Users(users))) => answer::ok(&OneUser {
                user: User::new(site, users.first()?),
            }),
            (Shape::Users, _, Some(View::Users(users))) => answer::ok(&Users {
                users: users.iter().map(|user| User::new(site, user)).collect(),
            }),
            (Shape::Participant, Some(Reply::Membership { user, .. }), _) => {
                answer::ok(&Participant {
                    success: true,
                    participant: User::new(site, user),
                })
            }
            (
                Shape::Chat,
                _,
                Some(View::History {
                    conversation,
                    viewer,
                    messages,
                }),
            ) => {
                let viewer = viewer.as_ref().map(|user| user.id);
                answer::ok(&Chat::new(site, conversation, viewer, messages.last()))
            }
            (
                Shape::Chats { page },
                _,
                Some(View::Conversations {
                    viewer,
                    conversations,
                    total,
                }),
            ) => {
                let chats = conversations.iter().map(|found| {
                    let newest = found.messages.last();
                    Chat::new(site, &found.conversation, Some(viewer.id), newest)
                });
                answer::ok(&Chats {
                    success: true,
                    page,
                    total_chats: *total,
                    total_pages: pages(*total),
                    chats: chats.collect(),
                })
            }
            (
                Shape::Messages { page },
                _,
                Some(View::History {
                    conversation,
                    messages,
                    ..
                }),
            ) => answer::ok(&Messages {
                success: true,
                page,
                total_messages: conversation.messages,
                total_pages: pages(conversation.messages),
                messages: messages.iter().map(|it| Message::new(site, it)).collect(),
            }),
            (Shape::Message, Some(Reply::Sent { message, .. } | Reply::Edited { message }), _) => {
                answer::ok(&Message::new(site, message))
            }
            _ => answer::ok(&Done { success: true }),
        };
        Some(response)
    }
}

/// What comes back from a request that was refused; `call` is `None` when reading it was.
fn refuse(call: Option<&Call>, refusal: &Refusal) -> Response {
    let words = Words::of_rest(call);
    failure(status(refusal), refusal.code(), &words.explain(refusal))
}

/// What is said of a refusal before anything of a request was read.
pub fn explain(refusal: &Refusal) -> Cow<'static, str> {
    Words::of_rest(None).explain(refusal)
}

fn command(shape: Shape, command: Command) -> Call {
    Call {
        request: Request::command(command),
        shape,
    }
}

fn look(shape: Shape, query: Query) -> Call {
    Call {
        request: Request::query(query),
        shape,
    }
}

/// A chat is shown with its newest message, so that is what is looked up.
fn chat_with_newest(conversation: ConversationRef, viewer: Option<UserRef>) -> Query {
    Query::History {
        conversation,
        viewer,
        before: None,
        offset: 0,
        limit: 1,
    }
}

/// Messages or chats before a page.
fn offset(page: u64) -> u64 {
    page.saturating_sub(1).saturating_mul(u64::from(PAGE))
}

fn pages(total: u64) -> u64 {
    total.div_ceil(u64::from(PAGE))
}

/// A file counts more than an address.
fn picture(url: Option<String>, file: Option<Media>) -> Option<Picture> {
    file.map(Picture::Media).or(url.map(Picture::Url))
}

// An id in a path that cannot be one names nothing.

fn user(id: &str) -> Result<UserRef, Refusal> {
    let uuid = payload::uuid(id).ok_or(Refusal::UnknownUser)?;
    Ok(UserRef::Uuid(uuid))
}

fn chat(id: &str) -> Result<Uuid, Refusal> {
    payload::uuid(id).ok_or(Refusal::UnknownConversation)
}

fn message(id: &str) -> Result<Uuid, Refusal> {
    payload::uuid(id).ok_or(Refusal::UnknownMessage)
}
